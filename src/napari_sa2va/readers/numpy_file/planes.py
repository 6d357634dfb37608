"""Planes of arrays in NumPy's files: where they lie in a file, or unpacked once."""

from __future__ import annotations

import math
from pathlib import Path
from threading import Lock
from zipfile import ZipFile

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.damage import as_clip_error
from napari_sa2va.readers.numpy_file.header import ArrayHeader


class StoredPlanes:
    """Planes of an array that lies in a file as it is.

    Parameters
    ----------
    path : str
    offset : int
        Where the array's header begins, in bytes.
    header : ArrayHeader
    num_lead : int
        How many leading dims count planes.
    """

    def __init__(self, path: str, offset: int, header: ArrayHeader, num_lead: int) -> None:
        self.path = path
        self.offset = offset
        self.header = header
        self.num_lead = num_lead

    def read(self, index: int) -> np.ndarray:
        """Plane `index`, in native byte order."""
        header = self.header
        size = Path(self.path).stat().st_size
        if self.offset + header.num_bytes > size:
            raise OSError(f"the file has shrunk to {size} bytes")
        begin = self.offset + header.begin
        if header.is_fortran:
            # The pixels of a plane lie far from each other.
            mapped = np.memmap(self.path, header.dtype, "r", begin, header.shape, "F")
            lead = header.shape[: self.num_lead]
            plane = np.array(mapped[np.unravel_index(index, lead) if lead else ()])
        else:
            shape = header.shape[self.num_lead :]
            count = math.prod(shape)
            begin += index * count * header.dtype.itemsize
            plane = np.fromfile(self.path, header.dtype, count, offset=begin).reshape(shape)
        return plane.astype(header.dtype.newbyteorder("="), copy=False)


class PackedPlanes:
    """Planes of a compressed member of an .npz, which can only be unpacked as a whole.

    That is done once in each process, with the first plane, and kept as long as this is.
    """

    def __init__(self, path: str, member: str, header: ArrayHeader, num_lead: int) -> None:
        self.path = path
        self.member = member
        self.header = header
        self.num_lead = num_lead
        self._array: np.ndarray | None = None
        self._lock = Lock()

    def __getstate__(self) -> tuple[str, str, ArrayHeader, int]:
        return self.path, self.member, self.header, self.num_lead

    def __setstate__(self, state: tuple[str, str, ArrayHeader, int]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def read(self, index: int) -> np.ndarray:
        """Plane `index`, in native byte order."""
        with self._lock:
            if self._array is None:
                self._array = self._unpacked()
        lead = self._array.shape[: self.num_lead]
        plane: np.ndarray = self._array[np.unravel_index(index, lead) if lead else ()]
        return plane.astype(plane.dtype.newbyteorder("="))

    def _unpacked(self) -> np.ndarray:
        check_memory(self.path, self.header)
        hint = "The file is damaged there: copy it again."
        with (
            as_clip_error(self.path, f"unpacked at {self.member}", hint),
            ZipFile(self.path) as archive,
            archive.open(self.member) as packed,
        ):
            array: np.ndarray = np.lib.format.read_array(packed, allow_pickle=False)
        return array


def check_memory(path: str, header: ArrayHeader) -> None:
    """Refuse to unpack more than there is free memory for.

    Raises
    ------
    ClipError
    """
    import psutil

    free = psutil.virtual_memory().available
    if header.num_bytes > free:
        raise ClipError(
            f"{path} unpacks to {header.num_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory "
            "are free.",
            "Write it uncompressed, with numpy.savez: it is then read plane by plane.",
        )
