"""Frames of one DICOM file, of which one is read and decoded at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.codestream import size_of
from napari_sa2va.readers.dicom.coding import Coding
from napari_sa2va.readers.dicom.decoding import RUN_LENGTHS, decode
from napari_sa2va.readers.dicom.file import DicomFile, in_one_line, inflated
from napari_sa2va.readers.dicom.items import Fragments, fragments_of
from napari_sa2va.readers.dicom.tags import number

# A plane of one value compresses without end: only what is large is looked at.
_LARGE_BYTES, _MOST_RATIO = 2**28, 5000
# No address space holds more; a header can say it all the same.
_MOST_FRAMES = 2**31


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
                frame = self._compressed(index)
                self._check_promise(index, frame)
                return decode(frame, self.coding)
            if self.coding.allocated == 1:
                return self._bits(index)
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

    def _bits(self, index: int) -> np.ndarray:
        """A frame of single bits, which need not begin with a byte (pydicom reads one too few)."""
        num_bits = self.coding.frame_bits
        first, skipped = divmod(index * num_bits, 8)
        with self._opened() as file:
            file.seek(self.start + first)
            packed = np.frombuffer(file.read((skipped + num_bits + 7) // 8), np.uint8)
        bits = np.unpackbits(packed, bitorder="little")[skipped : skipped + num_bits]
        return bits.reshape(self.coding.rows, self.coding.columns)

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
        return b"".join(parts)

    def _check_promise(self, index: int, frame: bytes) -> None:
        """Compare the size that the stream says with the header's, before anything is decoded."""
        rows, columns = self.coding.rows, self.coding.columns
        said = size_of(frame)
        if said != (rows, columns) and self.coding.syntax != RUN_LENGTHS:
            size = "of no size" if said is None else f"{said[0]} x {said[1]} px"
            raise ClipError(
                f"{self.path}: frame {index} is {size} in its own header, and "
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
        fragments = fragments_of(file, num_frames)
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
