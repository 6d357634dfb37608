"""A segment: a file of records, written one after the other and never changed.

A process may be killed, or a disk run full, while a record is written. So each carries its length
and a checksum, and who reads stops at the first that is not whole. What the records say is known to
`journal`.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from os import fstat, fsync
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from napari_sa2va.core.errors import BatchError, OutputError

_MAGIC = b"sa2va-records-1\n"
# Length of the payload, checksum of all that follows, kind, number.
_HEAD, _CHECKED = struct.Struct("<IIBI"), struct.Struct("<BI")
_MOST_BYTES = 1 << 30
# What a power cut may cost, in s; a killed process loses nothing that was written. A disk that takes
# long to be sure is asked so seldom that it takes this share of the time.
_SYNC_S, _SHARE = 1.0, 0.02


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes
    ----------
    kind : int
        In [0, 255].
    number : int
        In [0, 2**32 - 1]; what it counts depends on the kind.
    payload : bytes
    offset : int
        Where it begins in the file.
    """

    kind: int
    number: int
    payload: bytes
    offset: int


class SegmentWriter:
    """Writes a new segment, unbuffered: what was appended survives the process.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BatchError
        If the file is there already: it may be another's, who still writes to it.
    OutputError
        If it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("xb", buffering=0)
        except FileExistsError:
            raise BatchError(
                f"{path} is there already, though nobody has done this work before.",
                f"Delete {path.parent} if the folder of runs was deleted, too.",
            ) from None
        except OSError as error:
            raise _unwritten(path, error) from error
        self._sync_at = monotonic() + _SYNC_S
        try:
            self._write(_MAGIC)
        except OutputError:
            self._file.close()
            raise

    def append(self, kind: int, number: int, payload: bytes) -> None:
        """Write a record with one call to the system, and bring it to the disk now and then.

        Raises
        ------
        OutputError
            If the disk is full or gone, or the payload has 1 GB.
        """
        if len(payload) > _MOST_BYTES:
            raise OutputError(
                f"A record of {len(payload) / 1e9:.1f} GB is too long for {self._path}.",
                "Look at a part of the frames (box), or ask for fewer objects at once.",
            )
        checked = _CHECKED.pack(kind, number)
        crc = zlib.crc32(payload, zlib.crc32(checked))
        self._write(_HEAD.pack(len(payload), crc, kind, number) + payload)
        if monotonic() >= self._sync_at:
            self.sync()

    def sync(self) -> None:
        """Bring all that was appended to the disk."""
        begun = monotonic()
        try:
            fsync(self._file.fileno())
        except OSError as error:
            raise _unwritten(self._path, error) from error
        ended = monotonic()
        self._sync_at = ended + max(_SYNC_S, (ended - begun) / _SHARE)

    def close(self) -> None:
        """Close the file, which is then on the disk."""
        if self._file.closed:
            return
        try:
            self.sync()
        finally:
            self._file.close()

    def _write(self, data: bytes) -> None:
        try:
            written = self._file.write(data)
        except OSError as error:
            raise _unwritten(self._path, error) from error
        # Nothing may follow half a record: it would never be read.
        if written != len(data):
            raise OutputError(
                f"{written} of {len(data)} bytes could be written to {self._path}.",
                "Is the disk full?",
            )


def records_of(path: Path) -> Iterator[Record]:
    """All whole records from the first one on; of a file that is none, or is not there, nothing.

    Another process may append meanwhile.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return
        offset, size = len(_MAGIC), fstat(file.fileno()).st_size
        while (record := _next(file, offset, size)) is not None:
            yield record
            offset += _HEAD.size + len(record.payload)


def record_at(path: Path, offset: int) -> Record:
    """A record that `records_of` has found.

    Raises
    ------
    BatchError
        If it is not there any more.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            record = _next(file, offset, fstat(file.fileno()).st_size)
    except OSError as error:
        raise BatchError(f"{path} cannot be read ({error.strerror or error}).") from error
    if record is None:
        raise BatchError(
            f"The record at byte {offset} of {path} is damaged.",
            "Somebody has changed the file. Delete it, and let the unit be tried again.",
        )
    return record


def segments_in(folder: Path, name: str, *, after: int = 0, upto: int | None = None) -> list[Path]:
    """The segments ``<name>-<generation>.log`` of a folder, in the order of their generations.

    Parameters
    ----------
    folder : Path
    name : str
    after : int
        Only those of later generations than this.
    upto : int, optional
        Only those of this and earlier generations.
    """
    if not folder.is_dir():
        return []
    pattern = re.compile(rf"{re.escape(name)}-(\d+)\.log")
    found = {
        int(match[1]): path for path in folder.iterdir() if (match := pattern.fullmatch(path.name))
    }
    return [found[n] for n in sorted(found) if n > after and (upto is None or n <= upto)]


def _next(file: BinaryIO, offset: int, size: int) -> Record | None:
    """The record at the place where a file of `size` bytes is; None if it is not whole."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, crc, kind, number = _HEAD.unpack(head)
    # What is torn may promise anything; no more is read than there can be.
    if length > min(_MOST_BYTES, size - offset - _HEAD.size):
        return None
    payload = file.read(length)
    if zlib.crc32(payload, zlib.crc32(_CHECKED.pack(kind, number))) != crc:
        return None
    return Record(kind, number, payload, offset)


def _unwritten(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} could not be written ({error.strerror or error}).",
        "Is the disk full, or the network drive away?",
    )
