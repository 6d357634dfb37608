"""Tracks as the Cell Tracking Challenge counts them: without gaps, and with one parent each.

A track is there on every frame from its first to its last, and its parent ends before it begins. So
an object that comes back after a gap goes on as a new track, whose parent is the one before; and so
does one that goes on after another object came out of it, as the mother of a bud does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import OutputError

if TYPE_CHECKING:
    from napari_sa2va.writers.result import Subject

MOST_LABELS = int(np.iinfo(np.uint16).max)
_MOST_SAID = 10


@dataclass
class Track:
    """One line of the table: label, first and last frame, and the label of the parent or 0."""

    label: int
    begin: int
    end: int
    parent: int = 0


class Tracks:
    """Finds the tracks while frames pass by, in rising order.

    Parameters
    ----------
    subjects : sequence of Subject
        All objects. The first track of each has its id for a label.
    """

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self._parents = {s.object_id: s.parents for s in subjects}
        self._of: dict[int, list[Track]] = {}
        self._free = _free_labels(self._parents)
        self._unlinked: list[int] = []

    def labels(self, t: int, present: Collection[int]) -> dict[int, int]:
        """The labels on frame `t` of the objects that have a pixel there, by object id.

        Raises
        ------
        OutputError
            If there are more tracks than labels of 16 bits.
        """
        parent_of = {i: self._parent(i) for i in sorted(present) if i not in self._of}
        # Their parents' labels, before these go on with new ones.
        first = {
            i: Track(i, t, t, self._of[parent][-1].label if parent else 0)
            for i, parent in parent_of.items()
        }
        divided = set(parent_of.values())
        for object_id in sorted(i for i in present if i not in first):
            last = self._of[object_id][-1]
            if last.end == t - 1 and object_id not in divided:
                last.end = t
            else:
                self._of[object_id].append(Track(self._next_label(), t, t, last.label))
        self._of.update((i, [track]) for i, track in first.items())
        return {object_id: self._of[object_id][-1].label for object_id in present}

    def table(self) -> list[Track]:
        """All tracks by rising label."""
        return sorted(chain.from_iterable(self._of.values()), key=lambda track: track.label)

    def losses(self) -> Iterator[str]:
        """What became of objects that are no tracks, in full sentences."""
        if not self._of:
            yield "No object is on any frame; the challenge's programs want one track at least."
        elif nowhere := sorted(self._parents.keys() - self._of.keys()):
            yield f"Left out, because on no frame: objects {_listed(nowhere)}."
        cut = [
            f"{object_id} as {' and '.join(f'{t.label} (frame {t.begin})' for t in tracks[1:])}"
            for object_id, tracks in sorted(self._of.items())
            if len(tracks) > 1
        ]
        if cut:
            yield (
                "Tracks have no gaps and end where they divide, so objects go on with new labels: "
                f"{_listed(cut)}."
            )
        merged = [i for i, tracks in sorted(self._of.items()) if len(self._parents[i]) > 1]
        if merged:
            yield f"A track has one parent; of several, one was kept: objects {_listed(merged)}."
        if self._unlinked:
            yield (
                "A parent is there before its child; without a parent, because theirs is not: "
                f"objects {_listed(self._unlinked)}."
            )

    def _parent(self, object_id: int) -> int:
        """The first of an object's parents that was there before it; 0 if there is none."""
        parents = self._parents[object_id]
        found = next((parent for parent in parents if parent in self._of), 0)
        if parents and not found:
            self._unlinked.append(object_id)
        return found

    def _next_label(self) -> int:
        label = next(self._free, None)
        if label is None:
            raise OutputError(
                f"There are more than {MOST_LABELS} tracks, and labels of 16 bits end there.",
                "Choose GEFF or OME-TIFF.",
            )
        return label


def _free_labels(taken: Collection[int]) -> Iterator[int]:
    """Labels that are no object's: first those above all of them."""
    highest = max(taken, default=0)
    numbers = chain(range(highest + 1, MOST_LABELS + 1), range(1, highest))
    return (number for number in numbers if number not in taken)


def _listed(items: Sequence[object]) -> str:
    more = len(items) - _MOST_SAID
    return ", ".join(map(str, items[:_MOST_SAID])) + (f" and {more} more" if more > 0 else "")
