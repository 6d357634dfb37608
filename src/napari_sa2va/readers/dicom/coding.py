"""How the pixels of a DICOM file are stored, as its header says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.dicom.tags import number, text, value

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from napari_sa2va.readers.dicom.file import DicomFile


@dataclass(frozen=True)
class Coding:
    """How the pixels of a file are stored; equal for most files of a series.

    Attributes
    ----------
    syntax : str
        UID of the transfer syntax.
    keyword, vr : str
        Of the element with the pixels.
    rows, columns, samples : int
        Shape of a frame.
    allocated, stored : int
        Bits that a value takes, and bits that mean something.
    is_signed : bool
    photometric : str
        Photometric interpretation as stored.
    is_planar : bool
        Whether red, green and blue are planes of their own.
    """

    syntax: str
    keyword: str
    vr: str
    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    is_signed: bool
    photometric: str
    is_planar: bool

    @property
    def is_compressed(self) -> bool:
        """Whether frames are items of their own."""
        from pydicom.uid import UID

        syntax = UID(self.syntax)
        return syntax.is_transfer_syntax and syntax.is_encapsulated

    @property
    def frame_bits(self) -> int:
        """Bits of a frame as it lies in an uncompressed file."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.allocated

    def options(self, num_frames: int) -> dict[str, Any]:
        """Arguments of pydicom's decoders."""
        options: dict[str, Any] = {
            "rows": self.rows,
            "columns": self.columns,
            "samples_per_pixel": self.samples,
            "bits_allocated": self.allocated,
            "bits_stored": self.stored,
            "photometric_interpretation": self.photometric,
            "number_of_frames": num_frames,
            "pixel_keyword": self.keyword,
            "pixel_vr": self.vr,
        }
        if self.keyword == "PixelData":
            options["pixel_representation"] = int(self.is_signed)
        if self.samples > 1:
            options["planar_configuration"] = int(self.is_planar)
        return options


def coding_of(file: DicomFile) -> Coding:
    """How the pixels are stored.

    Raises
    ------
    ClipError
        If there are none, or a tag is missing without which they have no meaning.
    """
    path, header = file.path, file.header
    if not file.keyword:
        raise ClipError(
            f"{path} holds no pixels.", "It is another kind of DICOM object, or it was cut off."
        )
    is_integer = file.keyword == "PixelData"
    photometric = text(header, "PhotometricInterpretation")
    if not photometric:
        raise _missing(path, "PhotometricInterpretation")
    rows, columns = (_whole(path, header, k, 1, 65535) for k in ("Rows", "Columns"))
    samples = _whole(path, header, "SamplesPerPixel", 1, 4, usual=1)
    usual = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(file.keyword)
    allocated = _whole(path, header, "BitsAllocated", 1, 64, usual=usual)
    return Coding(
        syntax=file.syntax,
        keyword=file.keyword,
        vr=file.vr,
        rows=rows,
        columns=columns,
        samples=samples,
        allocated=allocated,
        stored=_whole(path, header, "BitsStored", 1, allocated) if is_integer else allocated,
        is_signed=is_integer and bool(number(header, "PixelRepresentation") or 0),
        photometric=photometric,
        is_planar=samples > 1 and bool(number(header, "PlanarConfiguration") or 0),
    )


def _whole(
    path: Path, header: Dataset, keyword: str, least: int, most: int, usual: int | None = None
) -> int:
    found = value(header, keyword)
    if found is None and usual is not None:
        return usual
    if not isinstance(found, int):
        raise _missing(path, keyword)
    if not least <= found <= most:
        raise ClipError(
            f"{path}: the DICOM tag {keyword} is {found}, which is not from {least} to {most}.",
            "The file is damaged; export it again.",
        )
    return int(found)


def _missing(path: Path, keyword: str) -> ClipError:
    return ClipError(
        f"{path} lacks the DICOM tag {keyword} or it is unreadable: its pixels have no meaning.",
        "Export it again from the program or device that wrote it.",
    )
