"""Where every frame of a DICOM file begins and ends, found out once, and reading one of them.

Uncompressed frames lie one after the other. Compressed ones are cut into fragments, each behind an
item tag with its length. Which fragments make a frame is said by an offset table, extended or
basic, or follows from their number, or, in JPEG streams, from their ends. The items are walked once
when a file is opened (8 bytes of each are read), so that a frame is later read with one seek, and
lengths that lie are known before anything is decoded.
"""

from __future__ import annotations

import math
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.dicom_codestream import size_of
from napari_sa2va.readers.dicom_file import DicomFile, in_one_line, inflated
from napari_sa2va.readers.dicom_tags import number, text, value

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_END_OF_JPEG = b"\xff\xd9"
# A plane of one value compresses without end: only what is large is looked at.
_LARGE_BYTES, _MOST_RATIO = 2**28, 5000
# No address space holds more; a header can say it all the same.
_MOST_FRAMES = 2**31


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


@dataclass(frozen=True, eq=False)
class Fragments:
    """Pieces of compressed frames.

    Attributes
    ----------
    starts, sizes : ndarray of int64
        Where each piece lies in the file, in bytes.
    firsts : ndarray of int64, one more than there are frames
        Frame i is made of the pieces `firsts[i]` to `firsts[i + 1]`.
    """

    starts: np.ndarray
    sizes: np.ndarray
    firsts: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredFrames:
    """The frames of one file; it opens the file for each that is read, and closes it."""

    path: str
    coding: Coding
    num_frames: int
    start: int
    is_deflated: bool = False
    fragments: Fragments | None = None

    def read(self, index: int) -> np.ndarray:
        """Decode one frame.

        Returns
        -------
        ndarray, shape (Y, X) or (Y, X, S)
            Values as stored, without unused bits; YBR is turned into RGB.

        Raises
        ------
        ClipError
            If the frame is damaged, or nothing here decodes it.
        """
        from pydicom.pixels import get_decoder

        try:
            if self.fragments is not None:
                return self._decoded(self._compressed(index))
            decoder = get_decoder(_native_of(self.coding.syntax))
            with self._opened() as file:
                file.seek(self.start)
                options = self.coding.options(self.num_frames)
                return decoder.as_array(file, index=index, **options)[0]
        except (ClipError, OSError):
            raise
        # What decoders raise on damaged data differs from one to the next.
        except Exception as error:
            raise ClipError(
                f"{self.path}: frame {index} cannot be decoded ({in_one_line(error)}).",
                "The file is truncated or damaged, or its compression needs another decoder.",
            ) from error

    def _opened(self) -> BinaryIO:
        return inflated(Path(self.path)) if self.is_deflated else Path(self.path).open("rb")

    def _compressed(self, index: int) -> bytes:
        assert self.fragments is not None
        table = self.fragments
        pieces = range(int(table.firsts[index]), int(table.firsts[index + 1]))
        with self._opened() as file:
            parts = []
            for piece in pieces:
                file.seek(int(table.starts[piece]))
                parts.append(file.read(int(table.sizes[piece])))
        frame = b"".join(parts)
        self._check_promise(index, frame)
        return frame

    def _decoded(self, frame: bytes) -> np.ndarray:
        """Decode a compressed frame as if it were alone in its file."""
        from pydicom.encaps import encapsulate
        from pydicom.pixels import get_decoder

        if self.coding.syntax == _JPEG_EXTENDED and self.coding.stored > 8:
            # Of pydicom's decoders only one under the GPL knows 12 bits.
            from imagecodecs import jpeg_decode

            return np.asarray(jpeg_decode(frame))
        decoder = get_decoder(self.coding.syntax)
        alone = encapsulate([frame], has_bot=False)
        return decoder.as_array(alone, index=0, **self.coding.options(1))[0]

    def _check_promise(self, index: int, frame: bytes) -> None:
        """Compare the size that the stream says with the header's, before anything is decoded."""
        rows, columns = self.coding.rows, self.coding.columns
        said = size_of(frame)
        if said is not None and said != (rows, columns):
            raise ClipError(
                f"{self.path}: frame {index} is {said[0]} x {said[1]} px in its own header, and "
                f"Rows (0028,0010) and Columns (0028,0011) say {rows} x {columns}.",
                "The file is damaged; export it again.",
            )
        num_bytes = self.coding.frame_bits // 8
        if num_bytes > _LARGE_BYTES and num_bytes > _MOST_RATIO * len(frame):
            raise ClipError(
                f"{self.path}: frame {index} has {len(frame)} bytes and promises {num_bytes}.",
                "The file is damaged; export it again.",
            )


def _native_of(syntax: str) -> str:
    """A syntax that pydicom decodes, for one that it does not know as uncompressed."""
    from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

    if syntax == DeflatedExplicitVRLittleEndian or UID(syntax).is_private:
        return str(ExplicitVRLittleEndian)
    return syntax


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


