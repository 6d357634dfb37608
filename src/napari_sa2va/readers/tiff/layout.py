"""Where the planes of a TIFF series lie: in which file, at which byte, and whether they are there."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.lazy import check_promise
from napari_sa2va.readers.tiff.colour import PixelMeaning, pixel_meaning
from napari_sa2va.readers.tiff.planes import PagePlanes, RawPlanes

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries


@dataclass(frozen=True, eq=False)
class Layout:
    """All planes of a series, those too that are promised and missing.

    Attributes
    ----------
    path : str
        The file that was opened.
    axes : str
        One letter per dimension, as tifffile calls them.
    shape : tuple of int
    num_lead : int
        How many leading dimensions count planes.
    dtype : numpy.dtype
    files : tuple of str
    places : ndarray of int64, shape (planes, 2) or (planes, 3)
        See `RawPlanes` and `PagePlanes`.
    present : ndarray of bool, shape (planes,)
    raw : numpy.dtype or None
        The stored dtype of planes that need no decoding.
    sample_axis : int or None
    stored, page : tuple of int
        Shapes of a plane and of a page in the file.
    meaning : PixelMeaning
    is_lsm : bool
        Whether tifffile has to mend the directories.
    missing_at : int
        How far the files would have to reach; 0 if no plane lies behind the end of its file.
    """

    path: str
    axes: str
    shape: tuple[int, ...]
    num_lead: int
    dtype: np.dtype
    files: tuple[str, ...]
    places: np.ndarray
    present: np.ndarray
    raw: np.dtype | None
    sample_axis: int | None
    stored: tuple[int, ...]
    page: tuple[int, ...]
    meaning: PixelMeaning
    is_lsm: bool
    missing_at: int

    def source(self, indices: np.ndarray) -> RawPlanes | PagePlanes:
        """What reads the planes that are chosen, in this order."""
        places, stamp = self.places[indices], stamp_of(self.files)
        if self.raw is not None:
            return RawPlanes(
                self.path, self.files, places, self.raw, self.stored, self.meaning, stamp
            )
        return PagePlanes(
            self.path,
            self.files,
            places,
            self.sample_axis,
            self.stored,
            self.page,
            self.meaning,
            self.is_lsm,
            stamp,
        )


def stamp_of(files: Iterable[str]) -> int:
    """A number that changes when one of the files is written; part of the names of dask's chunks."""
    return hash(tuple((s.st_mtime_ns, s.st_size) for s in (Path(f).stat() for f in files)))


