"""The boxes of an MP4 or QuickTime file, by which it is known whether it was written to its end.

A file of this format is a row of boxes, each a length, four letters and its content (ISO/IEC 14496-12,
section 4.2). Frames lie in ``mdat``; the index of all of them, ``moov``, is written when no more come,
unless the file consists of fragments, each with an index of its own (``moof``), of which there may
always be one more.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_HEAD, _LONG = struct.Struct(">I4s"), struct.Struct(">Q")
_MOST_BOXES = 10_000
_END_BYTES = 4096
_FRAGMENTED = {b"moof", b"mvex"}


def is_whole(path: Path) -> bool:
    """Whether an MP4 or QuickTime file has the index of all frames and ends where its boxes do."""
    size = path.stat().st_size
    found: set[bytes] = set()
    with path.open("rb") as file:
        at = 0
        for kind, start, stop in _boxes(file, 0, size):
            found.add(kind)
            if kind == b"moov":
                found |= {inner for inner, *_ in _boxes(file, start, stop)}
            at = stop
        # What is being copied often has its size from the beginning, and zeros where nothing came yet.
        file.seek(max(0, size - _END_BYTES))
        if not any(file.read()):
            return False
    return at == size and {b"moov", b"mdat"} <= found and not found & _FRAGMENTED


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of the content of the boxes between two places, up to one that is not whole."""
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(_HEAD.size)
        if at >= end or len(head) < _HEAD.size:
            return
        length, kind = _HEAD.unpack(head)
        start = at + _HEAD.size
        if length == 1:  # a longer one follows
            long = file.read(_LONG.size)
            length = _LONG.unpack(long)[0] if len(long) == _LONG.size else 0
            start += _LONG.size
        # 0 means up to the end, wherever that will be.
        if length < start - at or at + length > end:
            return
        yield kind, start, at + length
        at += length