def frames_of(file: DicomFile, coding: Coding) -> StoredFrames:
    """Find out where the frames of a file are; reads no pixels.

    Raises
    ------
    ClipError
        If the file ends before them, or the lengths of its items contradict each other.
    """
    said = number(file.header, "NumberOfFrames")
    num_frames = max(1, int(min(abs(said or 1), _MOST_FRAMES)))
    if coding.is_compressed:
        fragments = _walk(file, num_frames)
        return StoredFrames(
            str(file.path), coding, num_frames, file.start, file.is_deflated, fragments
        )
    needed = math.ceil(coding.frame_bits * num_frames / 8)
    if file.start + needed > file.stop:
        raise ClipError(
            f"{file.path}: {num_frames} frames (0028,0008) of {coding.rows} x {coding.columns} px "
            f"need {needed} bytes, and from byte {file.start} on there are "
            f"{file.stop - file.start}.",
            "The file is truncated, or its header is damaged.",
        )
    return StoredFrames(str(file.path), coding, num_frames, file.start, file.is_deflated)


def _walk(file: DicomFile, num_frames: int) -> Fragments:
    """List the items with the compressed pixels."""
    starts, sizes = array("q"), array("q")
    with inflated(file.path) if file.is_deflated else file.path.open("rb") as raw:
        at = file.start
        while at < file.stop:
            raw.seek(at)
            head = raw.read(8)
            if head[:4] == _END:
                break
            if head[:4] != _ITEM or len(head) < 8:
                raise _bad_item(file, at, f"an item tag is expected, not {head[:4].hex(' ')}")
            (size,) = struct.unpack("<I", head[4:])
            if at + 8 + size > file.stop:
                there = file.stop - at - 8
                raise _bad_item(file, at, f"an item promises {size} bytes, and {there} are there")
            starts.append(at + 8)
            sizes.append(size)
            at += 8 + size
        if len(starts) < 2:
            raise _bad_item(file, file.start, "there are no compressed pixels")
        table = starts[0], sizes[0]
        pieces = np.array(starts[1:], np.int64), np.array(sizes[1:], np.int64)
        firsts = _firsts(file, raw, num_frames, table, pieces)
    return Fragments(*pieces, firsts)


def _firsts(
    file: DicomFile,
    raw: BinaryIO,
    num_frames: int,
    table: tuple[int, int],
    pieces: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """The number of the first piece of every frame, and the number of pieces at the end."""
    starts, sizes = pieces
    count = len(starts)
    if num_frames > count:
        raise _bad_item(
            file, file.start, f"{num_frames} frames (0028,0008) are promised, and {count} are there"
        )
    if num_frames == 1:
        return np.array([0, count], np.int64)
    if num_frames == count:
        return np.arange(count + 1, dtype=np.int64)
    # Offsets count from the item behind the table.
    offsets = _offsets(file, raw, num_frames, table)
    if offsets is not None:
        firsts = np.searchsorted(starts - 8, offsets + int(starts[0]) - 8)
        is_exact = firsts.max() < count and np.array_equal(
            starts[firsts] - starts[0], offsets.astype(np.int64)
        )
        if is_exact and firsts[0] == 0 and (np.diff(firsts) > 0).all():
            return np.append(firsts, count).astype(np.int64)
    # Without a table that makes sense, a JPEG stream tells by itself where it ends.
    ends = [i + 1 for i in range(count) if _ends_stream(raw, int(starts[i]), int(sizes[i]))]
    if len(ends) < num_frames:
        raise _bad_item(
            file, file.start, f"nothing says which of {count} items make the {num_frames} frames"
        )
    return np.array([0, *ends[:num_frames]], np.int64)


def _offsets(
    file: DicomFile, raw: BinaryIO, num_frames: int, table: tuple[int, int]
) -> np.ndarray | None:
    extended = value(file.header, "ExtendedOffsetTable")
    if isinstance(extended, bytes) and len(extended) == 8 * num_frames:
        return np.frombuffer(extended, "<u8").astype(np.int64)
    at, size = table
    if size != 4 * num_frames:
        return None
    raw.seek(at)
    offsets = np.frombuffer(raw.read(size), "<u4").astype(np.int64)
    # In tables of 32 bits, offsets beyond 4 GiB begin again with 0.
    wraps = np.cumsum(np.diff(offsets, prepend=0) < 0)
    return np.asarray(offsets + wraps * 2**32)


def _ends_stream(raw: BinaryIO, start: int, size: int) -> bool:
    """Whether a piece ends a JPEG stream; some bytes of padding may follow."""
    raw.seek(start + max(0, size - 10))
    return _END_OF_JPEG in raw.read(min(10, size))


def _bad_item(file: DicomFile, at: int, why: str) -> ClipError:
    return ClipError(
        f"{file.path}: the {file.keyword} (7FE0,0010) is damaged at byte {at}: {why}.",
        "The file is truncated or damaged; copy it again.",
    )
