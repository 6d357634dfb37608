"""Which masks a number was worked out from, to tell when they are other ones now. No Qt.

Masks are never changed in place: another mask is another code object, and undo brings the same one
back. So it is enough to compare which objects they are, which takes no time worth speaking of.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_sa2va.core.rle import Rle
    from napari_sa2va.project.state import State


@dataclass(frozen=True, eq=False)
class Trace:
    """The masks of one object.

    Attributes
    ----------
    codes : ndarray of object, shape (F,)
        Codes of all frames of the stack, one plane after the other; None where the object has no
        pixel.
    before : ndarray of int, shape (F,)
        The last frame before, on the same plane, on which it has one; -1 if there is none. Speeds
        are counted from there.
    codes_before : ndarray of object, shape (F,)
        The code of that frame.
    """

    codes: np.ndarray
    before: np.ndarray
    codes_before: np.ndarray

    @classmethod
    def nothing(cls, num_frames: int) -> Trace:
        """No mask on any frame."""
        none = np.full(num_frames, None, object)
        return cls(none, np.full(num_frames, -1), none.copy())

    @classmethod
    def of(cls, codes: Sequence[Rle | None], frames_per_plane: int) -> Trace:
        """The masks as they are now."""
        trace = cls.nothing(len(codes))
        trace.codes[:] = [c if c is not None and len(c["counts"]) > 1 else None for c in codes]
        there = _are_other(trace.codes, repeat(None))
        frames = np.arange(len(codes))
        lines = np.where(there, frames, -1).reshape(-1, frames_per_plane)
        last = np.maximum.accumulate(lines, axis=1)
        before = trace.before.reshape(lines.shape)
        before[:, 1:] = last[:, :-1]
        known = trace.before >= 0
        trace.codes_before[known] = trace.codes[trace.before[known]]
        return trace

    def differs(self, other: Trace) -> np.ndarray:
        """Where a measurement would give something else, bool (F,)."""
        masks = _are_other(self.codes, other.codes)
        moved = _are_other(self.codes_before, other.codes_before) | (self.before != other.before)
        differs: np.ndarray = masks | (moved & _are_other(self.codes, repeat(None)))
        return differs

    def take(self, frames: Sequence[int], other: Trace) -> None:
        """Take some frames over from another trace."""
        at = np.asarray(frames, dtype=np.intp)
        for mine, theirs in (
            (self.codes, other.codes),
            (self.before, other.before),
            (self.codes_before, other.codes_before),
        ):
            mine[at] = theirs[at]


def traces_of(state: State, object_ids: Iterable[int] | None = None) -> dict[int, Trace]:
    """The masks of all objects as they are now, by id."""
    ids = state.cards if object_ids is None else object_ids
    return {i: Trace.of([c.code for c in state.cells(i)], state.frames_per_plane) for i in ids}


def changed_masks(now: Mapping[int, Trace], then: Mapping[int, Trace]) -> np.ndarray:
    """Frames on which any of the objects has another mask, bool (F,); those of `now` count."""
    differs = [
        _are_other(trace.codes, then[i].codes if i in then else repeat(None))
        for i, trace in now.items()
    ]
    return np.any(differs, axis=0)


def _are_other(ours: np.ndarray, theirs: Iterable[object]) -> np.ndarray:
    """Where two rows of objects do not have the very same one, bool (F,)."""
    return np.fromiter(map(operator.is_not, ours, theirs), bool, len(ours))
