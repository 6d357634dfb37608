"""Writing beneath what was done since: a run takes its place in the history when it begins."""

from __future__ import annotations

from dataclasses import replace

from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.change import Change, Edit
from napari_sa2va.project.history import History
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.base import Step


class EditBeneath(Edit):
    """An edit that may find other changes over its own.

    What a person does while the network works comes after it, in the history as in the masks: it
    hides what the network draws there, and undoing it brings that to light. So doing the steps
    again, each to its end, gives the same.

    Parameters
    ----------
    state : State
    step : Step
    history : History
        In which its change stands, or will stand.
    """

    def __init__(self, state: State, step: Step, history: History) -> None:
        super().__init__(state, step)
        self._history = history

    @property
    def touched_since(self) -> set[int]:
        """Ids of the objects to which something was done since it began, undone or not, and of mothers."""
        changes = [*self._done_since(), *self._history.undone]
        cards = [card for c in changes for _, card in c.cards.values() if card is not None]
        mothers = {i for card in cards for i in card.parents}
        touched = {i for c in changes for i in c.cards} | {i for c in changes for i, _ in c.cells}
        return touched | mothers

    def cell(self, object_id: int, frame: int) -> Cell:
        """As it is beneath what was done since; also of an object that was taken away since."""
        key = object_id, frame
        self.state.check_frame(frame)
        if key in self.change.cells:
            return self.change.cells[key][1]
        over = self._first_over(key)
        return self.state.peek(object_id, frame) if over is None else over.cells[key][0]

    def answer(self, object_id: int, answer: str, *, found: bool) -> None:
        def answered(card: Card | None) -> Card | None:
            return None if card is None else replace(card, answer=answer, found=found)

        before, after = self.change.cards.get(object_id, (self._card(object_id),) * 2)
        self.change.cards[object_id] = before, answered(after)
        for change in (*self._done_since(), *self._history.undone):
            if object_id in change.cards:
                one, two = change.cards[object_id]
                change.cards[object_id] = answered(one), answered(two)
        if object_id in self.state.cards:
            self.state.set_card(object_id, answered(self.state.card(object_id)))

    def _write(self, object_id: int, frame: int, cell: Cell) -> None:
        key = object_id, frame
        before = self.change.cells.get(key, (self.cell(object_id, frame), cell))[0]
        over = self._first_over(key)
        self.change.cells[key] = before, cell
        if over is not None:
            over.cells[key] = cell, over.cells[key][1]
        if not any(key in change.cells for change in self._done_since()):
            self.state.set_cell(object_id, frame, cell)

    def _card(self, object_id: int) -> Card | None:
        """The card as it was when the edit began."""
        for change in (*self._done_since(), *reversed(self._history.undone)):
            if object_id in change.cards:
                return change.cards[object_id][0]
        return self.state.cards.get(object_id)

    def _first_over(self, key: tuple[int, int]) -> Change | None:
        changes = (*self._done_since(), *reversed(self._history.undone))
        return next((change for change in changes if key in change.cells), None)

    def _done_since(self) -> list[Change]:
        done = self._history.done
        return done[done.index(self.change) + 1 :] if self.change in done else []
