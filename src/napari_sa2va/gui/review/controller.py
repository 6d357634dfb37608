"""Looking through the results of a batch, one after the other, and saying what they are worth. No Qt.

What is read and written is done at a desk of the review's own: a look at the batch does not wait for
a movie to be opened.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.batch.desk import Desk
from napari_sa2va.gui.review.book import Book
from napari_sa2va.gui.review.editing import Editing
from napari_sa2va.gui.review.entries import Entry
from napari_sa2va.gui.review.errands import Errands
from napari_sa2va.gui.review.view import View

if TYPE_CHECKING:
    from napari_sa2va.batch.verdicts import Verdict, Word
    from napari_sa2va.gui.review.result import Result
    from napari_sa2va.gui.review.stage import ReviewStage


class ReviewController:
    """One review at a time.

    Parameters
    ----------
    view : View
    stage : ReviewStage
    desk : Desk

    Attributes
    ----------
    book : Book or None
        What is reviewed; None while no review is on.
    at : int
        Where one is, from 0; the number of results at the end of all.
    result : Result or None
        What is shown, once it was read.
    only_new : bool
        Whether results that were judged are passed over.
    editing : Editing
    is_beginning : bool
    """

    def __init__(self, view: View, stage: ReviewStage, desk: Desk) -> None:
        self._view = view
        self._stage = stage
        self._errands = Errands(desk, view)
        self._stays_with: Path | None = None  # see `tick`
        self._wanted = 0  # the number of the last result that was asked for
        self.book: Book | None = None
        self.at = 0
        self.result: Result | None = None
        self.only_new = False
        self.editing = Editing(view, stage, self._errands)
        self.is_beginning = False

    @property
    def is_on(self) -> bool:
        """Whether a review is on."""
        return self.book is not None

    @property
    def entry(self) -> Entry | None:
        """The result that is looked at."""
        entries = [] if self.book is None else self.book.entries
        return entries[self.at] if self.at < len(entries) else None

    @property
    def can_judge(self) -> bool:
        """Whether something can be said of the result; of what nobody sees, nothing can."""
        return self.result is not None and self._stage.is_shown and not self.editing.is_on

    def tick(self, path: Path | None) -> None:
        """Take what the desk has to say; called some times a second.

        Parameters
        ----------
        path : Path or None
            The batch folder that the window looks at: with another one the review ends.
        """
        self._errands.deliver()
        if self.book is None or path == self.book.path:
            return
        if self.editing.is_on and path == self._stays_with:  # the answer was to go on
            return
        name, self._stays_with = self.book.path.name, path
        self.end()
        if not self.is_on:
            self._view.tell(f"The review of {name} has ended: Movies shows it no more.")

    # Beginning and ending

    def begin(self, path: Path) -> None:
        """Look through the results in a batch folder, from where one was the last time."""

        def ended() -> None:
            self.is_beginning = False

        def begun(book: Book) -> None:
            if book.entries:
                self.book, self._stays_with = book, None
                self._show(book.place())
            else:
                self._view.show_error(
                    "There are no results in this batch yet.", "Come back when a movie is done."
                )

        if not self.is_on and not self.is_beginning:
            self.is_beginning = True
            self._errands.ask(partial(Book.open, path), begun, ended)

    def end(self) -> None:
        """Leave the review; one may go on from here another time."""
        self._leave(self._end)

    def _end(self) -> None:
        self.book = None
        self.at = 0
        self._wanted += 1
        self._show_nothing()

    def close(self) -> bool:
        """End the review because its window is about to go, and wait until all is written.

        Returns
        -------
        bool
            Whether it has ended: a person may want to go on editing, or saving may have failed.
        """
        self.end()
        self._errands.finish(is_patient=lambda: self.editing.is_saving)
        if not self.editing.is_on:  # maybe it was being saved already, to go on with the next
            self._end()
        return not self.is_on

    def abandon(self) -> None:
        """End it at once; masks that are being edited stay in the viewer."""
        self._stage.leave()
        self.editing.end()
        self._end()

    def _leave(self, then: Callable[[], None]) -> None:
        """Go elsewhere, with a question where something would be lost."""
        book, entry, result = self.book, self.entry, self.result
        if book is None or entry is None or result is None:  # nothing that could be lost
            then()
        else:
            self.editing.leave(book, entry, result, then)

    # Going on

    def next(self) -> None:
        """Show the next result."""
        self._leave_for(self._beside(1))

    def previous(self) -> None:
        """Show the one before."""
        self._leave_for(self._beside(-1))

    def _leave_for(self, at: int) -> None:
        if self.is_on and at >= 0:
            self._leave(partial(self._show, at))

    def _beside(self, by: int) -> int:
        """Where the next one is, or the one before; negative if there is none before."""
        entries = [] if self.book is None else self.book.entries
        at = self.at + by
        while self.only_new and 0 <= at < len(entries) and entries[at].word:
            at += by
        return min(at, len(entries))

    def _show(self, at: int) -> None:
        book = self.book
        assert book is not None
        self.at = at
        self._wanted += 1
        number, entry = self._wanted, self.entry
        # At once: what is wanted and what is seen are never two results.
        self._show_nothing()
        if entry is None:
            self._look_for_more(book, number)
            return
        self._view.show_entry(entry)
        unit_id = entry.unit_id

        def work() -> Result | None:
            # Somebody may have gone on meanwhile.
            return book.read(unit_id) if number == self._wanted else None

        def read(result: Result | None) -> None:
            if number == self._wanted and result is not None:
                self.result = result
                book.bring_up_to_date(result.seen)
                self._view.show_entry(self.entry)
                self._put_on_stage(partial(self._stage.show, result))

        self._errands.ask(work, read)

    def show_again(self) -> None:
        """Show the masks that a person has removed from the viewer, as they are now."""
        if self.result is not None and not self.editing.is_saving:
            self._put_on_stage(self._stage.show_again)

    def _put_on_stage(self, put: Callable[[], None]) -> None:
        try:
            put()
        except Sa2vaError as error:
            self._view.show_error(error.message, error.hint)
        self._view.show_result(self.result)

    def _look_for_more(self, book: Book, number: int) -> None:
        """Go on with results that have come since the review began; else it is at its end."""

        def read(more: list[Entry]) -> None:
            if more and number == self._wanted:
                book.entries += more
                self._show(self.at)

        self._errands.ask(book.more, read)

    def _show_nothing(self) -> None:
        self.result = None
        self._stage.clear()
        self._view.show_entry(None)
        self._view.show_result(None)

    # What is said of a result

    def say(self, word: Word) -> None:
        """Say what the result is worth, and go on to the next one.

        Parameters
        ----------
        word : {"accept", "redo"}
        """
        book, at, result = self.book, self.at, self.result
        # What has not been seen yet cannot be judged: keys may be pressed fast.
        if book is None or result is None or not self.can_judge:
            return

        def said(verdict: Verdict | None) -> None:
            if verdict is None:
                self._refuse(book, at)
                return
            book.take(verdict)
            if word == "redo":
                self._view.tell(
                    f"{verdict.movie} will be done again.",
                    "Whoever is at work takes it up; if nobody is, press Start under Movies.",
                )

        self._errands.write(partial(book.judge, result.seen, word, self._view.note), said)
        self._show(self._beside(1))

    def _refuse(self, book: Book, at: int) -> None:
        """Say that something was said of a result that is not there any more, and show the new one."""
        self._view.tell(
            f"{book.entries[at].movie} has changed since it was shown: what you said of it does not "
            "count.",
            "It was done again or is about to be, or somebody has edited its masks. Look at it as it "
            "is now.",
        )
        if self.book is book and not self.editing.is_on:
            self._leave_for(at)

    def edit(self) -> None:
        """Correct the masks; `save` or `stop_editing` ends that."""
        if self.can_judge:
            self.editing.begin()

    def stop_editing(self) -> None:
        """Show the result as it was, with a question where something would be lost."""
        if self.editing.is_on:
            self._leave_for(self.at)

    def save(self) -> None:
        """Save what was corrected, and go on to the next result."""
        book, result = self.book, self.result
        if book is not None and result is not None and self.editing.is_on:
            self.editing.save(book, result, partial(self._show, self._beside(1)))
