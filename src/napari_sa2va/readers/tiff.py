"""TIFF, OME-TIFF and ImageJ stacks, any compression that tifffile and imagecodecs decode."""

from __future__ import annotations

import math
import struct
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.axes import KNOWN_AXES
from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.format import ReadFormat
from napari_sa2va.readers.lazy import lazy_planes
from napari_sa2va.readers.tiff_chain import missing_at
from napari_sa2va.readers.tiff_colour import PixelMeaning, pixel_meaning
from napari_sa2va.readers.tiff_facts import read_facts

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

EXTENSIONS = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".lsm", ".stk")
FORMAT = ReadFormat(
    title="TIFF, OME-TIFF, ImageJ, LSM",
    extensions=EXTENSIONS,
    axes="TZCYXS",
    facts="pixel size, z step, frame interval, channel names",
    lazy="one plane",
    tested_with="tifffile's writer",
)
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def accepts(path: Path) -> bool:
    """Whether the name or the first four bytes say TIFF."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        magic = file.read(4)
    return magic in _MAGIC or path.suffix.lower() in EXTENSIONS


def read(path: Path, *, series: int | str | None = None) -> Recording:
    """Open a TIFF file; reads its directories, not its pixels.

    Parameters
    ----------
    path : Path
    series : int or str, optional
        Position or name of one of several image series. By default the one with most pixels.

    Returns
    -------
    Recording
        Axes as the file names them. One unnamed axis (plain multi-page files) is T. More than one
        unnamed axis keep tifffile's letters, which must then be named by the user. Where the file
        says that zero is white, integers are turned so that bright is large; palettes become RGB,
        unless they colour one of several channels.

    Raises
    ------
    ClipError
        If the file is no TIFF, is truncated, has pages of several sizes, or has no such series.
    """
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(path) as tif:
            _check_chain(path, tif)
            return _recording(path, tif, series)
    except (TiffFileError, ValueError, LookupError, TypeError, OSError, struct.error) as error:
        raise ClipError(
            f"{path} cannot be read as TIFF ({error}).",
            "Is the file complete, and really a TIFF file?",
        ) from error


def _check_chain(path: Path, tif: TiffFile) -> None:
    if tif.is_ndpi or tif.is_lsm:  # both bend the format beyond 4 GB
        return
    size = tif.filehandle.size
    with path.open("rb") as file:
        needed = missing_at(file, size)
    if needed is not None:
        raise _truncated(path, needed, size)


def _recording(path: Path, tif: TiffFile, wanted: int | str | None) -> Recording:
    number, series = _choose(path, tif, wanted)
    page = series.keyframe
    shape, axes = tuple(int(n) for n in series.shape), _named(series.axes.upper())
    if math.prod(shape) == 0:
        raise ClipError(f"{path} holds no frames: its shape is {shape}.")
    num_lead = max(0, len(shape) - page.ndim)
    meaning = pixel_meaning(page)
    has_palette = meaning.palette is not None
    if has_palette and "C" in axes and shape[axes.index("C")] > 1:
        # The table only colours a channel; as RGB, channels could not be shown side by side.
        meaning, has_palette = PixelMeaning(), False
    source = _source(path, tif, series, math.prod(shape[:num_lead]), meaning)
    dtype = np.dtype(np.uint8) if has_palette else np.dtype(series.dtype)
    if has_palette:
        shape, axes = (*shape, 3), axes + "S"
    return Recording(
        lazy_planes(source, shape, dtype, num_lead, "tiff"),
        axes,
        name=_stem(path),
        source=str(path),
        **read_facts(tif, series, number, axes),
    )


def _stem(path: Path) -> str:
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def _choose(path: Path, tif: TiffFile, wanted: int | str | None) -> tuple[int, TiffPageSeries]:
    everything = tif.series
    if not everything:
        raise ClipError(f"{path} holds no images.")
    listed = "; ".join(
        f"{i} {s.name!r} ({', '.join(f'{a}={n}' for a, n in zip(s.axes, s.shape, strict=True))})"
        for i, s in enumerate(everything)
    )
    if wanted is not None:
        for i, candidate in enumerate(everything):
            if wanted in (i, str(i), candidate.name):
                return i, candidate
        raise ClipError(f"{path} has no series {wanted!r}.", f"It has: {listed}.")
    if len(everything) == 1:
        return 0, everything[0]
    if everything[0].kind in ("generic", "uniform"):
        sizes = Counter(tuple(page.shape[:2]) for page in tif.pages)
        if len(sizes) > 1:
            seen = ", ".join(f"{n} of {h} x {w}" for (h, w), n in sizes.items())
            raise ClipError(
                f"{path} has pages of several sizes (y x x): {seen}.",
                f"Choose a series: {listed}.",
            )
    pixels = [math.prod(s.shape) for s in everything]
    if pixels.count(max(pixels)) > 1:
        raise ClipError(
            f"{path} has {len(everything)} series, and no single largest one.",
            f"Choose a series: {listed}.",
        )
    number = pixels.index(max(pixels))
    return number, everything[number]


def _named(axes: str) -> str:
    """Call the only unnamed axis of a plain multi-page file T."""
    unnamed = [a for a in axes if a not in KNOWN_AXES]
    if len(unnamed) == 1 and "T" not in axes:
        return axes.replace(unnamed[0], "T")
    return axes


def _source(
    path: Path, tif: TiffFile, series: TiffPageSeries, num_planes: int, meaning: PixelMeaning
) -> ContiguousPlanes | PagePlanes:
    page = series.keyframe
    offset = series.dataoffset
    # Pages that are no part of a stack may have a palette each.
    has_palettes = meaning.palette is not None and series.kind == "generic"
    if offset is not None and page.is_final and not has_palettes:
        end = offset + series.nbytes
        if end > tif.filehandle.size:
            raise _truncated(path, end, tif.filehandle.size)
        dtype = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        return ContiguousPlanes(str(path), offset, dtype, page.shape, meaning)
    files: list[str] = []
    places = np.empty((num_planes, 2), np.int64)  # file, offset of the page's directory
    for index in range(num_planes):
        plane = series.pages[index] if index < len(series.pages) else None
        if plane is None or not plane.offset:
            raise ClipError(
                f"{path}: plane {index} of {num_planes} is missing.",
                "The file is truncated, or a part of a set of files is not there.",
            )
        handle = plane.parent.filehandle
        ends = [o + n for o, n in zip(plane.dataoffsets, plane.databytecounts, strict=True)]
        if ends and max(ends) > handle.size:
            raise _truncated(path, max(ends), handle.size)
        if handle.path not in files:
            files.append(handle.path)
        places[index] = files.index(handle.path), plane.offset
    return PagePlanes(str(path), tuple(files), places, meaning)


def _truncated(path: Path, needed: int, size: int) -> ClipError:
    return ClipError(
        f"{path} is truncated: it has {size} bytes, its pages reach to byte {needed}.",
        "Copy the file again, or save the frames that are there to a new file.",
    )


class ContiguousPlanes:
    """Planes that follow each other, uncompressed, from one offset on."""

    def __init__(
        self,
        path: str,
        offset: int,
        dtype: np.dtype,
        plane: tuple[int, ...],
        meaning: PixelMeaning,
    ) -> None:
        self.path = path
        self.offset = offset
        self.dtype = dtype
        self.plane = plane
        self.meaning = meaning

    def read(self, index: int) -> np.ndarray:
        """Read plane `index` into native byte order."""
        count = math.prod(self.plane)
        start = self.offset + index * count * self.dtype.itemsize
        values = np.fromfile(self.path, self.dtype, count, offset=start)
        if values.size != count:
            raise _truncated(
                Path(self.path), start + count * self.dtype.itemsize, start + values.nbytes
            )
        native = values.reshape(self.plane).astype(self.dtype.newbyteorder("="), copy=False)
        return self.meaning.apply(native)


class PagePlanes:
    """Planes that are pages, each found at the offset of its directory."""

    def __init__(
        self, path: str, files: tuple[str, ...], places: np.ndarray, meaning: PixelMeaning
    ) -> None:
        self.path = path
        self.files = files
        self.places = places
        self.meaning = meaning

    def read(self, index: int) -> np.ndarray:
        """Read and decompress page `index`; opens and closes the file."""
        from tifffile import TiffFile, TiffFileError, TiffPage

        number, offset = (int(n) for n in self.places[index])
        try:
            with TiffFile(self.files[number]) as tif:
                tif.filehandle.seek(offset)
                page = TiffPage(tif, index)
                has_palette = self.meaning.palette is not None
                meaning = pixel_meaning(page) if has_palette else self.meaning
                return meaning.apply(page.asarray())
        except (TiffFileError, ValueError, KeyError, TypeError) as error:
            raise ClipError(
                f"{self.files[number]}: page {index} cannot be decoded ({error}).",
                "The file is damaged there.",
            ) from error
        except RuntimeError as error:  # what imagecodecs raises on damaged data
            raise ClipError(
                f"{self.files[number]}: page {index} cannot be decoded ({error}).",
                "The file is damaged there.",
            ) from error
