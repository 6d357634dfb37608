"""One DICOM file: its header, and where its pixels lie. No pixel is read here.

A header may promise anything. Nothing is read beyond the end of the file, and what is deflated is
inflated up to a bound, so that a small file cannot ask for much memory.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from napari_sa2va.core.errors import ClipError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.tag import BaseTag

MAGIC_AT = 128
"""Where "DICM" stands, behind a preamble that means nothing."""

_UNDEFINED = 0xFFFFFFFF
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_DEFLATED, _BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_MOST_INFLATED = 2**29
# pydicom looks for the end of values without a length in steps of so many bytes.
_STEP = 8192
_PIXELS = {0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData", 0x0010: "PixelData"}
_PIXEL_GROUP = 0x7FE0
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN")
# What pydicom and the modules below it raise on damaged headers.
_DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, ArithmeticError,
    NotImplementedError, RecursionError, struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class DicomFile:
    """A header, and where the pixels lie.

    Attributes
    ----------
    path : Path
    header : pydicom.Dataset
        Everything before the pixels, with `file_meta`.
    syntax : str
        UID of the transfer syntax.
    keyword : str
        Of the element with the pixels: "PixelData", "FloatPixelData" ...; empty if there is none.
    vr : str
        Its value representation.
    start, stop : int
        First byte of its value and the byte behind the last, in the file, or in what was inflated.
        Where the length is undefined, `stop` is the end of the file.
    is_deflated : bool
        Whether everything behind the file meta information is deflated.
    """

    path: Path
    header: Dataset
    syntax: str
    keyword: str
    vr: str
    start: int
    stop: int
    is_deflated: bool = False


class _Within(io.BufferedReader):
    """A file from which nothing is read that it does not have: no buffer is made for a promise."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self.size = path.stat().st_size
        self.may_guess = False

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.size - self.tell()
        if size is None or size <= max(left, _STEP):
            return super().read(size)
        if not self.may_guess:
            raise ValueError(f"{size} bytes are promised, and {left} are there")
        return super().read(left)


def read_file(path: Path) -> DicomFile:
    """Read the header of a DICOM file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ClipError
        If it is no DICOM file, or is damaged; the message names the byte.
    """
    with _Within(path) as file:
        try:
            return _read(path, file)
        except _DAMAGE as error:
            raise ClipError(
                f"{path} cannot be read as DICOM ({in_one_line(error)}; near byte {_where(file)} of "
                f"{file.size}).",
                "Is it complete, and really a DICOM file?",
            ) from error


def inflated(path: Path) -> io.BytesIO:
    """Everything behind the file meta information of a deflated file.

    Raises
    ------
    ClipError
        If it is more than half a GiB, or damaged.
    """
    with _Within(path) as file:
        try:
            _meta_of(file)
            return _inflate(path, file)
        except _DAMAGE as error:
            raise ClipError(
                f"{path} cannot be inflated ({in_one_line(error)}).", "Is the file complete?"
            ) from error


def in_one_line(error: BaseException) -> str:
    """What an error says, short; its type if it says nothing."""
    if isinstance(error, RecursionError):
        return "sequences within sequences without end"
    text = " ".join(str(error).split())
    return text[:300] if text else type(error).__name__


def _where(file: BinaryIO) -> int:
    try:
        return file.tell()
    except (OSError, ValueError):
        return 0


def _read(path: Path, file: _Within) -> DicomFile:
    from pydicom.filereader import read_dataset

    has_magic, meta = _meta_of(file)
    syntax = str(meta.get("TransferSyntaxUID", "")) or _guessed(file)
    implicit, little = syntax == _IMPLICIT, syntax != _BIG_ENDIAN
    # Not by pydicom's dcmread, which inflates without a bound.
    data: BinaryIO = _inflate(path, file) if syntax == _DEFLATED else file
    header = read_dataset(data, implicit, little, stop_when=_at_pixels)
    header.file_meta = meta
    if not has_magic and "Rows" not in header and "SOPClassUID" not in header:
        raise ValueError("there is no DICM behind the preamble")
    return _located(path, header, syntax, data, (implicit, little))


def _guessed(file: BinaryIO) -> str:
    """The syntax of a file that does not say it: whether the first element names its type."""
    at = file.tell()
    head = file.read(6)
    file.seek(at)
    if not head[4:6].isalpha():
        return _IMPLICIT
    # A group is a small number, unless its bytes are the other way round.
    return _BIG_ENDIAN if head[:1] == b"\0" else _EXPLICIT


def _meta_of(file: _Within) -> tuple[bool, FileMetaDataset]:
    """Whether there is a preamble, and the file meta information; leaves the file behind it."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset

    file.seek(MAGIC_AT)
    has_magic = file.read(4) == b"DICM"
    file.may_guess = not has_magic
    if not has_magic:
        file.seek(0)
    return has_magic, FileMetaDataset(read_dataset(file, False, True, stop_when=_behind_meta))


def _behind_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group != 2


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group == _PIXEL_GROUP and tag.element in _PIXELS


def _inflate(path: Path, file: BinaryIO) -> io.BytesIO:
    """Inflate the rest of a file, piece by piece, so that the bound holds."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    out = io.BytesIO()
    while not engine.eof:
        piece = engine.unconsumed_tail or file.read(_STEP)
        if not piece:
            break
        out.write(engine.decompress(piece, 2**20))
        if out.tell() > _MOST_INFLATED:
            raise ClipError(
                f"{path} is deflated and becomes larger than {_MOST_INFLATED >> 20} MiB.",
                "Store it without compression (dcmconv), if it is a picture at all.",
            )
    out.seek(0)
    return out


def _located(
    path: Path,
    header: Dataset,
    syntax: str,
    file: BinaryIO,
    encoding: tuple[bool, bool],
) -> DicomFile:
    """Read the head of the element with the pixels, before which the file stands."""
    implicit, little = encoding
    order = "<" if little else ">"
    at = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(at)
    head = file.read(12)
    is_deflated = syntax == _DEFLATED
    nothing = DicomFile(path, header, syntax, "", "", size, size, is_deflated)
    if len(head) < 8:
        return nothing
    group, element = struct.unpack(order + "HH", head[:4])
    if group != _PIXEL_GROUP or element not in _PIXELS:
        return nothing
    # Some programs say that they name representations, and do not.
    implicit = implicit or not head[4:6].isalpha()
    vr = b"OW" if implicit else head[4:6]
    if implicit or vr not in _LONG_VRS:
        start, length = at + 8, struct.unpack(order + "I", head[4:8])[0]
    else:
        start, length = at + 12, struct.unpack(order + "I", head[8:12])[0]
    stop = size if length == _UNDEFINED else start + length
    if stop > size:
        raise ClipError(
            f"{path}: the tag {_PIXELS[element]} at byte {at} promises {length} bytes, and "
            f"{max(0, size - start)} are there.",
            "The file is truncated; copy it again.",
        )
    name = _PIXELS[element]
    return DicomFile(path, header, syntax, name, vr.decode("ascii"), start, stop, is_deflated)
