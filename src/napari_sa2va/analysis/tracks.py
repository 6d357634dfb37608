"""Centroids as napari's Tracks layer takes them, with parents where the user marked a division."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from napari_sa2va.analysis.checks import check_masklets
from napari_sa2va.analysis.measure import Measurements
from napari_sa2va.analysis.shape import shapes_of
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.masklet import Masklet


class Tracks(NamedTuple):
    """What a Tracks layer is made of.

    Attributes
    ----------
    data : ndarray of float64, shape (N, 4)
        Object id, frame, y, x in px; sorted by id, then by frame, each pair once. A layer cannot be
        made of no rows.
    graph : dict of int to list of int
        Object -> its parents; only objects that have rows.
    """

    data: np.ndarray
    graph: dict[int, list[int]]


def tracks_of(
    source: Measurements | Sequence[Masklet], parents: Mapping[int, Sequence[int]] | None = None
) -> Tracks:
    """Make tracks of the centroids of objects, with a gap where an object is absent.

    Parameters
    ----------
    source : Measurements or sequence of Masklet
        A table of `measure`, or the objects themselves, whose pixels are then not needed.
    parents : mapping of int to sequence of int, optional
        Object -> those it came from: one after a division, several after a fusion. Objects that are
        nowhere present are left out.

    Raises
    ------
    RequestError
        If an object is its own ancestor, if two objects share an id, or if the table has an object
        twice on a frame.
    ShapeMismatch
        If the masklets are not of one clip, or a code is damaged.
    """
    parents = parents or {}
    _check_ancestors(parents)
    rows = _rows_of_table(source) if isinstance(source, Mapping) else _rows_of_masklets(source)
    data = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    double = (data[1:, :2] == data[:-1, :2]).all(axis=1)
    if double.any():
        object_id, t = data[1:, :2][double][0].astype(int).tolist()
        raise RequestError(
            f"The table has object {object_id} twice on frame {t}.", "Measure each frame once."
        )
    there = set(np.unique(data[:, 0]).astype(int).tolist())
    graph = {
        child: known
        for child, named in sorted(parents.items())
        if child in there and (known := [p for p in dict.fromkeys(named) if p in there])
    }
    return Tracks(data, graph)


def _rows_of_table(table: Measurements) -> np.ndarray:
    if not table:  # nothing was measured, so there are no columns either
        return np.empty((0, 4))
    columns = ("index", "frame", "centroid_y_px", "centroid_x_px")
    return np.stack([table[column] for column in columns], axis=1).astype(float)


def _rows_of_masklets(masklets: Sequence[Masklet]) -> np.ndarray:
    check_masklets(masklets)
    rows = [np.empty((0, 4))]
    for masklet in masklets:
        known = [(t, code) for t, code in enumerate(masklet.codes) if code is not None]
        shapes = shapes_of([code for _, code in known], masklet.height, masklet.width)
        frames = np.array([t for t, _ in known], float)
        ids = np.full(len(known), masklet.object_id, float)
        lane = np.column_stack([ids, frames, shapes.centroid_yx_px])
        rows.append(lane[shapes.area_px > 0])
    return np.concatenate(rows)


def _check_ancestors(parents: Mapping[int, Sequence[int]]) -> None:
    for start in parents:
        above, seen = list(parents[start]), set()
        while above:
            ancestor = above.pop()
            if ancestor == start:
                raise RequestError(
                    f"Object {start} is its own ancestor.",
                    "Take back one of the divisions between these objects.",
                )
            if ancestor not in seen:
                seen.add(ancestor)
                above += parents.get(ancestor, ())
