"""Where in space and time every frame of a DICOM file lies, and how its numbers are meant.

Enhanced objects say it frame by frame in functional groups; others once, for all their frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from napari_sa2va.readers.dicom.tags import first_item, items, magnitude, number, numbers, text
from napari_sa2va.readers.dicom.values import rescale_of, window_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_sa2va.core.intensity import Limits

_TIME_FORMATS = ("%Y%m%d%H%M%S.%f", "%Y%m%d%H%M%S")


@dataclass(frozen=True)
class Plane:
    """One frame.

    Attributes
    ----------
    frame : int
        Its number in its file, from 0.
    orientation : tuple of float
        Direction cosines of a row and of a column, six numbers; empty if unknown.
    position_mm : tuple of float
        Where its first pixel lies in the patient, (x, y, z); empty if unknown.
    depth_mm : float or None
        Place along the normal of the plane.
    moments : mapping
        What can order planes in time: name -> number, see `moments_of`.
    spacing_mm : tuple of float
        Distance of rows and of columns; empty if unknown.
    z_step_mm : float or None
        Distance of planes as the file says it.
    rescale : (float, float)
        Slope and intercept.
    window : (float, float) or None
        Values that are shown black and at full brightness.
    """

    frame: int = 0
    orientation: tuple[float, ...] = ()
    position_mm: tuple[float, ...] = ()
    depth_mm: float | None = None
    moments: dict[str, float] = field(default_factory=dict)
    spacing_mm: tuple[float, ...] = ()
    z_step_mm: float | None = None
    rescale: tuple[float, float] = (1.0, 0.0)
    window: Limits | None = None


SECONDS = {
    "TemporalPositionTimeOffset": 1.0,
    "FrameReferenceDateTime": 1.0,
    "FrameAcquisitionDateTime": 1.0,
    "AcquisitionDateTime": 1.0,
    "AcquisitionTime": 1.0,
    "TriggerTime": 1e-3,
    "NominalCardiacTriggerDelayTime": 1e-3,
}
"""Moments that are times, and their unit in s."""

NUMBERS = ("TemporalPositionIndex", "TemporalPositionIdentifier")
"""Moments that are numbers, the same at all depths."""


def planes_of(header: Dataset, num_frames: int) -> list[Plane]:
    """All frames of a file, in the order of the file.

    Parameters
    ----------
    header : pydicom.Dataset
    num_frames : int
    """
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    own = items(header, "PerFrameFunctionalGroupsSequence")
    if len(own) == num_frames:
        return [_plane(header, shared, group, i) for i, group in enumerate(own)]
    first = _plane(header, shared, None, 0)
    if num_frames == 1:
        return [first]
    depths: list[float | None] = [None] * num_frames
    offsets = numbers(header, "GridFrameOffsetVector")
    if len(offsets) == num_frames:  # of a dose
        depths = [(first.depth_mm or 0.0) + offset for offset in offsets]
    return [
        replace(first, frame=i, position_mm=(), depth_mm=depths[i], moments={})
        for i in range(num_frames)
    ]


def _plane(header: Dataset, shared: Dataset | None, own: Dataset | None, frame: int) -> Plane:
    def group(keyword: str) -> Dataset | None:
        return first_item(own, keyword) or first_item(shared, keyword)

    measures = group("PixelMeasuresSequence")
    orientation = numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient")
    orientation = orientation or numbers(header, "ImageOrientationPatient")
    position = numbers(group("PlanePositionSequence"), "ImagePositionPatient")
    position = position or numbers(header, "ImagePositionPatient")
    volume = first_item(own, "PlanePositionVolumeSequence")
    if volume is not None and not position:  # of an ultrasound volume
        position = numbers(volume, "ImagePositionVolume")
        turned = group("PlaneOrientationVolumeSequence")
        orientation = orientation or numbers(turned, "ImageOrientationVolume")
    is_placed = len(orientation) == 6 and len(position) == 3
    depth = _along_normal(orientation, position) if is_placed else number(header, "SliceLocation")
    transformation = group("PixelValueTransformationSequence")
    return Plane(
        frame=frame,
        orientation=tuple(orientation) if len(orientation) == 6 else (),
        position_mm=tuple(position) if is_placed else (),
        depth_mm=depth,
        moments=moments_of(header, own),
        spacing_mm=_spacing(measures, header),
        z_step_mm=magnitude(measures, "SpacingBetweenSlices")
        or magnitude(header, "SpacingBetweenSlices"),
        rescale=rescale_of(transformation, header),
        window=window_of(group("FrameVOILUTSequence"), header),
    )


def _along_normal(orientation: list[float], position: list[float]) -> float:
    """Place of a plane along its normal, in mm."""
    (ax, ay, az), (bx, by, bz) = orientation[:3], orientation[3:]
    normal = (ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
    return math.fsum(n * p for n, p in zip(normal, position, strict=True))


def _spacing(*holders: Dataset | None) -> tuple[float, ...]:
    """Distance of rows and columns in mm, from the first holder that says it."""
    for holder in holders:
        for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
            sides = numbers(holder, keyword)
            if len(sides) == 2 and all(sides):
                return abs(sides[0]), abs(sides[1])
    return ()


def moments_of(header: Dataset, own: Dataset | None) -> dict[str, float]:
    """What can order a frame in time, the most trustworthy first.

    Parameters
    ----------
    header : pydicom.Dataset
    own : pydicom.Dataset or None
        The frame's functional groups.

    Returns
    -------
    dict of str to float
        Numbers, or times in the unit of `SECONDS`.
    """
    content = first_item(own, "FrameContentSequence")
    temporal = first_item(own, "TemporalPositionSequence")
    cardiac = first_item(own, "CardiacSynchronizationSequence")
    found: dict[str, float | None] = {
        "TemporalPositionIndex": number(content, "TemporalPositionIndex"),
        "TemporalPositionTimeOffset": number(temporal, "TemporalPositionTimeOffset"),
        "NominalCardiacTriggerDelayTime": number(cardiac, "NominalCardiacTriggerDelayTime"),
        "FrameReferenceDateTime": _date_time(text(content, "FrameReferenceDateTime")),
        "FrameAcquisitionDateTime": _date_time(text(content, "FrameAcquisitionDateTime")),
    }
    if own is None:
        day = text(header, "AcquisitionDate") or "20000101"
        found |= {
            "TemporalPositionIdentifier": number(header, "TemporalPositionIdentifier"),
            "TriggerTime": number(header, "TriggerTime"),
            "AcquisitionDateTime": _date_time(text(header, "AcquisitionDateTime")),
            "AcquisitionTime": _date_time(day + text(header, "AcquisitionTime")),
            "AcquisitionNumber": number(header, "AcquisitionNumber"),
            "ContentTime": _date_time(
                (text(header, "ContentDate") or "20000101") + text(header, "ContentTime")
            ),
            "InstanceNumber": number(header, "InstanceNumber"),
        }
    return {name: moment for name, moment in found.items() if moment is not None}


def _date_time(said: str) -> float | None:
    """Seconds since some day, of 20200131120000.5; None if it is no time, or only a day."""
    said = said.replace(":", "").partition("+")[0].partition("-")[0]
    for form in _TIME_FORMATS:
        try:
            return (datetime.strptime(said, form) - datetime(2000, 1, 1)).total_seconds()
        except ValueError:
            continue
    return None
