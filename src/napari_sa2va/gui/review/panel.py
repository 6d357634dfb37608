"""The tab "Review" of the batch dock: turns clicks and keys into what a review does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QDockWidget,
    QLineEdit,
    QMainWindow,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

from napari_sa2va.gui.batch.desk import Desk
from napari_sa2va.gui.garbage import collect_here
from napari_sa2va.gui.review.controller import ReviewController
from napari_sa2va.gui.review.edit_bar import SAVE, EditBar
from napari_sa2va.gui.review.keys import ReviewKeys
from napari_sa2va.gui.review.parts import ReviewParts
from napari_sa2va.gui.review.question import ask_about_edits
from napari_sa2va.gui.review.stage import ReviewStage

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sa2va.gui.dock import SentenceDock
    from napari_sa2va.gui.review.entries import Entry
    from napari_sa2va.gui.review.result import Result
    from napari_sa2va.gui.review.view import Answer

_TICK_MS = 50
_TEXT_FIELDS = (QLineEdit, QTextEdit, QPlainTextEdit, QAbstractSpinBox)


class ReviewPanel(QWidget):
    """Implements `napari_sa2va.gui.review.view.View`.

    Parameters
    ----------
    viewer : napari.Viewer
    folder : callable
        The batch folder that is looked at; None if there is none.
    dock : callable
        The dock in which masks are corrected; it is opened if it is not open.

    Attributes
    ----------
    parts : ReviewParts
    stage : ReviewStage
    controller : ReviewController
    keys : ReviewKeys
    edit_bars : list of EditBar
        One here, and while masks are corrected one in the dock that corrects.
    """

    def __init__(
        self,
        viewer: Viewer,
        folder: Callable[[], Path | None],
        dock: Callable[[], SentenceDock],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._folder = folder
        self.stage = ReviewStage(viewer, dock)
        collect_here()
        self._desk = desk = Desk()
        self.controller = ReviewController(self, self.stage, desk)
        # A window that closes deletes its docks without a word to them.
        self.destroyed.connect(lambda: desk.close())
        self.parts = parts = ReviewParts(self)
        self.edit_bars = [parts.edit_bar]
        self.keys = ReviewKeys(
            viewer,
            {
                "A": self.accept,
                "R": self.redo,
                "D": self.edit,
                "N": self.next,
                "Shift-N": self.previous,
            },
            self._wants_keys,
        )
        parts.accept_button.clicked.connect(self.accept)
        parts.redo_button.clicked.connect(self.redo)
        parts.edit_button.clicked.connect(self.edit)
        parts.next_button.clicked.connect(self.next)
        parts.previous_button.clicked.connect(self.previous)
        parts.again_button.clicked.connect(self.show_again)
        parts.begin_button.clicked.connect(self.begin_or_end)
        parts.objects.chosen.connect(self.stage.select)
        parts.only_new_box.toggled.connect(self._pass_over)
        self._listen_to(parts.edit_bar)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._show_state()

    # What a person does

    def begin_or_end(self) -> None:
        """Begin a review of the batch that is looked at, or leave the one that is on."""
        folder = self._folder()
        if self.controller.is_on:
            self._do(self.controller.end)
        elif folder is not None:
            window = self._around(QMainWindow)
            if window is not None:
                window.installEventFilter(self)  # a second time changes nothing
            self._do(lambda: self.controller.begin(folder))

    def accept(self) -> None:
        """The masks can be used."""
        self._do(lambda: self.controller.say("accept"))

    def redo(self) -> None:
        """The movie is to be done again."""
        self._do(lambda: self.controller.say("redo"))

    def edit(self) -> None:
        """Correct the masks."""
        self._do(self.controller.edit)

    def save(self) -> None:
        """Save the masks that were corrected."""
        self._do(self.controller.save)

    def stop_editing(self) -> None:
        """Show the result as it was."""
        self._do(self.controller.stop_editing)

    def next(self) -> None:
        """Show the next result."""
        self._do(self.controller.next)

    def previous(self) -> None:
        """Show the one before."""
        self._do(self.controller.previous)

    def show_again(self) -> None:
        """Put masks back that were removed from the viewer."""
        self._do(self.controller.show_again)

    def _do(self, action: Callable[[], None]) -> None:
        self.parts.message.hide()
        action()
        self._show_state()

    def _pass_over(self, only_new: bool) -> None:
        self.controller.only_new = only_new

    # What the controller asks for

    @property
    def note(self) -> str:
        """What is typed about the result on show."""
        return self.parts.note.text().strip()

    def show_entry(self, entry: Entry | None) -> None:
        """Another result is wanted."""
        self.parts.note.setText("" if entry is None else entry.note)

    def show_result(self, result: Result | None) -> None:
        """The result is in the viewer; None if there is none any more."""
        self.parts.objects.show_objects(self.stage.workspace)
        if result is not None and result.note:
            self.tell(result.note)

    def begin_edit(self) -> None:
        """Let a person correct the masks."""
        dock = self.stage.correct()
        layout = None if dock is None else dock.layout()
        if layout is not None:
            bar = EditBar()
            self._listen_to(bar)
            layout.addWidget(bar)
            self.edit_bars.append(bar)
        entry = self.controller.entry
        movie = "" if entry is None else entry.movie
        self._viewer.status = f'You edit {movie}. When it is right, press "{SAVE}".'

    def end_edit(self) -> None:
        """They were saved, or given up; the dock that corrects may cover the review."""
        for bar in self.edit_bars[1:]:
            if isalive(bar):
                bar.setParent(None)
                bar.deleteLater()
        del self.edit_bars[1:]
        self._viewer.status = "Ready"
        place = self._around(QDockWidget)
        if place is not None:
            place.raise_()

    def ask(self, movie: str) -> Answer:
        """Ask what becomes of edited masks."""
        # A dock that was just closed is in no window any more.
        return ask_about_edits(movie, QApplication.activeWindow() or self)

    def tell(self, message: str, hint: str = "") -> None:
        """Say something worth knowing."""
        self.parts.message.show_note(message, hint)

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        """Show what went wrong."""
        self.parts.message.show_error(message, hint, details)

    # The dock and the window

    def watch(self) -> None:
        """The dock is open."""
        self._timer.start()

    def close_down(self) -> None:
        """The dock is gone: keys are as they were, and layers of the review go."""
        self._timer.stop()
        entry = self.controller.entry
        if not self.controller.close():
            self.controller.abandon()
            if entry is not None:
                show_warning(
                    f"The edited masks of {entry.movie} are not saved. They are still in the viewer."
                )
        self.keys.give_back()
        self._desk.close()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A window does not close over masks that are being edited."""
        if event.type() == QEvent.Type.Close and not self.controller.close():
            self._show_state()
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _around(self, kind: type[QWidget]) -> QWidget | None:
        """The dock, or the window, in which this is."""
        place: QWidget | None = self
        while place is not None and not isinstance(place, kind):
            place = place.parentWidget()
        return place

    # What is seen

    def _tick(self) -> None:
        self.controller.tick(self._folder())
        self._show_state()

    def _show_state(self) -> None:
        """Show what can be done now; nobody tells of layers that go, tabs, docks and the focus."""
        controller, entry = self.controller, self.controller.entry
        has_masks = self.stage.is_shown
        self.parts.show_state(controller, has_masks=has_masks, has_batch=self._folder() is not None)
        for bar in self.edit_bars:
            if isalive(bar):
                bar.show_state(
                    "" if entry is None else entry.movie,
                    is_saving=controller.editing.is_saving,
                    can_save=has_masks,
                )
        self.keys.look()

    def _wants_keys(self) -> bool:
        """Whether keys mean the review: it is on and in view, and nobody types or paints."""
        is_on = self.controller.is_on and not self.controller.editing.is_on
        # A dock that lies behind another one is visible to Qt, but no part of it is.
        in_view = self.isVisible() and not self.visibleRegion().isEmpty()
        return is_on and in_view and not isinstance(QApplication.focusWidget(), _TEXT_FIELDS)

    def _listen_to(self, bar: EditBar) -> None:
        bar.save_clicked.connect(self.save)
        bar.stop_clicked.connect(self.stop_editing)
