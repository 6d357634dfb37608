"""Undo and redo: a list of changes and a place in it."""

from __future__ import annotations

from napari_sa2va.core.errors import RequestError
from napari_sa2va.project.change import Change
from napari_sa2va.project.state import State


class History:
    """The changes of a state, as many as there were.

    Parameters
    ----------
    state : State

    Attributes
    ----------
    done, undone : list of Change
        In the order in which they were made; the next to undo, and to redo, come last.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.done: list[Change] = []
        self.undone: list[Change] = []

    def drop(self, change: Change) -> None:
        """Forget a change that turned out to change nothing."""
        self.done.remove(change)

    def push(self, change: Change) -> None:
        """Add a change that was made just now, or that a run is about to make.

        What was undone cannot be redone any more. A run takes its place when it begins, so that
        what a person corrects meanwhile comes after it, and is undone before it.
        """
        self.done.append(change)
        self.undone.clear()

    def undo(self) -> Change | None:
        """Take the last change back and return it; None if there is none.

        Raises
        ------
        RequestError
            If the last change is a run that is still on its way.
        """
        if not self.done:
            return None
        if self.done[-1].is_open:
            raise RequestError("A run is on its way.", "Cancel it first, then undo it.")
        change = self.done.pop()
        change.undo(self._state)
        self.undone.append(change)
        return change

    def redo(self) -> Change | None:
        """Make the change that was undone last again; None if there is none."""
        if not self.undone:
            return None
        change = self.undone.pop()
        change.redo(self._state)
        self.done.append(change)
        return change
