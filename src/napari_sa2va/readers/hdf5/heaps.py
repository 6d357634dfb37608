"""Global heaps of HDF5 files, in which texts of attributes lie: found damaged before they are walked.

HDF5 (2.0 and before) goes on for ever at an object of a heap that is free and has no length, which is
what a run of zeros looks like: a block that was never written, or was lost.
"""

from __future__ import annotations

import struct
from pathlib import Path

from napari_sa2va.core.errors import ClipError

_MAGIC = b"GCOL\x01"
_COLLECTION = struct.Struct("<4sB3xQ")  # magic, version, length of all
_OBJECT = struct.Struct("<HHxxxxQ")  # index, references, length
# Heaps are written when attributes are: before the pixels or behind them.
_LOOKED_THROUGH = 2**24


def check_heaps(path: Path) -> None:
    """Look through the first and the last 16 MiB of a file.

    Raises
    ------
    ClipError
        If reading a text of the file would never end.
    """
    with path.open("rb") as file:
        _check(path, file.read(_LOOKED_THROUGH), 0)
        start = max(_LOOKED_THROUGH, file.seek(0, 2) - _LOOKED_THROUGH)
        file.seek(start)
        _check(path, file.read(), start)


def _check(path: Path, part: bytes, start: int) -> None:
    at = part.find(_MAGIC)
    while at >= 0:
        if at + _COLLECTION.size <= len(part) and _is_endless(part, at):
            raise ClipError(
                f"{path} is damaged in its heap of texts at byte {start + at}.",
                "Copy the file again; h5clear and h5repack may mend it.",
            )
        at = part.find(_MAGIC, at + 1)


def _is_endless(part: bytes, begin: int) -> bool:
    length = _COLLECTION.unpack_from(part, begin)[2]
    at, end = begin + _COLLECTION.size, min(begin + length, len(part))
    while at + _OBJECT.size <= end:
        index, _, size = _OBJECT.unpack_from(part, at)
        if index == 0:  # what is left is free, and said to be as long as it is
            return bool(size == 0)
        at += _OBJECT.size + -(-size // 8) * 8
    return False
