"""What ImageJ writes about a hyperstack: sizes, tables of colours, the range that is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.geometry import length_in_um, time_in_s
from napari_sa2va.readers.tiff.ome_xml import number

if TYPE_CHECKING:
    from tifffile import TiffFile

    from napari_sa2va.core.intensity import Limits


def facts(about: dict[str, Any], sizes: dict[str, int]) -> dict[str, Any]:
    """Fields of `Recording` out of ImageJ's description and its own tag.

    Parameters
    ----------
    about : dict
        What tifffile calls `imagej_metadata`.
    sizes : dict of str to int
        Positions along each axis of the recording.

    Returns
    -------
    dict
        Without the pixel size, which stands in the resolution tags, in the unit `about["unit"]`.
    """
    num_channels = sizes.get("C", 1)
    step = length_in_um(number(about.get("spacing")), about.get("unit")) if "Z" in sizes else None
    # `fps` is how fast ImageJ plays, not how fast the camera was: only finterval counts.
    interval = time_in_s(number(about.get("finterval")), about.get("tunit") or "s")
    return {
        "z_step_um": step,
        "frame_interval_s": interval,
        "channel_names": _names(about, sizes),
        "channel_colors": _colors(about, num_channels),
        "window": _window(about, num_channels),
    }


def check_imagej(path: Path, tif: TiffFile) -> None:
    """Refuse a stack in one piece that is shorter than it says, of which one page would be left.

    Only where more lies behind the first page: programs that know nothing of ImageJ leave its
    description in a single page that they save.

    Raises
    ------
    ClipError
    """
    promised = (tif.imagej_metadata or {}).get("images", 1)
    page = tif.pages.first
    if len(tif.pages) > 1 or promised < 2 or not page.dataoffsets or not page.nbytes:
        return
    there = (tif.filehandle.size - page.dataoffsets[0]) // page.nbytes
    if page.is_final and there > 1:
        raise ClipError(
            f"{path} is truncated: ImageJ wrote {promised} images into it, and {there} are there.",
            "Copy the file again.",
        )


def _names(about: dict[str, Any], sizes: dict[str, int]) -> tuple[str, ...]:
    """Labels of slices, where they say of every channel the same on all frames and planes."""
    labels = about.get("Labels")
    num = sizes.get("C", 1)
    if num < 2 or not isinstance(labels, list | tuple):
        return ()
    # Channels change fastest.
    if len(labels) != num * sizes.get("Z", 1) * sizes.get("T", 1):
        return ()
    names = tuple(str(label) for label in labels[:num])
    same = all(str(label) == names[i % num] for i, label in enumerate(labels))
    return names if same and len(set(names)) == num and all(names) else ()


def _colors(about: dict[str, Any], num_channels: int) -> tuple[str, ...]:
    """The top entry of each channel's table; nothing where one is turned round, so that it is black."""
    tables = about.get("LUTs")
    if not isinstance(tables, list | tuple) or len(tables) != num_channels:
        return ()
    tops = [np.asarray(table).reshape(3, -1)[:, -1] for table in tables]
    if any(not top.any() for top in tops):
        return ()
    return tuple("#" + "".join(f"{int(v):02x}" for v in top) for top in tops)


def _window(about: dict[str, Any], num_channels: int) -> tuple[Limits, ...]:
    """What is shown black and white: of every channel, or one pair for a single one."""
    if "cf" in about:  # values are calibrated by a function: the range is in its units
        return ()
    values = about.get("Ranges")
    if values is None and num_channels == 1:
        values = (about.get("min"), about.get("max"))
    found = [number(v) for v in values] if values is not None else []
    if len(found) != 2 * num_channels or None in found:
        return ()
    pairs = tuple((float(a), float(b)) for a, b in zip(found[::2], found[1::2], strict=True))  # type: ignore[arg-type]
    return pairs if all(low < high for low, high in pairs) else ()
