"""Planes of TIFF files, read one at a time: runs of bytes as they lie there, or decoded pages."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.codestream import size_of
from napari_sa2va.readers.tiff.chain import Measured
from napari_sa2va.readers.tiff.colour import PixelMeaning, pixel_meaning

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffFrame, TiffPage

# tifffile checks little of a damaged file before it computes with it, and imagecodecs raises
# RuntimeError.
RAISED_BY_TIFFFILE = (
    ValueError, LookupError, TypeError, OSError, struct.error, MemoryError, RuntimeError,
    ArithmeticError, AttributeError, AssertionError,
)  # fmt: skip
# JPEG and JPEG 2000 say of themselves how large they are, whatever their page says.
_CODESTREAMS = (6, 7, 33003, 33004, 33005, 34712)
_HEAD_BYTES = 2**16
_MOST_TIMES_LARGER = 4
_SMALL = 2**22
_DAMAGED = "The file is damaged there."


@dataclass(frozen=True, eq=False)
class RawPlanes:
    """Planes that are stored as they are, each a run of bytes.

    Attributes
    ----------
    path : str
        The file that was opened, for messages.
    files : tuple of str
    places : ndarray of int64, shape (planes, 2)
        Position of the plane's file in `files`, and its first byte.
    dtype : numpy.dtype
        With the byte order of the files.
    plane : tuple of int
        Shape of a plane as it is stored.
    meaning : PixelMeaning
    stamp : int
        What tells apart files that were changed in between; see `stamp_of`.
    """

    path: str
    files: tuple[str, ...]
    places: np.ndarray
    dtype: np.dtype
    plane: tuple[int, ...]
    meaning: PixelMeaning
    stamp: int

    def read(self, index: int) -> np.ndarray:
        """Read plane `index` into native byte order."""
        number, start = (int(n) for n in self.places[index])
        file, count = self.files[number], math.prod(self.plane)
        values = np.fromfile(file, self.dtype, count, offset=start)
        if values.size != count:
            raise ClipError(
                f"{file}: plane {index} should reach to byte {start + count * self.dtype.itemsize}, "
                f"and ends at byte {start + values.nbytes}.",
                "The file has become shorter: open it again.",
            )
        native = values.reshape(self.plane).astype(self.dtype.newbyteorder("="), copy=False)
        return self.meaning.apply(native)


@dataclass(frozen=True, eq=False)
class PagePlanes:
    """Planes that are pages, or one sample of a page, decoded by tifffile.

    Attributes
    ----------
    path : str
        The file that was opened, for messages.
    files : tuple of str
    places : ndarray of int64, shape (planes, 3)
        Position of the page's file in `files`, the byte of its directory, and which sample of the
        page the plane is.
    sample_axis : int or None
        Axis of a page along which the samples lie; None if a plane is a whole page, or if several
        planes follow each other in a page.
    plane, page : tuple of int
        Shapes of a plane and of a page before their meaning is applied.
    meaning : PixelMeaning
    is_lsm : bool
        Whether this is an LSM file; tifffile would read its first page to know.
    stamp : int
        What tells apart files that were changed in between; see `stamp_of`.
    """

    path: str
    files: tuple[str, ...]
    places: np.ndarray
    sample_axis: int | None
    plane: tuple[int, ...]
    page: tuple[int, ...]
    meaning: PixelMeaning
    is_lsm: bool
    stamp: int

    def read(self, index: int) -> np.ndarray:
        """Read and decompress plane `index`; opens and closes the file."""
        from tifffile import TiffFile

        number, place, sample = (int(n) for n in self.places[index])
        file = self.files[number]
        try:
            with Measured(Path(file)) as opened, TiffFile(opened) as tif:
                page = _lsm_page(tif, place) if self.is_lsm else _page(tif, place, index)
                meaning = self.meaning
                if meaning.palette is not None:  # each page may have its own
                    meaning = pixel_meaning(page.aspage())
                _check_codestreams(tif, page)
                pixels = page.asarray(maxworkers=1)  # dask has workers of its own
            if self.sample_axis is not None:
                pixels = np.take(pixels, sample, axis=self.sample_axis)
            elif pixels.shape == self.page != self.plane:
                pixels = pixels.reshape(-1, *self.plane)[sample]
            return meaning.apply(pixels)
        except FileNotFoundError:
            raise
        except RAISED_BY_TIFFFILE as error:
            raise ClipError(
                f"{file}: page {index} cannot be decoded ({error or type(error).__name__}).",
                _DAMAGED,
            ) from error


def _check_codestreams(tif: TiffFile, page: TiffPage | TiffFrame) -> None:
    """Refuse a compressed strip or tile that unpacks to far more than the page has room for."""
    whole = page.aspage()
    if whole.compression not in _CODESTREAMS:
        return
    most = _MOST_TIMES_LARGER * math.prod(whole.chunks[:2])
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        tif.filehandle.seek(start)
        found = size_of(tif.filehandle.read(min(count, _HEAD_BYTES)))
        if found is not None and math.prod(found) > max(most, _SMALL):
            raise ValueError(f"at byte {start}, {found[0]} x {found[1]} px are packed")


def _page(tif: TiffFile, place: int, index: int) -> TiffPage:
    """The page whose directory lies at a byte."""
    from tifffile import TiffPage

    tif.filehandle.seek(place)
    return TiffPage(tif, index)


def _lsm_page(tif: TiffFile, place: int) -> TiffPage | TiffFrame:
    """The same of LSM, whose offsets and lengths tifffile mends when it reads all directories."""
    for page in tif.pages:
        if page.offset == place:
            return page
    raise ValueError(f"there is no directory at byte {place}")
