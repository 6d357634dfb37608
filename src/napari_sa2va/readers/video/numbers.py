"""Which number a frame has that comes out of the decoder, in three ways.

The packets go in as the file has them, the frames come out in the order they are shown, and each
bears the time stamp (pts) of its packet. Where decoding began matters only to those who count.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame


class Numbers(Protocol):
    """What a decoder asks while it goes through a movie."""

    def begin(self, number: int) -> None:
        """Decoding begins at key frame `number`."""

    def note(self, packet: Packet) -> bool:
        """A packet goes into the decoder; False if it is none of those that are known."""

    def is_before(self, packet: Packet, t: int) -> bool:
        """Whether the noted packet is surely, or at least very likely, of a frame before `t`."""

    def of(self, frame: VideoFrame) -> int | None:
        """The number of a frame that comes out; None if it is not shown."""


class CountedNumbers:
    """Frame t is the t-th to come out: for files without usable time stamps."""

    def __init__(self) -> None:
        self._next = 0

    def begin(self, number: int) -> None:
        self._next = number

    def note(self, packet: Packet) -> bool:
        return True

    def is_before(self, packet: Packet, t: int) -> bool:
        return False  # who counts must see every frame

    def of(self, frame: VideoFrame) -> int | None:
        self._next += 1
        return self._next - 1


class ListedNumbers:
    """All time stamps were listed before.

    Parameters
    ----------
    pts : ndarray of int64, shape (T,)
        Rising strictly.
    sizes : ndarray of int64, shape (T,)
        Bytes of the packets. They tell whether the time stamps are the same as when all packets were
        listed: MPEG program streams bear few, and FFmpeg derives the others from where it began.
    """

    def __init__(self, pts: np.ndarray, sizes: np.ndarray) -> None:
        self._number: dict[int | None, int] = {int(p): i for i, p in enumerate(pts)}
        self._sizes = sizes

    def begin(self, number: int) -> None:
        pass

    def note(self, packet: Packet) -> bool:
        number = self._number.get(packet.pts)
        return number is None or bool(self._sizes[number] == packet.size)

    def is_before(self, packet: Packet, t: int) -> bool:
        return self._number.get(packet.pts, t) < t

    def of(self, frame: VideoFrame) -> int | None:
        return self._number.get(frame.pts)


class TableNumbers:
    """Only the decoding times (dts) are known, from the container's table.

    A group is a key frame with all packets up to the next. No decoder lets a frame out before all
    that are shown earlier went in. So the number of a frame is that of its group's first, plus how
    many packets of the group went in that are shown earlier; nothing has to be listed ahead.

    Parameters
    ----------
    dts : ndarray of int64, shape (T,)
        Rising strictly, one per frame.
    keys : ndarray of int64
        Positions of the key frames in `dts`.
    """

    def __init__(self, dts: np.ndarray, keys: np.ndarray) -> None:
        self._dts, self._keys = dts, keys
        self._groups: dict[int, list[int]] = {}  # position of its first packet -> pts, sorted
        self._last: list[int] = []
        self._first, self._end = 0, -math.inf  # of the group that goes in now

    def begin(self, number: int) -> None:
        self._groups.clear()
        self._last = []

    def note(self, packet: Packet) -> bool:
        if packet.dts is None or packet.pts is None:
            return False
        if not self._last or packet.dts >= self._end:
            position = int(np.searchsorted(self._dts, packet.dts, side="right"))
            self._begin_group(int(np.searchsorted(self._keys, position)) - 1)
        insort(self._last, packet.pts)
        return True

    def _begin_group(self, group: int) -> None:
        self._first = int(self._keys[group])
        is_last = group + 1 == len(self._keys)
        self._end = math.inf if is_last else int(self._dts[self._keys[group + 1]])
        self._last = self._groups.setdefault(self._first, [])
        if len(self._groups) > 64:  # no decoder holds that many groups back
            del self._groups[min(self._groups)]

    def is_before(self, packet: Packet, t: int) -> bool:
        # As if frames were shown in the rhythm in which they are decoded, which is nearly so.
        if packet.pts is None or not self._last or t < self._first:
            return False
        expected = self._last[0] + int(self._dts[t] - self._dts[self._first])
        return packet.pts < expected

    def of(self, frame: VideoFrame) -> int | None:
        for first, stamps in self._groups.items():
            rank = bisect_left(stamps, frame.pts or 0)
            if rank < len(stamps) and stamps[rank] == frame.pts:
                return first + rank
        return None
