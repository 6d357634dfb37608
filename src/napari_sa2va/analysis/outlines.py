"""Outlines of masks along the edges of their pixels, from run-length codes.

A polygon along pixel edges has exactly the area of its mask, and whoever asks which pixel centres
lie in it gets the mask back. Contours through pixel centres or at half height, as image libraries
trace them, do neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from napari_sa2va.analysis.runs import Runs
from napari_sa2va.analysis.shape import Pieces
from napari_sa2va.core.rle import Rle


def outlines_of(codes: Sequence[Rle], height: int, width: int) -> list[list[np.ndarray]]:
    """Trace all parts and holes of many masks.

    Parameters
    ----------
    codes : sequence of Rle
    height, width : int
        Size of every mask in px.

    Returns
    -------
    list of list of ndarray of int64, shape (P, 2)
        For each mask its rings: corners (y, x) in px, where pixel (0, 0) reaches from 0 to 1. Rings
        are not closed: the first corner is not repeated. Seen in the picture, they go clockwise
        around parts, and the other way around holes. Pixels that touch only at a corner are parts
        of their own, and background that does is joined. Rings may touch themselves at corners but
        never cross.

    Raises
    ------
    ShapeMismatch
        If a code is of another size, or its runs do not add up to it.

    Notes
    -----
    At each corner one vertical edge of the outline meets one horizontal edge. So corners that
    follow each other in a column are, in pairs, the ends of the vertical edges, and those that
    follow each other in a row of the horizontal ones. Where two parts meet at a corner, it counts
    twice.
    """
    owner, y, x, turn = _corners(codes, height, width)
    if not len(owner):
        return [[] for _ in codes]
    # In their order along the columns, corners 2k and 2k + 1 are the ends of vertical edge k.
    across = np.empty(len(owner), np.int64)
    twice = np.flatnonzero((np.diff(owner) == 0) & (np.diff(x) == 0) & (np.diff(y) == 0))
    side = np.zeros(len(owner), np.int64)  # of two at one place, the one of the left edge is first
    side[twice], side[twice + 1] = turn[twice] > 0, turn[twice] < 0
    in_rows = np.lexsort((side, x, y, owner))
    across[in_rows[::2]], across[in_rows[1::2]] = in_rows[1::2], in_rows[::2]

    top = np.arange(0, len(owner), 2)
    downwards = turn[top] > 0  # the mask is on the left in the picture
    start, end = np.where(downwards, top, top + 1), np.where(downwards, top + 1, top)
    follower = (across[end] // 2).tolist()
    points = np.stack([y, x], axis=1)[np.stack([start, end], axis=1)]  # (edges, 2, 2)

    rings: list[list[np.ndarray]] = [[] for _ in codes]
    seen = bytearray(len(top))
    for first, mask in enumerate(owner[top].tolist()):
        if seen[first]:
            continue
        path, edge = [], first
        while not seen[edge]:
            seen[edge] = 1
            path.append(edge)
            edge = follower[edge]
        rings[mask].append(points[path].reshape(-1, 2))
    return rings


def joined(rings: Sequence[np.ndarray]) -> np.ndarray:
    """Make one polygon of the rings of a mask, for formats that have only one per object.

    Parameters
    ----------
    rings : sequence of ndarray, shape (P, 2)
        At least one.

    Returns
    -------
    ndarray, shape (Q, 2)
        From each ring a line without width leads to the next one, between their nearest corners,
        and back. It encloses the same pixels, holes left out, by either rule of filling.
    """
    from scipy.spatial import cKDTree

    out: list[np.ndarray] = []
    back: list[np.ndarray] = []
    entry = 0
    for ring, following in pairwise(rings):
        distances, nearest = cKDTree(following).query(ring)
        leave = int(np.argmin(distances))
        path, steps = _around(ring, entry), (leave - entry) % len(ring)
        out.append(path[: steps + 1])
        back.append(path[steps:])
        entry = int(nearest[leave])
    whole = np.concatenate([*out, _around(rings[-1], entry), *reversed(back)])
    return np.asarray(whole[:-1])  # it ends where it began


def _around(ring: np.ndarray, entry: int) -> np.ndarray:
    """All corners of a ring from one of them on, back to this one."""
    return np.concatenate((ring[entry:], ring[: entry + 1]))


def _corners(
    codes: Sequence[Rle], height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mask, y, x and turn of every corner, sorted by mask, x and y; twice where two parts meet.

    Going down along the line between two columns, a turn of 1 is where the left column enters the
    mask or the right one leaves it, and -1 the other way round.
    """
    pieces = Pieces.of(Runs.of(codes, height, width))
    bottom = pieces.y + pieces.length
    # A code may cut a run in two: these ends are none.
    goes_on = (
        (np.diff(pieces.owner) == 0)
        & (np.diff(pieces.x) == 0)
        & (bottom[:-1] == pieces.y[1:])
    )  # fmt: skip
    begins, ends = np.append(True, ~goes_on), np.append(~goes_on, True)
    begins, ends = begins[: len(bottom)], ends[: len(bottom)]

    line = pieces.owner * (width + 1) + pieces.x  # the one on the left of the column
    tops = line[begins] * (height + 1) + pieces.y[begins]
    bottoms = line[ends] * (height + 1) + bottom[ends]
    to_right = height + 1
    places = np.concatenate((tops, bottoms, tops + to_right, bottoms + to_right))
    turns = np.repeat([-1, 1, 1, -1], [len(tops), len(bottoms), len(tops), len(bottoms)])
    place, which = np.unique(places, return_inverse=True)
    turn = np.bincount(which, weights=turns, minlength=len(place)).astype(np.int64)
    # 0: the outline goes straight on. 2 or -2: two corners at one place.
    count = np.abs(turn)
    place, turn = np.repeat(place, count), np.repeat(np.sign(turn), count)
    lines, y = np.divmod(place, height + 1)
    owner, x = np.divmod(lines, width + 1)
    return owner, y, x, turn
