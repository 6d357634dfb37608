"""Blocks that were decoded a moment ago.

A chunk often holds many planes (of a volume, say), and all of them are decoded for one. Who plays them
asks for the next one at once.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from threading import Lock
from time import monotonic

import numpy as np

_MOST_BYTES = 2**27
# A store may be written to while it is read: nothing is remembered for long.
_FRESH_S = 1.0


class RecentBlocks:
    """A few blocks by key, for a second. May be used from several threads."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[tuple[int, ...], tuple[float, np.ndarray]] = OrderedDict()
        self._lock = Lock()

    def fits(self, region: tuple[slice, ...], dtype: np.dtype) -> bool:
        """Whether a block of this size may be kept at all."""
        return math.prod(s.stop - s.start for s in region) * dtype.itemsize <= _MOST_BYTES

    def get(self, key: tuple[int, ...]) -> np.ndarray | None:
        """The block, if it was put here within the last second."""
        with self._lock:
            self._drop()
            found = self._blocks.get(key)
        return found[1] if found else None

    def put(self, key: tuple[int, ...], block: np.ndarray) -> None:
        """Keep a block, and let go of the oldest ones where there are too many."""
        with self._lock:
            self._blocks[key] = monotonic(), block
            self._blocks.move_to_end(key)
            self._drop()

    def _drop(self) -> None:
        oldest = monotonic() - _FRESH_S
        while self._blocks:
            when, _ = next(iter(self._blocks.values()))
            total = sum(block.nbytes for _, block in self._blocks.values())
            if when >= oldest and total <= _MOST_BYTES:
                return
            self._blocks.popitem(last=False)
