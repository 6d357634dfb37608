"""One undoable change: which values it put where, and which were there before."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import RequestError
from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.state import State

HIGHEST_ID = 2**16 - 1
"""The highest label that a label image holds."""

if TYPE_CHECKING:
    from napari_sa2va.project.steps.base import Step


class LockedFrame(RequestError):
    """A person said that this mask is right, and it is to stay."""


@dataclass(eq=False)
class Change:
    """What a step did; holds only what it changed.

    Attributes
    ----------
    step : Step
        What was asked for.
    cells : dict of (int, int) to (Cell, Cell)
        By object id and frame, what was there before and what is there after.
    cards : dict of int to (Card or None, Card or None)
    reviewed : dict of int to (bool, bool)
        Frames whose review mark was set or taken away.
    is_open : bool
        Whether it still grows: a run is on its way.
    """

    step: Step
    cells: dict[tuple[int, int], tuple[Cell, Cell]] = field(default_factory=dict)
    cards: dict[int, tuple[Card | None, Card | None]] = field(default_factory=dict)
    reviewed: dict[int, tuple[bool, bool]] = field(default_factory=dict)
    is_open: bool = True

    def __bool__(self) -> bool:
        return bool(self.cells or self.cards or self.reviewed)

    @property
    def title(self) -> str:
        """What was done, in a few words."""
        return self.step.title

    @property
    def frames(self) -> set[int] | None:
        """Frames whose masks it touches; None is all of them, as objects came or went."""
        if any(before is None or after is None for before, after in self.cards.values()):
            return None
        return {frame for _, frame in self.cells}

    def undo(self, state: State) -> None:
        """Put back what was there."""
        self._swap(state, 0)

    def redo(self, state: State) -> None:
        """Do it again."""
        self._swap(state, 1)

    def _swap(self, state: State, side: int) -> None:
        for object_id, cards in self.cards.items():
            state.set_card(object_id, cards[side])
        for (object_id, frame), cells in self.cells.items():
            state.set_cell(object_id, frame, cells[side])
        for frame, marks in self.reviewed.items():
            state.set_reviewed(frame, marks[side])


class Edit:
    """Changes a state, and writes down what was there before.

    Parameters
    ----------
    state : State
    step : Step

    Attributes
    ----------
    change : Change
        What was done so far.
    """

    def __init__(self, state: State, step: Step) -> None:
        self.state = state
        self.change = Change(step)

    def cell(self, object_id: int, frame: int) -> Cell:
        """What an object is on a frame, for this edit.

        Raises
        ------
        RequestError
            If there is no such object or frame.
        """
        return self.state.cell(object_id, frame)

    def put(self, object_id: int, frame: int, cell: Cell) -> None:
        """Write a cell.

        Raises
        ------
        LockedFrame
            If what is there is locked.
        RequestError
            If there is no such object or frame.
        """
        if self.cell(object_id, frame).locked:
            name = self.state.card(object_id).name
            raise LockedFrame(
                f"{name!r} is locked on frame {frame}.", "Unlock it there to change it."
            )
        self._write(object_id, frame, cell)

    def offer(self, object_id: int, frame: int, cell: Cell) -> bool:
        """Write a cell, unless what is there is locked; whether it was written."""
        if self.cell(object_id, frame).locked:
            return False
        self._write(object_id, frame, cell)
        return True

    def lock(self, object_id: int, frame: int, locked: bool) -> None:
        """Lock a cell, or unlock it; what is on it stays."""
        before = self.state.cell(object_id, frame)
        if before.locked != locked:
            self._write(object_id, frame, replace(before, locked=locked))

    def card(self, object_id: int, card: Card | None) -> None:
        """Write a card, or take an object away.

        Raises
        ------
        RequestError
            If its id is no label.
        """
        if not 1 <= object_id <= HIGHEST_ID:
            raise RequestError(
                f"Object {object_id} has no place in a label image.",
                f"Labels go from 1 to {HIGHEST_ID}.",
            )
        before = self.state.cards.get(object_id)
        before = self.change.cards.get(object_id, (before, None))[0]
        self.change.cards[object_id] = before, card
        self.state.set_card(object_id, card)

    def answer(self, object_id: int, answer: str, *, found: bool) -> None:
        """Write down what the model said of an object."""
        self.card(object_id, replace(self.state.card(object_id), answer=answer, found=found))

    def review(self, frame: int, reviewed: bool) -> None:
        """Set or take away the review mark of a frame."""
        self.state.check_frame(frame)
        was = self.change.reviewed.get(frame, (frame in self.state.reviewed, False))[0]
        self.change.reviewed[frame] = was, reviewed
        self.state.set_reviewed(frame, reviewed)

    def take_back(self) -> None:
        """Undo all that was done so far: the step cannot be finished."""
        self.change.undo(self.state)

    def close(self) -> Change:
        """Return what was changed in all; what is as it was before is left out."""
        change = self.change
        change.cells = {k: (a, b) for k, (a, b) in change.cells.items() if a is not b}
        change.cards = {k: (a, b) for k, (a, b) in change.cards.items() if a != b}
        change.reviewed = {k: (a, b) for k, (a, b) in change.reviewed.items() if a != b}
        change.is_open = False
        return change

    def _write(self, object_id: int, frame: int, cell: Cell) -> None:
        key = object_id, frame
        before = self.state.peek(object_id, frame)
        self.change.cells[key] = self.change.cells.get(key, (before, cell))[0], cell
        self.state.set_cell(object_id, frame, cell)
