"""The box that lists all movies of a batch, or those in one state, and how many these are."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QWidget

from napari_sa2va.gui.batch.rows import WORDS, RowState
from napari_sa2va.gui.eliding import ElidingCombo


class StateFilter(ElidingCombo):
    """Offers the states that there are.

    Attributes
    ----------
    chosen : Signal(frozenset of str)
        States that are to be listed; none means all.
    """

    chosen = Signal(frozenset)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.setAccessibleName("Which movies are listed")
        self.setToolTip("List all movies, or those in one state.")
        self._counts: dict[RowState, int] = {}
        self.activated.connect(lambda _: self.chosen.emit(self.states))
        self.show_counts({})

    @property
    def states(self) -> frozenset[RowState]:
        """The states that are to be listed; none means all."""
        state = self.currentData()
        return frozenset((state,)) if state else frozenset()

    def start_over(self) -> None:
        """List all movies again."""
        self.setCurrentIndex(0)
        self.show_counts({})
        self.chosen.emit(self.states)

    def show_counts(self, counts: Mapping[RowState, int]) -> None:
        """Offer states with their numbers; the one that is listed stays on offer."""
        listed = self.currentData()
        shown = {s: counts.get(s, 0) for s in WORDS if counts.get(s, 0) or s == listed}
        if shown == self._counts and self.count():
            return
        self._counts = shown
        with QSignalBlocker(self):
            self.clear()
            self.addItem(f"all ({sum(shown.values())})", None)
            for state, count in shown.items():
                self.addItem(f"{WORDS[state]} ({count})", state)
                if state == listed:
                    self.setCurrentIndex(self.count() - 1)
