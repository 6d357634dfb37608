"""Frame interval, pixel size and marks of ultrasound, as the many kinds of DICOM objects say them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.geometry import length_in_um
from napari_sa2va.readers.dicom.planes import SECONDS
from napari_sa2va.readers.dicom.tags import items, magnitude, number, numbers, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

    from napari_sa2va.readers.dicom.grid import Grid
    from napari_sa2va.readers.dicom.planes import Plane

_CENTIMETER = 3  # Physical Units X Direction, PS3.3 C.8.5.5.1.15
_REGION_KINDS = {
    1: "2D tissue", 2: "colour flow", 3: "spectral Doppler", 4: "M-mode", 5: "M-mode colour",
}  # fmt: skip
_UNEVEN = 0.05


def cine_timing(header: Dataset, num_frames: int) -> dict[str, Any]:
    """Frame interval in s of frames of one file: time vector, frame time, or a rate."""
    vector = numbers(header, "FrameTimeVector")
    if len(vector) == num_frames:
        timing = _of_steps(np.abs(vector[1:]) / 1e3)  # the first is 0 by definition
        if timing:
            return timing
    for keyword in ("FrameTime", "ActualFrameDuration", "TemporalResolution"):
        duration = magnitude(header, keyword)
        if duration is not None:
            return {"frame_interval_s": _rounded(duration / 1e3)}
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        rate = magnitude(header, keyword)
        if rate is not None:
            return {"frame_interval_s": _rounded(1 / rate)}
    return {}


def series_timing(grid: Grid, planes: Sequence[Plane]) -> dict[str, Any]:
    """Frame interval in s of frames that each bear a time; empty if they do not."""
    for name, unit in SECONDS.items():
        if not all(name in planes[i].moments for i in grid.order.flat):
            continue
        times = np.array([[planes[i].moments[name] for i in row] for row in grid.order])
        timing = _of_steps(np.diff(times.mean(axis=1)) * unit)
        if timing:
            return timing
    return {}


def _of_steps(steps_s: np.ndarray) -> dict[str, Any]:
    median = float(np.median(steps_s)) if len(steps_s) else 0.0
    if median <= 0:
        return {}
    is_variable = bool(np.abs(steps_s - median).max() > _UNEVEN * median)
    return {"frame_interval_s": _rounded(median), "variable_rate": is_variable}


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.9g}")


def is_volume(header: Dataset) -> bool:
    """Whether frames that say nothing of themselves are planes of a volume rather than moments."""
    if any(k in header for k in ("FrameTime", "FrameTimeVector", "CineRate")):
        return False
    return "SpacingBetweenSlices" in header


def pixel_size_um(plane: Plane, header: Dataset) -> tuple[float, float] | None:
    """Height and width of a pixel in um, (y, x)."""
    if plane.spacing_mm:
        y, x = (length_in_um(side, "mm") for side in plane.spacing_mm)
        return (y, x) if y and x else None
    return _ultrasound_pixel_size(header)


def _ultrasound_pixel_size(header: Dataset) -> tuple[float, float] | None:
    """Pixel size if all calibrated picture regions agree on one; traces (Doppler) do not count."""
    sizes = {size for region in items(header, "SequenceOfUltrasoundRegions")
             if (size := _region_size(region)) is not None}  # fmt: skip
    if len(sizes) != 1:
        return None
    y, x = sizes.pop()
    return (y, x) if y and x else None


def _region_size(region: Dataset) -> tuple[float | None, float | None] | None:
    units = {number(region, f"PhysicalUnits{way}Direction") for way in "XY"}
    if units != {_CENTIMETER}:
        return None
    y, x = (magnitude(region, f"PhysicalDelta{way}") for way in "YX")
    return length_in_um(y, "cm"), length_in_um(x, "cm")


def region_notes(header: Dataset) -> list[str]:
    """Of an ultrasound picture with several regions, where each lies, as a box to crop to."""
    regions = items(header, "SequenceOfUltrasoundRegions")
    if len(regions) < 2:
        return []
    said = []
    for region in regions:
        sides = [number(region, f"RegionLocation{k}") for k in ("MinY0", "MinX0", "MaxY1", "MaxX1")]
        if any(side is None for side in sides):
            continue
        y0, x0, y1, x1 = (int(side or 0) for side in sides)
        kind = _REGION_KINDS.get(int(number(region, "RegionDataType") or 0), "other")
        size = _region_size(region)
        scale = f", {size[0]:.4g} x {size[1]:.4g} um per px" if size and all(size) else ""
        said.append(f"{kind} (y0, x0, y1, x1 = {y0}, {x0}, {y1 + 1}, {x1 + 1}{scale})")
    if not said:
        return []
    return [f"The ultrasound picture has {len(said)} regions: {'; '.join(said)}."]


def burned_in_note(header: Dataset) -> list[str]:
    """A note if the pixels themselves may show who was examined."""
    said = text(header, "BurnedInAnnotation").upper()
    if said == "YES":
        return ["The file says that something is written into the pixels: it may be a name."]
    if said != "NO" and text(header, "Modality") in ("US", "IVUS"):
        often = "Ultrasound machines often write names into the pixels"
        return [f"{often}, and the file does not say whether this one did."]
    return []
