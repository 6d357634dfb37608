"""Correcting a result in a review: what is not saved is never left without a question. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari_sa2va.gui.review.errands import Errands
from napari_sa2va.gui.review.view import View

if TYPE_CHECKING:
    from napari_sa2va.batch.verdicts import Verdict
    from napari_sa2va.gui.review.book import Book
    from napari_sa2va.gui.review.entries import Entry
    from napari_sa2va.gui.review.result import Result
    from napari_sa2va.gui.review.stage import ReviewStage


class Editing:
    """The masks on show, while they are corrected.

    Parameters
    ----------
    view : View
    stage : ReviewStage
    errands : Errands

    Attributes
    ----------
    is_saving : bool
    """

    def __init__(self, view: View, stage: ReviewStage, errands: Errands) -> None:
        self._view = view
        self._stage = stage
        self._errands = errands
        self._was_begun = False
        self.is_saving = False

    @property
    def is_on(self) -> bool:
        """Whether masks are being corrected: somebody asked for that, or just began to paint."""
        return self._was_begun or self._stage.is_changed

    def begin(self) -> None:
        """Let a person correct the masks."""
        self._was_begun = True
        self._view.begin_edit()

    def end(self) -> None:
        """They were saved, or given up; something else is shown now."""
        if self._was_begun:
            self._was_begun = False
            self._view.end_edit()

    def save(self, book: Book, result: Result, then: Callable[[], None]) -> None:
        """Save the masks with the verdict that they were edited, and go on if that was possible."""
        if self.is_saving:
            return
        project, shown = self._stage.hold()

        def ended() -> None:
            self.is_saving = False
            self._stage.let_go()

        def saved(verdict: Verdict) -> None:
            book.take(verdict)
            self.end()
            then()

        self.is_saving = True
        work = partial(book.save, result.seen, project, shown, self._view.note)
        self._errands.write(work, saved, ended)

    def leave(self, book: Book, entry: Entry, result: Result, then: Callable[[], None]) -> None:
        """Go elsewhere, if nothing is lost by it or a person wants so."""
        if self.is_saving:
            return
        answer = self._view.ask(entry.movie) if self._stage.is_changed else "discard"
        if answer == "save":
            self.save(book, result, then)
        elif answer == "discard":
            if self._view.note != entry.note:
                self._errands.write(partial(book.note, result.seen, self._view.note), book.take)
            self.end()
            then()
