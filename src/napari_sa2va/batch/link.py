"""Which objects that neighbouring tiles show are one and the same, told by the bands they share.

A sentence is asked in each tile, and what comes of it is an object of that sentence in that tile. Two
such objects are one if their masks agree in the band that the tiles have in common, on the frames on
which both are in it: an object that one of them has lost there says nothing against it. What belongs
together over all seams is then one object. Objects of different sentences stay apart, also where they
cover the same pixels, as they do in a run on the whole movie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from napari_sa2va.core import rle
from napari_sa2va.core.region_box import Box
from napari_sa2va.core.rle_boxes import crop

# Objects are one if their masks in the band agree by at least so much, all frames taken together.
_LINK_IOU = 0.5


@dataclass(frozen=True)
class Band:
    """What two tiles have in common.

    Attributes
    ----------
    tiles : (int, int)
        Which ones.
    within : (Box, Box)
        Where it lies in each of them, in px of the tile.
    """

    tiles: tuple[int, int]
    within: tuple[Box, Box]


@dataclass
class Meeting:
    """How far two objects agree in a band, over the frames on which both are in it, in px."""

    shared_px: int = 0
    covered_px: int = 0

    @property
    def iou(self) -> float:
        """Intersection over union, in [0, 1]; 0 if they never met."""
        return self.shared_px / self.covered_px if self.covered_px else 0.0


@dataclass(frozen=True)
class Linked:
    """An object of the whole movie.

    Attributes
    ----------
    object_id : int
        The number of its sentence, or a higher one.
    sentence : int
        From 1.
    rank : int
        1 for the largest object of its sentence, 2 for the next ...
    tiles : tuple of int
        Those that show it; none if nothing was found.
    """

    object_id: int
    sentence: int
    rank: int
    tiles: tuple[int, ...]


def bands(tiles: Sequence[Box]) -> list[Band]:
    """What any two of these tiles have in common, of those that have something."""
    found = []
    for (i, a), (j, b) in combinations(enumerate(tiles), 2):
        y0, x0 = max(a.y0, b.y0), max(a.x0, b.x0)
        y1, x1 = min(a.y1, b.y1), min(a.x1, b.x1)
        if y0 < y1 and x0 < x1:
            within = [Box(y0 - t.y0, x0 - t.x0, y1 - t.y0, x1 - t.x0) for t in (a, b)]
            found.append(Band((i, j), (within[0], within[1])))
    return found


class Seams:
    """Counts, frame by frame, how far the objects of tiles agree where these overlap.

    Parameters
    ----------
    tiles : sequence of Box
        In px of the frame.

    Attributes
    ----------
    areas : dict of (int, int) to int
        By tile and sentence, the pixels that an object has on all frames; only where it has any.
    meetings : dict of (int, int, int) to Meeting
        By tile, other tile and sentence.
    """

    def __init__(self, tiles: Sequence[Box]) -> None:
        self._bands = bands(tiles)
        self.areas: dict[tuple[int, int], int] = {}
        self.meetings: dict[tuple[int, int, int], Meeting] = {}

    def add(self, drawn: Sequence[Mapping[int, rle.Rle]]) -> None:
        """Count a frame.

        Parameters
        ----------
        drawn : sequence of mapping of int to Rle
            For each tile, the masks by sentence, of the tile's size.
        """
        shown: list[set[int]] = []
        for tile, codes in enumerate(drawn):
            areas = {sentence: area for sentence, code in codes.items() if (area := rle.area(code))}
            for sentence, area in areas.items():
                self.areas[tile, sentence] = self.areas.get((tile, sentence), 0) + area
            shown.append(set(areas))
        for band in self._bands:
            i, j = band.tiles
            for sentence in shown[i] & shown[j]:
                self._meet(band, sentence, drawn[i][sentence], drawn[j][sentence])

    def _meet(self, band: Band, sentence: int, first: rle.Rle, second: rle.Rle) -> None:
        a, b = crop(first, band.within[0]), crop(second, band.within[1])
        areas = rle.area(a), rle.area(b)
        if not all(areas):
            return
        meeting = self.meetings.setdefault((*band.tiles, sentence), Meeting())
        shared = rle.overlap(a, b)
        meeting.shared_px += shared
        meeting.covered_px += sum(areas) - shared


def link(
    num_sentences: int,
    areas: Mapping[tuple[int, int], int],
    meetings: Mapping[tuple[int, int, int], Meeting],
) -> list[Linked]:
    """Join the objects of tiles, and number them.

    The largest object of a sentence has the sentence's number, as it would without tiles; the others
    follow after the last sentence. So ids have no gap, and the same masks get the same ids.

    Parameters
    ----------
    num_sentences : int
    areas, meetings
        As `Seams` counts them.

    Returns
    -------
    list of Linked
        By id; of every sentence at least one, which may be on no tile.
    """
    linked: list[Linked] = []
    further: list[tuple[int, int, tuple[int, ...]]] = []
    for sentence in range(1, num_sentences + 1):
        sizes = {tile: area for (tile, s), area in areas.items() if s == sentence}
        pairs = [
            (i, j) for (i, j, s), m in meetings.items() if s == sentence and m.iou >= _LINK_IOU
        ]
        joined = _joined(sorted(sizes), pairs)
        joined.sort(key=lambda tiles: (-sum(sizes[tile] for tile in tiles), tiles))
        linked.append(Linked(sentence, sentence, 1, joined[0] if joined else ()))
        further += [(sentence, rank, tiles) for rank, tiles in enumerate(joined[1:], start=2)]
    linked += [
        Linked(object_id, *one) for object_id, one in enumerate(further, start=num_sentences + 1)
    ]
    return linked


def _joined(nodes: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Which nodes hang together, each group sorted."""
    if not nodes:
        return []
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    at = {node: i for i, node in enumerate(nodes)}
    ends = np.array([(at[i], at[j]) for i, j in pairs], int).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), ends.T), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(graph, directed=False)
    joined: dict[int, list[int]] = {}
    for node, label in zip(nodes, labels.tolist(), strict=True):
        joined.setdefault(label, []).append(node)
    return [tuple(group) for group in joined.values()]
