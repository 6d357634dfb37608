"""Many run-length codes at once: areas, boxes, overlaps, without decoding any.

`core.rle` speaks of one code or two. A timeline needs tens of thousands of areas and overlaps each
time it is drawn, and what numpy costs per call would then be most of the time. Here the codes of
many masks are laid end to end on one line of pixels, so that one call serves all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.core.rle import Rle

# Masks compared at a time: bounds the memory, and costs nothing above some hundred.
_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class Runs:
    """Foreground runs of K masks of one size, laid end to end in column-major order.

    Pixel (y, x) of mask k is number `(k * width + x) * height + y` of the line.

    Attributes
    ----------
    number : int
        K, how many masks.
    height, width : int
        Size of each in px.
    starts, ends : ndarray of int64, shape (R,)
        First pixel of each run and the one after its last, rising.
    owner : ndarray of int64, shape (R,)
        Which mask the run is of, 0 to K - 1, rising.
    """

    number: int
    height: int
    width: int
    starts: np.ndarray
    ends: np.ndarray
    owner: np.ndarray

    @classmethod
    def of(cls, codes: Sequence[Rle], height: int, width: int) -> Runs:
        """Lay codes end to end.

        Raises
        ------
        ShapeMismatch
            If a code is of another size, or its runs do not add up to it.
        """
        size = [height, width]
        for code in codes:
            if code["size"] != size:
                raise ShapeMismatch(
                    f"A mask of {code['size']} px (y, x) is among masks of {size} px.",
                    "Take masks of the same clip.",
                )
        number = len(codes)
        if not number:
            nothing = np.empty(0, np.int64)
            return cls(0, height, width, nothing, nothing, nothing)
        lengths = np.array([len(code["counts"]) for code in codes], dtype=np.int64)
        counts = np.concatenate([code["counts"] for code in codes]).astype(np.int64)
        ends = np.cumsum(counts)
        last = np.cumsum(lengths)
        # Each code fills its own stretch of the line; if one did not, all after it would be shifted.
        if not lengths.all() or not np.array_equal(
            ends[last - 1], np.arange(1, number + 1) * height * width
        ):
            raise ShapeMismatch(
                f"The runs of a mask do not add up to {height} x {width} px.",
                "The code is damaged.",
            )
        place = np.arange(len(counts)) - np.repeat(last - lengths, lengths)
        set_ = (place % 2 == 1) & (counts > 0)
        owner = np.repeat(np.arange(number), lengths)[set_]
        return cls(number, height, width, ends[set_] - counts[set_], ends[set_], owner)

    def areas(self) -> np.ndarray:
        """Foreground pixels of each mask, int64 (K,)."""
        return self._sums(self.ends - self.starts)

    def boxes(self) -> np.ndarray:
        """Bounding boxes y0, x0, y1, x1 in px, int64 (K, 4).

        The last row and column are not included. A mask without a pixel has the box 0, 0, 0, 0.
        """
        boxes = np.zeros((self.number, 4), np.int64)
        if not len(self.owner):
            return boxes
        first = np.flatnonzero(np.diff(self.owner, prepend=-1))
        last = np.append(first[1:], len(self.owner)) - 1
        first_column, last_column = self.starts // self.height, (self.ends - 1) // self.height
        # A run that goes on in the next column touches the last row of one and the first of another.
        wraps = first_column != last_column
        top = np.where(wraps, 0, self.starts % self.height)
        bottom = np.where(wraps, self.height, (self.ends - 1) % self.height + 1)
        there = self.owner[first]
        boxes[there, 0] = np.minimum.reduceat(top, first)
        boxes[there, 1] = first_column[first] - there * self.width
        boxes[there, 2] = np.maximum.reduceat(bottom, first)
        boxes[there, 3] = last_column[last] - there * self.width + 1
        return boxes

    def overlaps(self, other: Runs) -> np.ndarray:
        """Pixels that mask k of both have in common, int64 (K,)."""
        shared = other._before(self.ends) - other._before(self.starts)
        return self._sums(shared)

    def _before(self, positions: np.ndarray) -> np.ndarray:
        """How many foreground pixels lie before each position of the line, int64."""
        filled = np.concatenate(([0], np.cumsum(self.ends - self.starts)))
        begun = np.searchsorted(self.starts, positions)  # runs that start before the position
        ends = np.concatenate(([0], self.ends))
        # The last of these may reach past the position.
        return filled[begun] - np.maximum(ends[begun] - positions, 0)

    def _sums(self, values: np.ndarray) -> np.ndarray:
        # Sums of pixels stay below 2**53, so float64 holds them exactly.
        return np.bincount(self.owner, weights=values, minlength=self.number).astype(np.int64)


def areas_and_boxes(codes: Sequence[Rle], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Areas in px, int64 (K,), and bounding boxes as of `Runs.boxes`, int64 (K, 4).

    Raises
    ------
    ShapeMismatch
        If a code is of another size, or its runs do not add up to it.
    """
    areas, boxes = np.empty(len(codes), np.int64), np.empty((len(codes), 4), np.int64)
    for part in _parts(len(codes)):
        runs = Runs.of(codes[part], height, width)
        areas[part], boxes[part] = runs.areas(), runs.boxes()
    return areas, boxes


def overlaps(a: Sequence[Rle], b: Sequence[Rle], height: int, width: int) -> np.ndarray:
    """Pixels in both masks of each pair, int64, one per pair; as `rle.overlap` for each of them.

    Raises
    ------
    ShapeMismatch
        If a code is of another size, or its runs do not add up to it.
    """
    shared = np.empty(len(a), np.int64)
    for part in _parts(len(a)):
        shared[part] = Runs.of(a[part], height, width).overlaps(Runs.of(b[part], height, width))
    return shared


def _parts(number: int) -> Iterator[slice]:
    for start in range(0, number, _AT_ONCE):
        yield slice(start, start + _AT_ONCE)
