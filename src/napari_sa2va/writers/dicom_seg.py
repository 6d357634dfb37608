"""DICOM Segmentation: masks that refer to the frames of the DICOM file that they were made from.

highdicom makes the modules of the patient, the study, the equipment and the segments. Frames are
added here, for two reasons: its `Segmentation` takes the pixels of all frames at once, and of movies
without a frame of reference (ultrasound, endoscopy) a single frame only. Here masks are packed into
bits frame by frame, in a file; what is held is the description of each frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

import numpy as np

from napari_sa2va import __version__
from napari_sa2va.core import rle
from napari_sa2va.core.errors import OutputError
from napari_sa2va.readers import dicom
from napari_sa2va.writers.dicom_seg_frames import add_frames, frame_item, referenced_series
from napari_sa2va.writers.dicom_seg_source import Sources, sources_of
from napari_sa2va.writers.format import WriteFormat

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from pydicom.dataset import Dataset

    from napari_sa2va.writers.result import Result, Subject

FORMAT = WriteFormat(
    kind="dicom-seg",
    title="DICOM Segmentation",
    suffixes=(".seg.dcm",),
    keeps="names, sentences, object ids (tracking id), references to the source frames, their place "
    "in the patient; patient and study as in the source, which DICOM demands",
    read_back_by="highdicom, pydicom",
    overlaps=True,
    planes=True,
    place=True,
    extra="dicom-seg",
    packages=("highdicom",),
)
_MOST_SEGMENTS = 65535
_LONGEST_LABEL, _LONGEST_TEXT = 64, 1024


def check(result: Result) -> None:
    """Refuse masks that are not of a DICOM file, before any work is done for them.

    Raises
    ------
    OutputError
    """
    source = result.clip.source
    if source is None or not dicom.accepts(Path(source)):
        raise OutputError(
            "A DICOM segmentation refers to DICOM frames, and these masks are of something else: "
            f"{'pixels that no file holds' if source is None else Path(source).name}.",
            "Choose another format, such as OME-TIFF.",
        )


def write(path: Path, result: Result) -> tuple[str, ...]:
    """Write a binary segmentation, one segment per object; of other frames than the first and the
    last, only those with a mask are in it.

    Raises
    ------
    OutputError
        If the clip is not of a DICOM file, or there is no object.
    """
    if not result.subjects:
        raise OutputError("A DICOM segmentation needs at least one object.", "Find one first.")
    if len(result.subjects) > _MOST_SEGMENTS:
        raise OutputError(
            f"A DICOM segmentation has at most {_MOST_SEGMENTS} segments, and there are "
            f"{len(result.subjects)} objects.",
            "Choose another format, such as OME-TIFF.",
        )
    sources = sources_of(result)
    dataset = _dataset(result, sources)
    with TemporaryFile(dir=path.parent) as packed:
        bits = _Bits(packed)
        items = []
        for segment, f, mask in _masks(result, sources):
            items.append(frame_item(sources.frame(f), segment, sources))
            bits.add(mask)
        bits.end()
        add_frames(dataset, items, sources)
        packed.seek(0)
        dataset.PixelData = packed
        dataset["PixelData"].VR = "OB"
        dataset.save_as(path, enforce_file_format=True)
    return ()


def _masks(result: Result, sources: Sources) -> Iterator[tuple[int, int, np.ndarray]]:
    """Segment number, frame and mask of the size of the source, of all masks with a pixel.

    The first and the last frame are always there, if need be with an empty mask: so whoever reads the
    segmentation alone knows of how many frames it is.
    """
    segments = {s.object_id: number for number, s in enumerate(result.subjects, 1)}
    coding, box = sources.stack.coding, result.clip.box
    whole = np.zeros((coding.rows, coding.columns), bool)
    y0, x0 = (box.y0, box.x0) if box else (0, 0)
    inside = whole[y0 : y0 + result.clip.height, x0 : x0 + result.clip.width]
    for f in range(result.num_frames):
        is_empty = True
        for object_id, code in result.frame(f).codes.items():
            if rle.area(code):
                inside[:] = rle.decode(code)
                is_empty = False
                yield segments[object_id], f, whole
        if is_empty and f in (0, result.num_frames - 1):
            inside[:] = False
            yield 1, f, whole


class _Bits:
    """Packs masks into bits, one after the other without a gap, the lowest bit first."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rest = np.zeros(0, bool)
        self._size = 0

    def add(self, mask: np.ndarray) -> None:
        """Append a mask, bool (Y, X)."""
        pixels = np.concatenate((self._rest, mask.ravel()))
        whole = len(pixels) // 8 * 8
        self._write(pixels[:whole])
        self._rest = pixels[whole:]

    def end(self) -> None:
        """Write the last bits, and a byte so that their number is even."""
        self._write(self._rest)
        if self._size % 2:
            self._file.write(b"\0")

    def _write(self, pixels: np.ndarray) -> None:
        self._size += self._file.write(np.packbits(pixels, bitorder="little").tobytes())


