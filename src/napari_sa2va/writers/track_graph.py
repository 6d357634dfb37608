"""Objects as a graph in time: a node for each object and time, an edge to where it is seen next.

GEFF and TrackMate hold such graphs. An object that is away for some frames has an edge over the gap.
A division is an edge from the last node of a parent before its child appears to the child's first
one, and a fusion several of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sa2va.analysis.shape import shapes_of

if TYPE_CHECKING:
    from napari_sa2va.core.rle import Rle
    from napari_sa2va.writers.result import Result


@dataclass(frozen=True, eq=False)
class Nodes:
    """The K objects at one point in time, by rising id.

    Attributes
    ----------
    t : int
    node_ids : ndarray of int64, shape (K,)
        From 0, counted on from one time to the next.
    object_ids : ndarray of int64, shape (K,)
    size_px : ndarray of int64, shape (K,)
        Number of pixels: an area, or where there are z planes a volume.
    center_zyx_px : ndarray of float64, shape (K, 3)
        Mean position; the centre of the first pixel is 0, and z the number of the plane.
    scores : ndarray of float64, shape (K,)
        The mean over the planes; NaN where no score is known.
    codes : tuple of Rle
        Masks of the K objects, if there is one plane; otherwise none.
    """

    t: int
    node_ids: np.ndarray
    object_ids: np.ndarray
    size_px: np.ndarray
    center_zyx_px: np.ndarray
    scores: np.ndarray
    codes: tuple[Rle, ...] = ()


class TrackGraph:
    """Nodes of a result, one point in time after the other, and the edges between them.

    Parameters
    ----------
    result : Result
    """

    def __init__(self, result: Result) -> None:
        self._result = result
        self._parents = {s.object_id: s.parents for s in result.subjects if s.parents}
        self._last: dict[int, int] = {}
        self._edges: list[np.ndarray] = []
        self._above: dict[int, int] = {}  # object -> one of the same lineage, nearer to its root
        self._unsaid: list[tuple[int, int]] = []

    def nodes(self) -> Iterator[Nodes]:
        """The nodes of each time in turn; edges are complete after the last."""
        first = 0
        for t in range(self._result.num_times):
            seen = self._seen(t)
            ids = np.arange(first, first + len(seen.object_ids))
            first += len(ids)
            self._link(seen.object_ids.tolist(), ids.tolist())
            yield Nodes(t, ids, *seen)

    def edges(self) -> np.ndarray:
        """Node ids from and to, int64 (E, 2), by rising time of the second; no edge is there twice."""
        return np.concatenate([np.empty((0, 2), np.int64), *self._edges])

    def lineage(self, object_id: int) -> int:
        """The object that stands for all that are linked with this one, itself included."""
        path = [object_id]
        while (above := self._above.get(path[-1])) is not None:
            path.append(above)
        for passed in path[:-1]:  # who asks next has a shorter way
            self._above[passed] = path[-1]
        return path[-1]

    def unsaid(self) -> tuple[str, ...]:
        """In a sentence, the divisions and fusions for which there is no edge."""
        if not self._unsaid:
            return ()
        child, parent = self._unsaid[0]
        number = f"{len(self._unsaid)} link(s) from parent to child are missing"
        why = "the parent is nowhere before the child appears"
        return (f"{number}, the first from object {parent} to object {child}: {why}.",)

    def _link(self, object_ids: list[int], node_ids: list[int]) -> None:
        edges = []
        appeared = []
        for object_id, node in zip(object_ids, node_ids, strict=True):
            before = self._last.get(object_id)
            if before is not None:
                edges.append((before, node))
            elif object_id in self._parents:
                appeared.append((object_id, node))
        for child, node in appeared:
            for parent in dict.fromkeys(self._parents[child]):
                if parent in self._last:
                    edges.append((self._last[parent], node))
                    self._unite(child, parent)
                else:
                    self._unsaid.append((child, parent))
        self._last.update(zip(object_ids, node_ids, strict=True))
        self._edges.append(np.array(edges, np.int64).reshape(-1, 2))

    def _unite(self, child: int, parent: int) -> None:
        own, other = self.lineage(child), self.lineage(parent)
        if own != other:
            self._above[own] = other

    def _seen(self, t: int) -> _Seen:
        result = self._result
        if result.num_z == 1:
            return _on_plane(result, t, 0)
        planes = [_on_plane(result, t + z * result.num_times, z) for z in range(result.num_z)]
        return _joined(planes)


class _Seen(NamedTuple):
    object_ids: np.ndarray
    size_px: np.ndarray
    center_zyx_px: np.ndarray
    scores: np.ndarray
    codes: tuple[Rle, ...] = ()


def _on_plane(result: Result, f: int, z: int) -> _Seen:
    shown = result.frame(f)
    ids = sorted(shown.codes)
    codes = tuple(shown.codes[i] for i in ids)
    shapes = shapes_of(codes, *result.size)
    center = np.insert(shapes.centroid_yx_px, 0, z, axis=1)
    scores = np.array([shown.scores.get(i, np.nan) for i in ids], float)
    return _Seen(np.array(ids, np.int64), shapes.area_px, center, scores, codes)


def _joined(planes: list[_Seen]) -> _Seen:
    """Objects on several planes as one each."""
    every = np.concatenate([plane.object_ids for plane in planes])
    sizes = np.concatenate([plane.size_px for plane in planes])
    centers = np.concatenate([plane.center_zyx_px for plane in planes])
    scores = np.concatenate([plane.scores for plane in planes])
    ids, which = np.unique(every, return_inverse=True)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(which, weights=values, minlength=len(ids))

    size = sums(sizes)
    center = np.stack([sums(axis * sizes) / size for axis in centers.T], axis=1)
    known = ~np.isnan(scores)
    with np.errstate(invalid="ignore"):  # 0 / 0 where no score is known: NaN is meant
        score = sums(np.where(known, scores, 0)) / sums(known)
    return _Seen(ids, size.astype(np.int64), center, score)
