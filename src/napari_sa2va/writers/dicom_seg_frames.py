"""Frames of a DICOM Segmentation: what each shows, where and when, and from which frame it came."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_sa2va.writers.dicom_seg_source import SourceFrame, Sources

# Tags that dimension indices point at, and the groups in which they are.
_SEGMENT = 0x0062000B, 0x0062000A  # Referenced Segment Number
_POSITION = 0x00200032, 0x00209113  # Image Position (Patient)
_MOMENT = 0x00209128, 0x00209111  # Temporal Position Index


def frame_item(source: SourceFrame, segment: int, sources: Sources) -> Dataset:
    """The functional groups of one frame.

    Parameters
    ----------
    source : SourceFrame
    segment : int
        Number of the segment, from 1.
    sources : Sources
    """
    from pydicom.dataset import Dataset

    content, identification, group = Dataset(), Dataset(), Dataset()
    indices = [segment]
    if sources.is_placed:
        indices.append(source.level + 1)
        position = Dataset()
        position.ImagePositionPatient = list(source.plane.position_mm)
        group.PlanePositionSequence = [position]
    if sources.has_moments:
        indices.append(source.moment + 1)
        content.TemporalPositionIndex = source.moment + 1
    content.DimensionIndexValues = indices
    identification.ReferencedSegmentNumber = segment
    group.FrameContentSequence = [content]
    group.SegmentIdentificationSequence = [identification]
    group.DerivationImageSequence = [_derivation(source)]
    return group


def _derivation(source: SourceFrame) -> Dataset:
    from pydicom.dataset import Dataset

    image, derivation = Dataset(), Dataset()
    image.ReferencedSOPClassUID = source.header.SOPClassUID
    image.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
    if source.number is not None:
        image.ReferencedFrameNumber = source.number
    image.PurposeOfReferenceCodeSequence = [_code("SourceImageForImageProcessingOperation")]
    image.SpatialLocationsPreserved = "YES"
    derivation.SourceImageSequence = [image]
    derivation.DerivationCodeSequence = [_code("Segmentation")]
    return derivation


@cache
def _code(name: str) -> Dataset:
    """A code of DICOM's own, which thousands of frames may share."""
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    return CodedConcept.from_code(getattr(codes.DCM, name))


def add_frames(dataset: Dataset, items: list[Dataset], sources: Sources) -> None:
    """Describe all frames, what they have in common, and what tells them apart."""
    from highdicom.uid import UID
    from pydicom.dataset import Dataset

    organization = Dataset()
    organization.DimensionOrganizationUID = UID()
    pointers = [_SEGMENT]
    pointers += [_POSITION] * sources.is_placed + [_MOMENT] * sources.has_moments
    dimensions = []
    for tag, group in pointers:
        dimension = Dataset()
        dimension.DimensionOrganizationUID = organization.DimensionOrganizationUID
        dimension.DimensionIndexPointer = tag
        dimension.FunctionalGroupPointer = group
        dimensions.append(dimension)
    dataset.DimensionOrganizationSequence = [organization]
    dataset.DimensionIndexSequence = dimensions
    dataset.SharedFunctionalGroupsSequence = [_shared(sources)]
    dataset.PerFrameFunctionalGroupsSequence = items
    dataset.NumberOfFrames = len(items)


def _shared(sources: Sources) -> Dataset:
    from highdicom import PixelMeasuresSequence, PlaneOrientationSequence
    from pydicom.dataset import Dataset

    group = Dataset()
    plane = sources.stack.planes[0]
    step = sources.stack.grid.z_step_mm or plane.z_step_mm
    spacing_mm = sources.spacing_mm
    if spacing_mm:
        group.PixelMeasuresSequence = PixelMeasuresSequence(
            pixel_spacing=spacing_mm,
            slice_thickness=sources.slice_thickness_mm,
            spacing_between_slices=step,
        )
    if sources.is_placed:
        group.PlaneOrientationSequence = PlaneOrientationSequence(
            "PATIENT", list(plane.orientation)
        )
    return group


def referenced_series(sources: Sources) -> list[Dataset]:
    """The series and all files of it that frames came from."""
    from pydicom.dataset import Dataset

    headers = {h.SOPInstanceUID: h for h in (file.header for file in sources.stack.files)}
    series = Dataset()
    series.SeriesInstanceUID = sources.stack.header.SeriesInstanceUID
    series.ReferencedInstanceSequence = []
    for header in headers.values():
        instance = Dataset()
        instance.ReferencedSOPClassUID = header.SOPClassUID
        instance.ReferencedSOPInstanceUID = header.SOPInstanceUID
        series.ReferencedInstanceSequence.append(instance)
    return [series]