def _dataset(result: Result, sources: Sources) -> Dataset:
    """Everything but the frames."""
    from highdicom.base import SOPClass
    from highdicom.uid import UID
    from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

    source = sources.stack.header
    try:
        dataset = SOPClass(
            study_instance_uid=source.StudyInstanceUID,
            series_instance_uid=UID(),
            series_number=100,
            sop_instance_uid=UID(),
            sop_class_uid=SegmentationStorage,
            instance_number=1,
            modality="SEG",
            manufacturer="napari-sa2va",
            manufacturer_model_name="napari-sa2va",
            software_versions=__version__,
            device_serial_number="0",
            series_description="napari-sa2va",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            specific_character_set="ISO_IR 192",
        )
        # Taken over as they stand; given above, they would be checked, and a warning would show them.
        dataset.copy_patient_and_study_information(source)
        dataset.ReferencedSeriesSequence = referenced_series(sources)
    except (AttributeError, ValueError, TypeError) as error:
        raise OutputError(
            f"The DICOM source cannot be referred to ({error}).",
            "It lacks what DICOM demands of every image.",
        ) from error
    _add_image(dataset, sources)
    dataset.SegmentSequence = [
        _segment(number, subject, result) for number, subject in enumerate(result.subjects, 1)
    ]
    dataset.SegmentsOverlap = "UNDEFINED" if result.may_overlap else "NO"
    return dataset


def _add_image(dataset: Dataset, sources: Sources) -> None:
    """How the pixels are stored, and what they are."""
    source, coding = sources.stack.header, sources.stack.coding
    if "FrameOfReferenceUID" in source:
        dataset.FrameOfReferenceUID = source.FrameOfReferenceUID
        dataset.PositionReferenceIndicator = source.get("PositionReferenceIndicator")
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.LossyImageCompression = source.get("LossyImageCompression") or "00"
    for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if dataset.LossyImageCompression == "01" and keyword in source:
            setattr(dataset, keyword, source.get(keyword))
    dataset.Rows, dataset.Columns = coding.rows, coding.columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.SegmentationType = "BINARY"
    dataset.ContentLabel = "SEGMENTATION"
    dataset.ContentDescription = dataset.ContentCreatorName = None


def _segment(number: int, subject: Subject, result: Result) -> SegmentDescription:
    """An object as a segment; what it is, nobody has said in codes."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from highdicom.uid import UID
    from pydicom.sr.codedict import codes

    record = result.record or {}
    algorithm = AlgorithmIdentificationSequence(
        name=f"napari-sa2va {record.get('model_name') or ''}".strip()[:_LONGEST_LABEL],
        family=codes.DCM.ArtificialIntelligence,
        version=__version__,
    )
    segment = SegmentDescription(
        segment_number=number,
        segment_label=_printable(subject.name)[:_LONGEST_LABEL],
        segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
        segmented_property_type=codes.NCIt.ImagingRegionOfInterest,
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=UID(),
        tracking_id=f"object {subject.object_id}",
    )
    if subject.text:
        segment.SegmentDescription = _printable(subject.text)[:_LONGEST_TEXT]
    return segment


def _printable(text: str) -> str:
    """A text without what ends a value in DICOM: backslashes and control characters."""
    return "".join("/" if c == "\\" else c if c.isprintable() else " " for c in text).strip()
