"""Headers of NumPy's .npy format, read and checked before any pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np


@dataclass(frozen=True)
class ArrayHeader:
    """What an .npy header says.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        In the byte order of the file.
    is_fortran : bool
        Whether the first index varies fastest.
    begin : int
        Bytes before the first pixel, from the beginning of the header.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool
    begin: int

    @property
    def num_bytes(self) -> int:
        """Header and pixels together; exact, however large the shape."""
        return self.begin + math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_image(self) -> bool:
        """Whether there are numbers in two dimensions or more."""
        return self.dtype.kind in "biufc" and len(self.shape) >= 2 and 0 not in self.shape


def read_header(file: BinaryIO) -> ArrayHeader:
    """Read a header at the position of a file; nothing is ever unpickled.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    start = file.tell()
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):  # 3.0 is for records with names beyond Latin-1
        raise ValueError(f"version {version} of the format is not read")
    read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
    try:
        shape, is_fortran, dtype = read(file)
    except (TypeError, SyntaxError, RecursionError, MemoryError) as error:
        # What the evaluation of a header that is no dictionary of literals may raise.
        raise ValueError(f"its header is no description of an array: {error}") from error
    if any(length < 0 for length in shape):
        raise ValueError(f"its header promises the shape {shape}")
    return ArrayHeader(tuple(int(n) for n in shape), dtype, is_fortran, file.tell() - start)
