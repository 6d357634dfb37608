"""Where compressed frames begin and end in a DICOM file.

They are cut into fragments, each behind an item tag with its length. Which fragments make a frame is
said by an offset table, extended or basic, or follows from their number, or, in JPEG streams, from
their ends. The items are walked once when a file is opened (8 bytes of each are read), so that a
frame is later read with one seek, and lengths that lie are known before anything is decoded.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.dicom.file import DicomFile, inflated
from napari_sa2va.readers.dicom.tags import value

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_END_OF_JPEG = b"\xff\xd9"


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


def fragments_of(file: DicomFile, num_frames: int) -> Fragments:
    """List the items with the compressed pixels.

    Raises
    ------
    ClipError
        If an item is none or ends behind the file, or nothing says which items make a frame.
    """
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
