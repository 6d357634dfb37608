"""A DICOM Segmentation as label images: its frames are masks of segments, and not moments.

Each frame belongs to one segment and to one frame of the pictures; those without a mask may be absent.
Where a frame lies is said by its position in the patient and in time, or by the frame that it is of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.geometry import length_in_um
from napari_sa2va.core.masklet import label_dtype
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.dicom.coding import coding_of
from napari_sa2va.readers.dicom.facts import pixel_size_um
from napari_sa2va.readers.dicom.frames import frames_of
from napari_sa2va.readers.dicom.person import private_of
from napari_sa2va.readers.dicom.planes import planes_of
from napari_sa2va.readers.dicom.tags import first_item, items, magnitude, number, text
from napari_sa2va.readers.lazy import lazy_planes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_sa2va.readers.dicom.file import DicomFile
    from napari_sa2va.readers.dicom.frames import StoredFrames
    from napari_sa2va.readers.dicom.planes import Plane

_KINDS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_OURS = re.compile(r"object ([1-9]\d{0,8})")
_SAME_MM = 1e-3
_UNEVEN = 0.1
_MOST_NAMED = 8


def is_segmentation(header: Dataset) -> bool:
    """Whether this is a segmentation, with masks or with labels."""
    return text(header, "SOPClassUID") in _KINDS


@dataclass(frozen=True)
class Segment:
    """An object of a segmentation.

    Attributes
    ----------
    number : int
        As frames refer to it.
    object_id : int
        The label that it gets: that of the tracking id "object 7" where all have one, else `number`.
    name, text : str
    """

    number: int
    object_id: int
    name: str
    text: str


def segments_of(header: Dataset) -> tuple[Segment, ...]:
    """The objects, in the order of the file; the background of a label map is none."""
    every = [item for item in items(header, "SegmentSequence") if number(item, "SegmentNumber")]
    numbers = [int(number(item, "SegmentNumber") or 0) for item in every]
    tracked = [_OURS.fullmatch(text(item, "TrackingID")) for item in every]
    own = [int(found[1]) for found in tracked if found]
    ids = own if len(set(own)) == len(every) else numbers
    names = [text(item, "SegmentLabel") for item in every]
    names = [
        "" if name == text(item, "TrackingID") else name
        for name, item in zip(names, every, strict=True)
    ]
    sentences = [text(item, "SegmentDescription") for item in every]
    return tuple(map(Segment, numbers, ids, names, sentences))


def read_segmentation(file: DicomFile) -> Recording:
    """Open a segmentation as label images, (T, Z, Y, X); reads headers only.

    Raises
    ------
    ClipError
        If frames do not say which segment they show, or where they lie.
    """
    header = file.header
    stored = frames_of(file, coding_of(file))
    segments = segments_of(header)
    groups = items(header, "PerFrameFunctionalGroupsSequence")
    if len(groups) != stored.num_frames or not segments or stored.coding.samples != 1:
        raise _refused(file.path, "does not describe its frames and segments")
    try:
        planes = planes_of(header, stored.num_frames)
        (num_times, num_depths), places = _places(file.path, header, groups, planes)
    except (ValueError, OverflowError) as error:  # numbers beyond all bounds
        raise _refused(file.path, "does not say where its frames lie") from error
    source = _source(file, stored, segments, groups, places)
    coding = stored.coding
    lead = [(a, n) for a, n in zip("TZ", (num_times, num_depths), strict=True) if n > 1]
    shape = (*(n for _, n in lead), coding.rows, coding.columns)
    dtype = label_dtype(max(segment.object_id for segment in segments))
    private = private_of(header)
    return Recording(
        lazy_planes(source, shape, dtype, len(lead), "dicom-seg"),
        "".join(a for a, _ in lead) + "YX",
        name=private.redact(file.path.stem),
        source=str(file.path),
        pixel_size_um=pixel_size_um(planes[0], header),
        z_step_um=length_in_um(planes[0].z_step_mm, "mm"),
        left_out=tuple(private.values),
        private=private,
        notes=tuple(map(private.redact, _notes(header, segments))),
    )


class LabelPlanes:
    """Label images, put together from the frames of a segmentation.

    Attributes
    ----------
    path : str
    frames : StoredFrames
    shown : dict of int to tuple of (int, int)
        For every plane the frames that lie in it and the label of each; 0 where a frame has several.
    labels : dict of int to int
        From values of a frame with several labels to ours.
    least : float
        Of which value on a pixel belongs to the object.
    dtype : numpy.dtype
    """

    def __init__(
        self,
        frames: StoredFrames,
        shown: dict[int, tuple[tuple[int, int], ...]],
        labels: dict[int, int],
        least: float,
    ) -> None:
        self.path = frames.path
        self.frames = frames
        self.shown = shown
        self.labels = labels
        self.least = least
        self.dtype = label_dtype(max(labels.values()))

    def read(self, index: int) -> np.ndarray:
        """Labels of a plane, (Y, X); of objects that overlap, the later one is seen."""
        coding = self.frames.coding
        plane = np.zeros((coding.rows, coding.columns), self.dtype)
        for frame, label in self.shown.get(index, ()):
            pixels = self.frames.read(frame)
            if label:
                plane[pixels >= self.least] = label
                continue
            for value in np.unique(pixels).tolist():
                if value in self.labels:
                    plane[pixels == value] = self.labels[value]
        return plane


def _source(
    file: DicomFile,
    stored: StoredFrames,
    segments: tuple[Segment, ...],
    groups: list[Dataset],
    places: list[int],
) -> LabelPlanes:
    """Which frames make a plane."""
    header = file.header
    labels = {segment.number: segment.object_id for segment in segments}
    is_map = text(header, "SegmentationType") == "LABELMAP"
    shared = first_item(header, "SharedFunctionalGroupsSequence")
    shown: dict[int, list[tuple[int, int]]] = {}
    for frame, (group, place) in enumerate(zip(groups, places, strict=True)):
        label = 0
        if not is_map:
            said = first_item(group, "SegmentIdentificationSequence")
            said = said or first_item(shared, "SegmentIdentificationSequence")
            label = labels.get(int(number(said, "ReferencedSegmentNumber") or 0), 0)
            if not label:
                raise _refused(file.path, f"does not say of which segment frame {frame} is")
        shown.setdefault(place, []).append((frame, label))
    is_fraction = text(header, "SegmentationType") == "FRACTIONAL"
    least = (number(header, "MaximumFractionalValue") or 255) / 2 if is_fraction else 1
    ordered = {place: tuple(sorted(f, key=lambda pair: pair[1])) for place, f in shown.items()}
    return LabelPlanes(stored, ordered, labels, least)


def _places(
    path: Path, header: Dataset, groups: list[Dataset], planes: list[Plane]
) -> tuple[tuple[int, int], list[int]]:
    """Number of moments and of depths, and for every frame its place among them, moments first."""
    if "TotalPixelMatrixRows" in header:
        raise _refused(path, "is cut into tiles")
    levels = _levels(planes)
    moments = [plane.moments.get("TemporalPositionIndex") for plane in planes]
    if all(moment is not None and moment >= 1 for moment in moments):
        times = [int(moment or 1) - 1 for moment in moments]
    elif any(levels):
        times = [0] * len(planes)
    else:
        times = _of_sources(path, header, groups)
    size = max(times) + 1, max(levels) + 1
    return size, [t * size[1] + z for t, z in zip(times, levels, strict=True)]


def _levels(planes: list[Plane]) -> list[int]:
    """Number of each plane in depth, from 0; planes without a mask are gaps, where a step is known."""
    if any(not plane.position_mm or plane.depth_mm is None for plane in planes):
        return [0] * len(planes)
    depths = np.array([plane.depth_mm for plane in planes], np.float64)
    if not np.isfinite(depths).all():
        raise ValueError("a place in the patient is beyond all numbers")
    above, step = depths - depths.min(), planes[0].z_step_mm
    if step:
        levels = np.rint(above / step)
        if np.abs(levels * step - above).max() < _UNEVEN * step:
            return [int(level) for level in levels]
    _, ranks = np.unique(np.rint(above / _SAME_MM), return_inverse=True)
    return [int(rank) for rank in ranks]


def _of_sources(path: Path, header: Dataset, groups: list[Dataset]) -> list[int]:
    """Moments of frames that only say of which frame, or of which file, they are."""
    images = [
        first_item(first_item(group, "DerivationImageSequence"), "SourceImageSequence")
        for group in groups
    ]
    uids = [text(image, "ReferencedSOPInstanceUID") for image in images]
    frames = [int(magnitude(image, "ReferencedFrameNumber") or 0) for image in images]
    if len(set(uids)) == 1 and all(frames):
        return [frame - 1 for frame in frames]
    if len(groups) == 1:
        return [0]
    listed = [
        text(instance, "ReferencedSOPInstanceUID")
        for series in items(header, "ReferencedSeriesSequence")
        for instance in items(series, "ReferencedInstanceSequence")
    ]
    order = {uid: place for place, uid in enumerate(dict.fromkeys([*listed, *uids]))}
    if not all(uids) or len(set(frames)) > 1:
        raise _refused(path, "does not say where its frames lie")
    return [order[uid] for uid in uids]


def _notes(header: Dataset, segments: tuple[Segment, ...]) -> Iterator[str]:
    called = [f"{s.object_id} {s.name}".strip() for s in segments[:_MOST_NAMED]]
    more = ", ..." if len(segments) > _MOST_NAMED else ""
    yield f"A segmentation, read as labels of {len(segments)} objects: {', '.join(called)}{more}."
    if text(header, "SegmentationType") == "FRACTIONAL":
        yield "The segmentation holds fractions; half of the largest and more is taken for the object."
    overlap = text(header, "SegmentsOverlap") or "UNDEFINED"
    if len(segments) > 1 and overlap != "NO" and text(header, "SegmentationType") != "LABELMAP":
        yield "Its segments may overlap; where they do, the one with the higher id is read."


def _refused(path: Path, why: str) -> ClipError:
    return ClipError(
        f"{path} is a segmentation that {why}.", "Open the pictures that it is of instead."
    )
