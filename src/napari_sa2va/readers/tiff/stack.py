"""A series of TIFF pages as a recording: whole, or the frames that are complete so far."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.axes import KNOWN_AXES
from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.flag_names import asked
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.lazy import lazy_planes
from napari_sa2va.readers.tiff.layout import Layout, lay_out

if TYPE_CHECKING:
    import dask.array as da
    from tifffile import TiffFile

    from napari_sa2va.readers.tiff.images import TiffImage

_GROWING = asked("growing", True)


def recording_of(path: Path, tif: TiffFile, image: TiffImage, *, growing: bool) -> Recording:
    """The pixels of an image and their axes, without physical facts.

    Parameters
    ----------
    path : Path
        What was opened, for the recording's name and source.
    tif : tifffile.TiffFile
    image : TiffImage
    growing : bool
        Whether frames that are not complete are left out, with a note, instead of refused.

    Raises
    ------
    ClipError
        If planes are missing, or no frame is complete.
    """
    if growing and not image.series.keyframe.shape:
        raise no_frame_yet(path)
    layout = lay_out(tif.filehandle.path, tif, image.series)
    planes, lead = _planes_at(layout, image.place)
    notes: tuple[str, ...] = ()
    if not layout.present[planes].all():
        if not growing:
            raise _incomplete(path, layout, planes)
        planes, notes = _complete(path, layout, planes, lead)
    return Recording(
        _pixels(layout, planes),
        _named(lead + layout.axes[layout.num_lead :]),
        name=stem_of(path),
        source=str(path),
        pyramid=tuple(_levels(tif, image, layout, planes)),
        notes=notes,
    )


def stem_of(path: Path) -> str:
    """The file's name without its endings, .ome.tif and .companion.ome too."""
    stem = path.stem
    lower = stem.lower()
    for ending in (".ome", ".companion"):
        if lower.endswith(ending):
            return stem[: -len(ending)]
    return stem


def truncated(path: Path, needed: int) -> ClipError:
    """What is said of a file that ends too early."""
    return ClipError(
        f"{path} is truncated: it has {path.stat().st_size} bytes, its pages reach to byte "
        f"{needed}.",
        f"Copy the file again ({_GROWING} opens one that is still being written).",
    )


def no_frame_yet(path: Path) -> ClipError:
    """What is said of a file that was only begun."""
    return ClipError(f"{path} has no complete frame yet.", "Try again when more is written.")


def _planes_at(layout: Layout, place: dict[str, int]) -> tuple[np.ndarray, str]:
    """Numbers of the planes at a place, in the shape of the axes that count them."""
    lead = layout.axes[: layout.num_lead]
    shape = layout.shape[: layout.num_lead]
    planes = np.arange(len(layout.present)).reshape(shape)
    at = tuple(place.get(axis, slice(None)) for axis in lead)
    return planes[at], "".join(axis for axis in lead if axis not in place)


def _complete(
    path: Path, layout: Layout, planes: np.ndarray, lead: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The frames before the first one of which a plane is missing."""
    if not lead:
        raise no_frame_yet(path)
    axis = next((lead.index(a) for a in "TZ" if a in lead), 0)
    others = tuple(d for d in range(planes.ndim) if d != axis)
    whole = layout.present[planes].all(axis=others)
    num = int(np.logical_and.accumulate(whole).sum())
    if not num:
        raise no_frame_yet(path)
    note = f"The file is still being written: {num} of the {len(whole)} frames that it names are there."
    return planes.take(range(num), axis=axis), (note,)


def _incomplete(path: Path, layout: Layout, planes: np.ndarray) -> ClipError:
    if layout.missing_at:
        return truncated(path, layout.missing_at)
    absent = np.flatnonzero(~layout.present[planes].ravel())
    return ClipError(
        f"{path}: {len(absent)} of {planes.size} planes are missing, the first is {absent[0]}.",
        "The file is truncated, or a part of a set of files is not there "
        f"({_GROWING} opens one that is still being written).",
    )


def _pixels(layout: Layout, planes: np.ndarray) -> da.Array:
    shape = planes.shape + layout.shape[layout.num_lead :]
    source = layout.source(planes.ravel())
    return lazy_planes(source, shape, layout.dtype, planes.ndim, "tiff")


def _levels(tif: TiffFile, image: TiffImage, full: Layout, planes: np.ndarray) -> list[da.Array]:
    """Lower resolutions that have the same planes, the largest first."""
    found = []
    for level in image.series.levels[1:]:
        layout = lay_out(tif.filehandle.path, tif, level)
        same = layout.axes == full.axes and len(layout.present) == len(full.present)
        if not same or layout.dtype != full.dtype or not layout.present[planes].all():
            break
        found.append(_pixels(layout, planes))
    return found


def _named(axes: str) -> str:
    """Call the only unnamed axis of a plain multi-page file T."""
    unnamed = [a for a in axes if a not in KNOWN_AXES]
    if len(unnamed) == 1 and "T" not in axes:
        return axes.replace(unnamed[0], "T")
    return axes
