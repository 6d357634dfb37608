"""Small DICOM files for tests, written by pydicom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    MRImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    generate_uid,
)

from napari_sa2va.writers.result import Result

GREY = np.random.default_rng(0).integers(0, 4096, (4, 6, 8)).astype(np.uint16)

PATIENT = {
    "PatientName": "Muster^Erika",
    "PatientID": "QX-7741",
    "PatientBirthDate": "19641231",
    "PatientSex": "F",
    "AccessionNumber": "ACC90210",
    "StudyID": "S1",
    "StudyDate": "20240229",
    "StudyTime": "101500",
    "ReferringPhysicianName": "Hollerith^Otto",
}
"""What a file may say of a person."""


def header_of(kind: str, **tags: Any) -> Dataset:
    """A dataset of a SOP class with an id of its own, which is not compressed."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID = kind, generate_uid()
    header.file_meta.MediaStorageSOPClassUID = kind
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    return header


def grey_pixels(header: Dataset, frames: np.ndarray, bits: int) -> None:
    """Add grey frames, (Y, X) or (T, Y, X), to a dataset."""
    if frames.ndim == 3:
        header.NumberOfFrames = len(frames)
    header.Rows, header.Columns = frames.shape[-2:]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = 8 * frames.dtype.itemsize
    header.BitsStored, header.HighBit = bits, bits - 1
    header.PixelRepresentation = int(frames.dtype.kind == "i")
    header.PixelData = frames.tobytes()


def grey_movie(frames: np.ndarray = GREY, bits: int = 12, **tags: Any) -> Dataset:
    """An uncompressed grey multi-frame dataset."""
    header = header_of(MultiFrameGrayscaleWordSecondaryCaptureImageStorage)
    grey_pixels(header, frames, bits)
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    return header


def write_dicom(path: Path, frames: np.ndarray = GREY, bits: int = 12, **tags: Any) -> Path:
    """An uncompressed grey multi-frame file."""
    grey_movie(frames, bits, **tags).save_as(path, enforce_file_format=True)
    return path


def write_slices(
    folder: Path, volumes: np.ndarray, *, step_mm: float = 2.5, **tags: Any
) -> list[Path]:
    """Axial slices (T, Z, Y, X) of one MR series, one per file, with names in no order.

    Slice z lies at z * `step_mm` mm, moment t is the temporal position t + 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "Modality": "MR",
        "SeriesNumber": 3,
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.5, 0.25],
        "SliceThickness": 2.0,
    } | tags
    num_times, num_depths = volumes.shape[:2]
    names = np.random.default_rng(1).permutation(num_times * num_depths)
    paths = []
    for number in range(num_times * num_depths):
        t, z = divmod(number, num_depths)
        header = header_of(MRImageStorage, **common)
        header.ImagePositionPatient = [-10, 20, z * step_mm]
        header.TemporalPositionIdentifier = t + 1
        header.InstanceNumber = number + 1
        grey_pixels(header, volumes[t, z], 12)
        paths.append(folder / f"IM{names[number]:04d}")
        header.save_as(paths[-1], enforce_file_format=True)
    return paths


def with_source(folder: Path, result: Result) -> Result:
    """The same result, of a clip of its size that is read from DICOM files."""
    num_frames, planes = result.clip.num_frames, result.num_planes
    shape = (num_frames, planes, *result.size)
    pixels = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    path = folder / "source"
    if planes > 1:
        write_slices(path, pixels, **PATIENT)
    else:
        uids = {f"{level}InstanceUID": generate_uid() for level in ("Study", "Series")}
        depth = {"SpacingBetweenSlices": 2.0} if result.clip.time_axis == "Z" else {}
        write_dicom(path, pixels[:, 0], **PATIENT, **uids, **depth)
    return replace(result, clip=replace(result.clip, source=str(path)))
