"""What a compressed frame says of its own size, before a decoder makes room for it."""

from __future__ import annotations

import struct

_SOC = b"\xff\x4f"
_SIZ = b"\xff\x51"
_SOI = b"\xff\xd8"
# Markers of JPEG and JPEG-LS without a segment behind them.
_BARE = (0x01, *range(0xD0, 0xD9))
# Start of frame: all processes of JPEG, and JPEG-LS; not DHT (C4), JPG (C8), DAC (CC).
_FRAME = (*(m for m in range(0xC0, 0xD0) if m not in (0xC4, 0xC8, 0xCC)), 0xF7)


def size_of(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 frame; None if it is none of them.

    Parameters
    ----------
    frame : bytes
    """
    if frame[:2] == _SOI:
        return _of_jpeg(frame)
    at = 0 if frame[:4] == _SOC + _SIZ else frame.find(_SOC + _SIZ, 0, 4096)
    if at < 0 or len(frame) < at + 24:
        return None
    # SIZ: length, capabilities, then width and height of the grid and where the picture begins.
    x1, y1, x0, y0 = struct.unpack(">4I", frame[at + 8 : at + 24])
    return max(0, y1 - y0), max(0, x1 - x0)


def _of_jpeg(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker in _FRAME:
            rows, columns = struct.unpack(">HH", frame[at + 5 : at + 9])
            return rows, columns
        else:
            at += 2 + struct.unpack(">H", frame[at + 2 : at + 4])[0]
    return None
