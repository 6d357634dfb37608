"""Whether the directories of a TIFF file lie within it.

tifffile logs a broken chain of directories and goes on with the pages before it, so that a
truncated stack looks like a short one. Here the chain is walked by the letter of the format.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

# Tags whose value must be there: description, and where strips and tiles lie and how long they are.
_NEEDED = (270, 273, 279, 324, 325)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}


def missing_at(file: BinaryIO, size: int) -> int | None:
    """Follow the chain of directories to its end.

    Parameters
    ----------
    file : binary file
        Opened TIFF or BigTIFF.
    size : int
        Its length in bytes.

    Returns
    -------
    int or None
        The first byte beyond the end that the file needs; None if the chain is whole.
    """
    file.seek(0)
    order, is_big, at = _header(file.read(16))
    count_size, entry_size, next_size = (8, 20, 8) if is_big else (2, 12, 4)
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        if at + count_size > size:
            return at + count_size
        file.seek(at)
        (count,) = struct.unpack(order + ("Q" if is_big else "H"), file.read(count_size))
        end = at + count_size + count * entry_size + next_size
        if end > size:
            return end
        entries = file.read(count * entry_size)
        for start in range(0, len(entries), entry_size):
            end = _value_end(entries[start : start + entry_size], order, is_big)
            if end > size:
                return end
        (at,) = struct.unpack(order + ("Q" if is_big else "I"), file.read(next_size))
    return None


def _header(head: bytes) -> tuple[str, bool, int]:
    """Byte order, whether this is BigTIFF, and the offset of the first directory."""
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack(order + "H", head[2:4])[0] == 43
    start = (
        struct.unpack(order + "Q", head[8:16]) if is_big else struct.unpack(order + "I", head[4:8])
    )
    return order, is_big, int(start[0])


def _value_end(entry: bytes, order: str, is_big: bool) -> int:
    """Last byte of a tag's value, 0 if it lies in the entry itself or does not matter."""
    tag, kind = struct.unpack(order + "HH", entry[:4])
    count, offset = struct.unpack(order + ("QQ" if is_big else "II"), entry[4:])
    length = count * _SIZES.get(kind, 1)
    if tag not in _NEEDED or length <= (8 if is_big else 4):
        return 0
    return int(offset + length)