def lay_out(path: str, tif: TiffFile, series: TiffPageSeries) -> Layout:
    """Find all planes of a series; reads no pixels.

    Raises
    ------
    ClipError
        If the pixels are of a kind that is not read, or more is promised than the file can hold.
    """
    page = series.keyframe
    if page.dtype is None or series.dtype is None:
        raise ClipError(
            f"{path} has pixels of {page.bitspersample} bits in sample format {page.sampleformat}, "
            "which are not read.",
            "Save it with 8, 16 or 32 bits.",
        )
    shape, axes = tuple(int(n) for n in series.shape), series.axes.upper()
    if math.prod(shape) == 0:
        raise ClipError(f"{path} holds no frames: its shape is {shape}.")
    num_lead = max(0, len(shape) - page.ndim)
    # Where X is 1, tifffile writes several planes into one page.
    per_page = max(1, math.prod(page.shape) // math.prod(shape[num_lead:]))
    num_pages = math.prod(shape[:num_lead]) // per_page
    tile = (page.tiledepth, page.tilelength, page.tilewidth) if page.is_tiled else (0,)
    unpacked = max(math.prod(page.shape), math.prod(tile)) * np.dtype(page.dtype).itemsize
    check_promise(path, num_pages, unpacked)
    meaning = pixel_meaning(page)
    if meaning.palette is not None and "C" in axes and shape[axes.index("C")] > 1:
        # The table only colours a channel; as RGB, channels could not be shown side by side.
        meaning = PixelMeaning()
    if "C" not in axes and _samples_are_channels(page):
        axes = axes.replace("S", "C")
    in_page = axes[num_lead:]
    sample_axis = in_page.index("C") if "C" in in_page else None
    if sample_axis is not None:
        channels = num_lead + sample_axis
        per_page = shape[channels]
        axes = axes[:num_lead] + "C" + axes[num_lead:].replace("C", "")
        shape = (*shape[:num_lead], per_page, *shape[num_lead:channels], *shape[channels + 1 :])
        num_lead += 1
    found = _places(tif, series, num_pages, meaning, interleaved="C" in in_page[-1:])
    found = found.of_samples(page, per_page)
    dtype = np.dtype(series.dtype).newbyteorder("=")
    stored = shape[num_lead:]
    if meaning.palette is not None:
        dtype, shape, axes = np.dtype(np.uint8), (*shape, 3), axes + "S"
    return Layout(
        path, axes, shape, num_lead, dtype, tuple(found.files), found.places, found.present,
        found.raw, sample_axis, stored, page.shape, meaning,
        tif.is_lsm, found.missing_at,
    )  # fmt: skip


@dataclass
class _Places:
    files: list[str]
    places: np.ndarray  # (pages, 2): file, and first byte of pixels (raw) or directory
    present: np.ndarray
    raw: np.dtype | None
    missing_at: int

    def of_samples(self, page: TiffPage, num: int) -> _Places:
        """The same, with one place for each of the samples that a page has."""
        places = np.repeat(self.places, num, axis=0)
        sample = np.tile(np.arange(num), len(self.places))
        if self.raw is not None:
            # Only pages whose samples follow each other were called raw.
            places[:, 1] += sample * (math.prod(page.shape) // num * self.raw.itemsize)
        else:
            places = np.column_stack((places[:, :2], sample))
        return _Places(self.files, places, np.repeat(self.present, num), self.raw, self.missing_at)


def _samples_are_channels(page: TiffPage) -> bool:
    """Whether the samples of a pixel are neither colours nor grey and how opaque it is."""
    from tifffile import EXTRASAMPLE, PHOTOMETRIC

    alpha = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
    is_grey = page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)
    return is_grey and page.samplesperpixel > 1 and not any(e in alpha for e in page.extrasamples)


def _places(
    tif: TiffFile,
    series: TiffPageSeries,
    num_pages: int,
    meaning: PixelMeaning,
    interleaved: bool,
) -> _Places:
    page = series.keyframe
    order = tif.byteorder
    dtype = np.dtype(page.dtype).newbyteorder(order)
    # Pages that are no part of a stack may have a palette each.
    has_palettes = meaning.palette is not None and series.kind == "generic"
    is_raw = page.is_final and not has_palettes and not interleaved
    step = math.prod(page.shape) * dtype.itemsize
    offset = series.dataoffset
    if offset is not None and is_raw:
        starts = offset + step * np.arange(num_pages, dtype=np.int64)
        present = starts + step <= tif.filehandle.size
        missing_at = 0 if present.all() else int(starts[-1]) + step
        places = np.column_stack((np.zeros_like(starts), starts))
        return _Places([tif.filehandle.path], places, present, dtype, missing_at)
    pages = [_page(series, i) for i in range(num_pages)]
    is_raw = is_raw and all(
        p is None or (p.is_final and p.parent.byteorder == order and _runs_on(p)) for p in pages
    )
    files: dict[str, int] = {}
    places = np.zeros((num_pages, 2 if is_raw else 3), np.int64)
    present = np.zeros(num_pages, bool)
    missing_at = 0
    for index, plane in enumerate(pages):
        if plane is None or not plane.dataoffsets:
            continue
        at = plane.dataoffsets[0] if is_raw else plane.offset
        handle = plane.parent.filehandle
        # Tiles that were never written have the length 0.
        end = max(
            (o + n for o, n in zip(plane.dataoffsets, plane.databytecounts, strict=False) if n),
            default=0,
        )
        if is_raw:
            end = plane.dataoffsets[0] + step
        elif tif.is_lsm:  # tifffile guesses the length of the last one
            end = min(end, handle.size)
        present[index] = bool(at) and end <= handle.size
        missing_at = max(missing_at, end if end > handle.size else 0)
        places[index, :2] = files.setdefault(handle.path, len(files)), at
    return _Places(list(files), places, present, dtype if is_raw else None, missing_at)


def _page(series: TiffPageSeries, index: int) -> TiffPage | TiffFrame | None:
    try:
        return series[index]
    except IndexError:  # promised, and not there
        return None


def _runs_on(page: TiffPage | TiffFrame) -> bool:
    """Whether the strips of a page follow each other."""
    starts, counts = page.dataoffsets, page.databytecounts
    return len(starts) == 1 or all(
        start + count == after
        for start, count, after in zip(starts, counts, starts[1:], strict=False)
    )
