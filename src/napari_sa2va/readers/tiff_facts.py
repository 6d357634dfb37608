"""Physical facts out of the tags of a TIFF file: OME-XML, ImageJ's description, resolution tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from napari_sa2va.core.geometry import length_in_um, time_in_s

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

# Resolutions that programs write by default: they speak of paper and screens, not of the object.
_PRINT_DPI = (1, 72, 90, 96, 100, 120, 144, 150, 200, 240, 300, 360, 400, 600, 720, 1200, 2400)
_RESOLUTION_UNITS = {2: "inch", 3: "cm", 4: "mm", 5: "um"}


def read_facts(tif: TiffFile, series: TiffPageSeries, number: int, axes: str) -> dict[str, Any]:
    """Pixel size, z step, frame interval and channel names of a series.

    Parameters
    ----------
    tif : tifffile.TiffFile
    series : tifffile.TiffPageSeries
    number : int
        Position of the series in the file.
    axes : str
        Its axes.

    Returns
    -------
    dict
        Fields of `Recording`; only those that the file knows.
    """
    if tif.is_ome and tif.ome_metadata:
        facts = _ome(tif.ome_metadata, number)
    elif tif.is_imagej:
        facts = _imagej(tif, series, axes)
    else:
        facts = {"pixel_size_um": _resolution(series, None)}
    return {name: value for name, value in facts.items() if value}


def _ome(xml: str, number: int) -> dict[str, Any]:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return {}
    pixels = root.findall("{*}Image/{*}Pixels")
    if number >= len(pixels):
        return {}
    node = pixels[number]

    def size(axis: str) -> float | None:
        # The schema's default unit is the micrometre.
        unit = node.get(f"PhysicalSize{axis}Unit", "\u00b5m")
        return length_in_um(_number(node.get(f"PhysicalSize{axis}")), unit)

    y, x = size("Y"), size("X")
    interval = time_in_s(_number(node.get("TimeIncrement")), node.get("TimeIncrementUnit", "s"))
    facts: dict[str, Any] = {
        "pixel_size_um": (y, x) if y and x else None,
        "z_step_um": size("Z"),
        "frame_interval_s": interval,
        "channel_names": tuple(
            c.get("Name") or str(i) for i, c in enumerate(node.findall("{*}Channel"))
        ),
    }
    if not any(c.get("Name") for c in node.findall("{*}Channel")):
        facts["channel_names"] = ()
    if interval is None:
        facts |= _ome_plane_times(node)
    return facts


def _ome_plane_times(node: ElementTree.Element) -> dict[str, Any]:
    """Frame interval from the time stamps of single planes, where no increment is given."""
    stamps: dict[int, float] = {}
    for plane in node.findall("{*}Plane"):
        if plane.get("TheZ", "0") == "0" and plane.get("TheC", "0") == "0":
            value, unit = _number(plane.get("DeltaT")), plane.get("DeltaTUnit", "s")
            factor = time_in_s(1.0, unit)
            if value is not None and factor is not None:
                stamps[int(plane.get("TheT", "0"))] = value * factor
    times = np.array([stamps[t] for t in sorted(stamps)])
    steps = np.diff(times)
    if steps.size == 0 or not (steps > 0).all():
        return {}
    median = float(np.median(steps))
    # Stamps of a real microscope jitter; a tenth of the interval is no change of rate.
    uneven = bool(np.abs(steps - median).max() > 0.1 * median)
    return {"frame_interval_s": float(f"{median:.9g}"), "variable_rate": uneven}


def _imagej(tif: TiffFile, series: TiffPageSeries, axes: str) -> dict[str, Any]:
    about = tif.imagej_metadata or {}
    unit = about.get("unit")
    step = length_in_um(_number(about.get("spacing")), unit) if "Z" in axes else None
    # `fps` is how fast ImageJ plays, not how fast the camera was: only finterval counts.
    interval = time_in_s(_number(about.get("finterval")), about.get("tunit") or "s")
    return {
        "pixel_size_um": _resolution(series, unit),
        "z_step_um": step,
        "frame_interval_s": interval,
    }


def _resolution(series: TiffPageSeries, unit: str | None) -> tuple[float, float] | None:
    """Pixel size from XResolution and YResolution (px per unit), unless they are made for print."""
    tags = series.keyframe.tags
    sizes = []
    for name in ("YResolution", "XResolution"):
        value = tags.valueof(name)
        if not value or not value[0] or not value[1]:
            return None
        per_unit = value[0] / value[1]
        if unit is None:
            word = _RESOLUTION_UNITS.get(int(tags.valueof("ResolutionUnit", default=2)))
            if word is None or _is_print(per_unit, word):
                return None
        else:
            word = unit
        sizes.append(length_in_um(1 / per_unit, word))
    y, x = sizes
    return (y, x) if y and x else None


def _is_print(per_unit: float, word: str) -> bool:
    dpi = per_unit * {"inch": 1.0, "cm": 2.54}.get(word, 0.0)
    return any(abs(dpi - known) < 0.02 for known in _PRINT_DPI) or per_unit == 1.0


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
