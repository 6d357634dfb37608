"""Area, steadiness and overlap of every object on every frame, kept up to date while masks change.

What a frame is worth depends on its own masks and on those of the frame before. So when a mask
changes, only its frame and the one after are counted again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from napari_sa2va.analysis.checks import check_frames, check_masklets, shape_of
from napari_sa2va.analysis.runs import areas_and_boxes, overlaps
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.core.rle import Rle


class Numbers:
    """Numbers of N objects on T frames, one row per object.

    Attributes
    ----------
    ids : list of int
        Object ids, in the order of the rows.
    known : ndarray of bool, shape (N, T)
        Whether the frame has a mask, which may be empty.
    area : ndarray of int64, shape (N, T)
        In px; 0 where nothing is known.
    steadiness : ndarray of float64, shape (N, T)
        J of the mask with that of the frame before, in [0, 1]; NaN where either is empty or not
        known, and on frame 0.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []
        self._size = (0, 0, 0)  # T, Y, X
        self._codes: list[list[Rle | None]] = []
        self._boxes = np.zeros((0, 0, 4), np.int64)
        self._shared: dict[int, dict[tuple[int, int], int]] = {}
        self.known = np.zeros((0, 0), bool)
        self.area = np.zeros((0, 0), np.int64)
        self.steadiness = np.full((0, 0), np.nan)

    @property
    def num_frames(self) -> int:
        """T; 0 before there was an object."""
        return self._size[0]

    @property
    def overlaps(self) -> Mapping[int, Mapping[tuple[int, int], int]]:
        """Frame -> (object id, object id) -> px in both; only pairs that share a pixel."""
        return self._shared

    def update(self, masklets: Sequence[Masklet], frames: Iterable[int] | None = None) -> None:
        """Count again what has changed since the last call.

        Parameters
        ----------
        masklets : sequence of Masklet
            All objects there are now. Those that are no longer among them are forgotten.
        frames : iterable of int, optional
            Where to look for changes; by default everywhere, which costs some ms for thousands of
            frames. New objects are counted on all frames.

        Raises
        ------
        RequestError
            If two objects share an id, or there is no such frame.
        ShapeMismatch
            If the masklets are not of one clip, or a code is damaged.

        Notes
        -----
        A change is seen by a code being another object than before; codes are never changed in
        place.
        """
        check_masklets(masklets)
        if not masklets:
            self._arrange([], self._size)
            return
        size = shape_of(masklets[0])
        looked_at = None if frames is None else check_frames(frames, size[0])
        stayed = set(self.ids) if size == self._size else set()
        self._arrange([m.object_id for m in masklets], size)
        stale: set[int] = set()
        places: list[tuple[int, int]] = []
        for row, masklet in enumerate(masklets):
            kept, given = self._codes[row], masklet.codes
            where: Sequence[int] = range(size[0])
            if looked_at is not None and masklet.object_id in stayed:
                where = looked_at
            changed = [t for t in where if given[t] is not kept[t]]
            for t in changed:
                kept[t] = given[t]
            stale.update(changed)
            places += [(row, t) for t in changed]
        self._count(places)
        self._compare_objects(sorted(stale))

    def _arrange(self, ids: list[int], size: tuple[int, int, int]) -> None:
        """Give every object its row; what is known of those that stay goes with them."""
        if ids == self.ids and size == self._size:
            return
        stay = size == self._size
        rows = {i: row for row, i in enumerate(self.ids)} if stay else {}
        was = [rows.get(i, -1) for i in ids]
        num_frames = size[0]
        self._codes = [self._codes[row] if row >= 0 else [None] * num_frames for row in was]
        self.known = _rows(self.known, was, num_frames, False)
        self.area = _rows(self.area, was, num_frames, 0)
        self.steadiness = _rows(self.steadiness, was, num_frames, np.nan)
        self._boxes = _rows(self._boxes, was, num_frames, 0)
        gone = set(self.ids) - set(ids) if stay else set(self.ids)
        if gone:
            for t, pairs in list(self._shared.items()):
                self._shared[t] = {p: px for p, px in pairs.items() if not gone & set(p)}
        self.ids, self._size = ids, size

    def _count(self, places: list[tuple[int, int]]) -> None:
        """Area, box and steadiness at (row, frame), and the steadiness of the frame after."""
        if not places:
            return
        rows, frames = np.array(places).T
        self.known[rows, frames] = False
        self.area[rows, frames] = 0
        self._boxes[rows, frames] = 0
        there = [(row, t, code) for row, t in places if (code := self._codes[row][t]) is not None]
        if there:
            rows, frames = np.array([(row, t) for row, t, _ in there]).T
            self.known[rows, frames] = True
            _, height, width = self._size
            codes = [code for _, _, code in there]
            self.area[rows, frames], self._boxes[rows, frames] = areas_and_boxes(
                codes, height, width
            )
        last = self.num_frames - 1
        self._count_steadiness(sorted({(r, min(t + d, last)) for r, t in places for d in (0, 1)}))

    def _count_steadiness(self, places: list[tuple[int, int]]) -> None:
        rows, frames = np.array(places).T
        self.steadiness[rows, frames] = np.nan
        both = (frames > 0) & (self.area[rows, frames] > 0) & (self.area[rows, frames - 1] > 0)
        rows, frames = rows[both], frames[both]
        shared = self._overlaps(rows, frames, rows, frames - 1)
        union = self.area[rows, frames] + self.area[rows, frames - 1] - shared
        self.steadiness[rows, frames] = shared / union

    def _compare_objects(self, frames: list[int]) -> None:
        """Overlaps of all pairs of objects on some frames."""
        if not frames:
            return
        found: dict[int, dict[tuple[int, int], int]] = defaultdict(dict)
        at = np.array(frames)
        top, left, bottom, right = np.moveaxis(self._boxes[:, at], -1, 0)  # (N, F) each
        for a in range(len(self.ids) - 1):
            # Empty boxes (0, 0, 0, 0) meet none.
            meet = (np.maximum(top[a], top[a + 1 :]) < np.minimum(bottom[a], bottom[a + 1 :])) & (
                np.maximum(left[a], left[a + 1 :]) < np.minimum(right[a], right[a + 1 :])
            )
            others, places = np.nonzero(meet)
            others += a + 1
            shared = self._overlaps(np.full(len(others), a), at[places], others, at[places])
            for b, t, px in zip(others, at[places], shared, strict=True):
                if px:
                    found[int(t)][self.ids[a], self.ids[b]] = int(px)
        for t in frames:
            self._shared.pop(t, None)
        self._shared.update(found)

    def _overlaps(
        self, rows_a: np.ndarray, at_a: np.ndarray, rows_b: np.ndarray, at_b: np.ndarray
    ) -> np.ndarray:
        """Shared px of masks that are known, pair by pair."""
        _, height, width = self._size
        return overlaps(self._at(rows_a, at_a), self._at(rows_b, at_b), height, width)

    def _at(self, rows: np.ndarray, frames: np.ndarray) -> list[Rle]:
        codes = (self._codes[row][t] for row, t in zip(rows.tolist(), frames.tolist(), strict=True))
        return [code for code in codes if code is not None]


def _rows(array: np.ndarray, was: Sequence[int], num_frames: int, fill: bool | float) -> np.ndarray:
    """The rows that were at `was`, and fresh ones where that is -1."""
    arranged = np.full((len(was), num_frames, *array.shape[2:]), fill, dtype=array.dtype)
    for row, old in enumerate(was):
        if old >= 0:
            arranged[row] = array[old]
    return arranged
