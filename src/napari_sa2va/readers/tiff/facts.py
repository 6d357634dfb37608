"""Physical facts out of the tags of a TIFF file, whoever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sa2va.core.geometry import length_in_um
from napari_sa2va.readers.tiff import imagej, instruments

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

# Resolutions that programs write by default: they speak of paper and screens, not of the object.
_PRINT_DPI = (1, 72, 90, 96, 100, 120, 144, 150, 200, 240, 300, 360, 400, 600, 720, 1200, 2400)
_RESOLUTION_UNITS = {2: "inch", 3: "cm", 4: "mm", 5: "um"}


def read_facts(tif: TiffFile, series: TiffPageSeries, sizes: dict[str, int]) -> dict[str, Any]:
    """Pixel size, z step, frame interval, names and colours of channels, and what is shown.

    Parameters
    ----------
    tif : tifffile.TiffFile
    series : tifffile.TiffPageSeries
    sizes : dict of str to int
        Positions along each axis of the recording.

    Returns
    -------
    dict
        Fields of `Recording`; only those that the file knows. OME-XML is not looked at here.
    """
    num_channels = sizes.get("C", 1)
    if series.kind == "lsm":
        facts = instruments.lsm_facts(tif.lsm_metadata or {}, num_channels)
    elif series.kind == "stk":
        facts = instruments.stk_facts(tif.stk_metadata or {})
    elif series.kind in ("mmstack", "ndtiff"):
        summary = (tif.micromanager_metadata or {}).get("Summary") or {}
        facts = instruments.micromanager_facts(summary, num_channels)
    elif tif.is_imagej:
        about = tif.imagej_metadata or {}
        facts = imagej.facts(about, sizes)
        facts["pixel_size_um"] = _resolution(series, about.get("unit"))
    else:
        facts = {"pixel_size_um": _resolution(series, None)}
    return {name: value for name, value in facts.items() if value}


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
