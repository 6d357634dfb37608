"""What a project says now: all cells, all cards, and which frames were looked through."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from operator import attrgetter

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.masklet import Masklet, Overlap
from napari_sa2va.project.cells import UNKNOWN, Card, Cell


class State:
    """All objects on all frames. It is changed through `Edit` and `Change` only.

    Parameters
    ----------
    shape : tuple of int
        (T, Y, X). Where several planes are followed each on its own, T counts the frames of all
        of them, one plane after the other.
    planes : int
        How many planes that are.

    Attributes
    ----------
    cards : dict of int to Card
        By object id, in the order in which they came.
    reviewed : set of int
        Frames that a person has looked through.
    """

    def __init__(self, shape: tuple[int, int, int], planes: int = 1) -> None:
        self.shape = shape
        self.planes = planes
        self.cards: dict[int, Card] = {}
        self.reviewed: set[int] = set()
        self._cells: dict[int, list[Cell]] = {}

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.shape[0]

    @property
    def frames_per_plane(self) -> int:
        """Number of frames that play."""
        return self.shape[0] // self.planes

    def plane_of(self, frame: int) -> int:
        """The plane that a frame belongs to."""
        return frame // self.frames_per_plane

    @property
    def next_id(self) -> int:
        """An id that no object has had."""
        return max([*self._cells, 0]) + 1

    def card(self, object_id: int) -> Card:
        """Return the card of an object.

        Raises
        ------
        RequestError
            If there is no such object.
        """
        try:
            return self.cards[object_id]
        except KeyError:
            raise RequestError(
                f"There is no object {object_id}.",
                f"There are {', '.join(map(str, self.cards)) or 'none yet'}.",
            ) from None

    def check_frame(self, frame: int) -> None:
        """Refuse a frame that is not there.

        Raises
        ------
        RequestError
        """
        if not 0 <= frame < self.num_frames:
            raise RequestError(
                f"There is no frame {frame}.", f"There are 0 to {self.num_frames - 1}."
            )

    def cell(self, object_id: int, frame: int) -> Cell:
        """Return what an object is on a frame; `UNKNOWN` if nobody knows.

        Raises
        ------
        RequestError
            If there is no such object or frame.
        """
        self.card(object_id)
        self.check_frame(frame)
        return self._cells[object_id][frame]

    def peek(self, object_id: int, frame: int) -> Cell:
        """A cell, also of an object that was taken away."""
        return self._cells[object_id][frame]

    def cells(self, object_id: int) -> tuple[Cell, ...]:
        """All frames of an object."""
        self.card(object_id)
        return tuple(self._cells[object_id])

    def set_card(self, object_id: int, card: Card | None) -> None:
        """Write a card, or take an object away. Its cells stay, unseen, for undo."""
        if card is None:
            self.cards.pop(object_id, None)
            return
        self.cards[object_id] = card
        self._cells.setdefault(object_id, [UNKNOWN] * self.num_frames)

    def set_cell(self, object_id: int, frame: int, cell: Cell) -> None:
        """Write a cell, whatever was there."""
        self._cells[object_id][frame] = cell

    def set_reviewed(self, frame: int, reviewed: bool) -> None:
        """Set or take away the review mark of a frame."""
        (self.reviewed.add if reviewed else self.reviewed.discard)(frame)

    def frames_where(self, object_id: int, **attributes: bool) -> list[int]:
        """Frames on which the cell of an object is so, for example ``locked=True``."""
        cells = self.cells(object_id)
        frames: Iterable[int] = range(len(cells))
        for name, wanted in attributes.items():
            get = attrgetter(name)
            frames = [t for t in frames if bool(get(cells[t])) == wanted]
        return list(frames)

    def masklet(self, object_id: int) -> Masklet:
        """Return an object as a masklet of its own, previews included."""
        card, cells = self.card(object_id), self.cells(object_id)
        return Masklet(
            object_id,
            card.name,
            card.text,
            self.shape[1],
            self.shape[2],
            [cell.code for cell in cells],
            [cell.score for cell in cells],
            card.answer,
            card.found,
        )

    def masklets(self) -> list[Masklet]:
        """All objects, by id."""
        return [self.masklet(i) for i in sorted(self.cards)]

    def mask(self, object_id: int, frame: int) -> np.ndarray:
        """Mask of an object on a frame, bool (Y, X); all False where nothing is known."""
        code = self.cell(object_id, frame).code
        return np.zeros(self.shape[1:], bool) if code is None else rle.decode(code)

    def labels(
        self, frame: int, overlap: Overlap = "last", without: Collection[int] = ()
    ) -> np.ndarray:
        """The label image of a frame, uint16 (Y, X), painted in the order of the ids.

        Its columns lie one after the other in memory, as the runs of the codes do.
        """
        plane = np.zeros(self.shape[1:], np.uint16, order="F")
        ids = sorted(self.cards, reverse=overlap == "first")
        for object_id in ids:
            code = self._cells[object_id][frame].code
            if code is not None and object_id not in without:
                rle.fill(code, plane, object_id)
        return plane
