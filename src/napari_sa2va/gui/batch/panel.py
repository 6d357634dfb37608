"""The tab "Movies" of the batch dock: the table, and all that can be done with a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QWidget

from napari_sa2va.core.errors import RequestError, Sa2vaError
from napari_sa2va.gui.batch.asked import but_for_changes, setup_of
from napari_sa2va.gui.batch.controller import BatchController
from napari_sa2va.gui.batch.desk import Desk
from napari_sa2va.gui.batch.draft import Draft
from napari_sa2va.gui.batch.parts import BatchParts, agrees_to_remove
from napari_sa2va.gui.batch.scout import Scout
from napari_sa2va.gui.batch.taking import DOCK, files_of, take
from napari_sa2va.gui.batch.view import Offers
from napari_sa2va.gui.batch.words import summary, who_works
from napari_sa2va.gui.garbage import collect_here
from napari_sa2va.gui.worker import start_work

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sa2va.gui.batch.reader import Seen
    from napari_sa2va.gui.batch.rows import MovieRow
    from napari_sa2va.gui.batch.setup import SetUp
    from napari_sa2va.gui.dock import SentenceDock
    from napari_sa2va.readers.opening import OpenArguments

_TICK_MS = 100


class BatchPanel(QWidget):
    """Implements the views of `controller` and of `draft`.

    Parameters
    ----------
    viewer : napari.Viewer
    dock : callable
        The dock in which sentences are typed; None if it is not open.

    Attributes
    ----------
    parts : BatchParts
    controller : BatchController
    draft : Draft
    review_clicked : Signal()
    """

    review_clicked = Signal()

    def __init__(
        self,
        viewer: Viewer,
        dock: Callable[[], SentenceDock | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._dock = dock
        self._offers = Offers()
        self._is_adding = False
        self._late: list[str] = []  # named while others are put into the folder
        self.parts = parts = BatchParts(self)
        collect_here()
        desks = Desk(), Desk()
        self.controller = BatchController(self, desks[0])
        self._scout = Scout(desks[1], parts.offer_running)
        # A window that closes deletes its docks without a word to them.
        self.destroyed.connect(lambda: _close(*desks))
        self.draft = Draft(self, start_work)
        parts.open_button.chosen.connect(self.open)
        parts.new_button.clicked.connect(self.begin_another)
        parts.add_button.added.connect(self.add)
        parts.add_button.layers_wanted.connect(self.add_layers)
        parts.table.dropped.connect(self.add)
        parts.table.chosen_changed.connect(self._show_chosen)
        parts.filter.chosen.connect(parts.table.show_only)
        parts.check_button.clicked.connect(self.check)
        parts.start_button.clicked.connect(self.start)
        parts.pause_button.clicked.connect(self.pause)
        parts.cancel_button.clicked.connect(self.cancel)
        parts.retry_button.clicked.connect(self.retry)
        parts.retry_action.triggered.connect(self.retry)
        parts.remove_button.clicked.connect(self.remove)
        parts.remove_action.triggered.connect(self.remove)
        parts.running_button.clicked.connect(self._open_running)
        parts.report_button.clicked.connect(self._show_report)
        parts.objects_button.clicked.connect(self._show_table)
        parts.review_button.clicked.connect(self.review_clicked)
        parts.setup.take_clicked.connect(self.take_again)
        parts.setup.changed.connect(parts.message.hide)
        parts.setup.changed.connect(self._set_up)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self.start_over(None)

    # What a person does

    def open(self, folder: Path) -> None:
        """Look at a batch folder, whoever works on it."""
        self.parts.message.hide()
        self.controller.open(folder)

    def begin_another(self) -> None:
        """Look at no batch any more; the one on show goes on."""
        self.parts.message.hide()
        self.controller.detach()

    def add(self, inputs: Sequence[str]) -> None:
        """Plan more movies: files, folders, patterns, addresses, tables; or open a batch folder."""
        self.parts.message.hide()
        if self._is_adding:  # what is planned now is forgotten when it is in
            self._late += inputs
            self.tell("More movies are looked for when those that were started are in the batch.")
            return
        if not self.parts.setup.value.sentences:
            self._take()  # a table may have sentences of its own, so there need be none here
        self.draft.add(inputs, self.parts.setup.value, self.controller.path)

    def add_layers(self) -> None:
        """Plan the movies of the image layers that are selected, or of all."""
        try:
            self.add(files_of(self._viewer.layers))
        except RequestError as error:
            self.show_error(error.message, error.hint)

    def take_again(self) -> None:
        """Take sentences and settings from the dock as it is now."""
        self.parts.message.hide()
        error = self._take()
        if error is None:
            self.draft.set_up(self.parts.setup.value)
        else:
            self.show_error(error.message, error.hint or f"Look at {DOCK}.")

    def check(self) -> None:
        """Find what would go wrong, or stop looking."""
        self.parts.message.hide()
        if self.draft.busy:
            self.draft.cancel()
        else:
            self.draft.check(self.controller.path)

    def start(self) -> None:
        """Put what was planned into the folder, and let somebody work on it."""
        self.parts.message.hide()
        if self.draft.is_empty:
            self.controller.start()
            return
        if self.draft.is_looking:  # what was named last, or typed, would be left behind
            self.tell("Movies are still being looked for.", "Press Start when they are there.")
            return
        if self.draft.busy:
            self.draft.cancel()
        self._is_adding = True
        self.controller.put_in(self.draft.putting_in(), self._end_adding)
        self._show_offers()

    def _end_adding(self, is_in: bool) -> None:
        """Forget what was planned if it is in the folder, and look for what was named meanwhile."""
        self._is_adding = False
        if is_in:
            self.draft.clear()
        else:
            self.draft.plan_again()
        late, self._late = self._late, []
        if late:
            self.add(late)

    def pause(self) -> None:
        """Let all workers wait, or go on."""
        self.controller.pause()

    def cancel(self) -> None:
        """Let all workers leave."""
        self.controller.cancel()

    def retry(self) -> None:
        """Do again what is selected, if it is at an end; else all that has failed."""
        self.parts.message.hide()
        self.controller.retry(self.parts.to_retry)

    def remove(self) -> None:
        """Take out the selected movies, but for those that somebody works on."""
        self.parts.message.hide()
        chosen = self.parts.table.chosen
        self.draft.remove(row.unit_id for row in chosen if row.state in ("planned", "faulty"))
        ids = [row.unit_id for row in chosen if row.state not in ("planned", "faulty", "running")]
        if ids and agrees_to_remove(len(ids), self):
            self.controller.take_out(ids)
        self._show_offers()

    def _take(self) -> Sa2vaError | None:
        """Take what the dock shows; why not, if that is not possible."""
        try:
            setup, find = take(self._dock(), self.parts.setup.value)
        except Sa2vaError as error:
            return error
        self.parts.setup.set_value(setup)
        if find is not None:
            self.controller.ask(find, self._take_opening)
        return None

    def _take_opening(self, opening: OpenArguments) -> None:
        """Open the movies as the one in the dock is, which was found out meanwhile."""
        shown = self.parts.setup.value
        if opening != shown.opening:
            self.parts.setup.set_value(replace(shown, opening=opening))
            self._set_up()

    # What the controller and the draft ask for

    def start_over(self, path: Path | None) -> None:
        """Forget all rows."""
        self.draft.clear()
        self.parts.start_over(path)
        if path is not None:
            shown = self.parts.setup.value
            self.controller.ask(
                partial(setup_of, path, shown), partial(self._take_setup, path, shown)
            )
        self._show_offers()

    def _take_setup(self, path: Path, shown: SetUp, found: SetUp) -> None:
        """Ask what the movies of the folder are asked, but for what was changed meanwhile."""
        now = self.parts.setup.value
        new = but_for_changes(found, shown, now)
        if path == self.controller.path and new != now:
            self.parts.setup.set_value(new)
            self._set_up()

    def show_seen(self, seen: Seen) -> None:
        """Show what has changed in the folder."""
        self.parts.model.remove(seen.gone)
        self.parts.model.take(seen.rows)
        self.parts.show_seen(seen)
        self._say()
        self._show_chosen()

    def show_offers(self, offers: Offers) -> None:
        """Show what can be done."""
        self._offers = offers
        self._show_offers()

    def show_picture(self, unit_id: str, png: bytes) -> None:
        """Show the last mask of a unit."""
        self.parts.details.show_picture(png)

    def show_draft(self, rows: Sequence[MovieRow], gone: Iterable[str]) -> None:
        """Show movies that are planned, and forget others."""
        self.parts.model.remove(gone)
        self.parts.model.take(rows)
        self.parts.show_counts()
        if self.controller.path is None:
            self.parts.show_place(None if self.draft.is_empty else self.draft.planned.place)
        self._show_chosen()

    def show_errand(self, words: str, done: int = 0, total: int = 0) -> None:
        """Say what is being done in the background."""
        self.parts.show_errand(words, done, total)
        self._show_offers()

    def show_file(self, path: Path) -> None:
        """Open a file with the program that the system has for it, and say where it is."""
        self.show_errand(f"Opened {path}")
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))):
            self.show_errand("")
            self.tell(f"No program was found that opens {path.name}.", f"It is {path}")

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        """Show what went wrong."""
        self.parts.message.show_error(message, hint, details)

    def tell(self, message: str, hint: str = "") -> None:
        """Say something worth knowing."""
        self.parts.message.show_note(message, hint)

    # The rest

    def watch(self) -> None:
        """The dock is open: look at the folder from now on."""
        self._timer.start()
        if self.controller.path is None:
            self._scout.go()

    def close_down(self) -> None:
        """The dock is gone; the batch goes on."""
        self._timer.stop()
        self.draft.cancel()
        self.controller.close()
        self._scout.close()

    def _tick(self) -> None:
        self.controller.tick()
        self._scout.tick()
        self.draft.tick()
        self._say()

    def _say(self) -> None:
        """Say how far the batch is, who works on it, and how long ago that was."""
        controller, seen = self.controller, self.controller.seen
        who = who_works(seen, silent_s=controller.silent_s, is_here=controller.is_here)
        self.parts.say(summary="" if seen is None else summary(seen), who=who)

    def _show_chosen(self) -> None:
        row = self.parts.table.current
        self.parts.details.show_row(row)
        is_in_folder = row is not None and row.state not in ("planned", "faulty")
        self.controller.watch(row.unit_id if row is not None and is_in_folder else "")
        self._show_offers()

    def _show_offers(self) -> None:
        draft = self.draft
        self.parts.show_offers(
            self._offers,
            num_planned=len(draft.planned.units),
            is_busy=draft.busy,
            is_adding=self._is_adding,
            is_starting=self.controller.is_starting,
        )

    def _set_up(self) -> None:
        self.draft.set_up(self.parts.setup.value)

    def _open_running(self) -> None:
        self.open(self.parts.running)

    def _show_report(self) -> None:
        self.parts.message.hide()
        self.controller.show("report")

    def _show_table(self) -> None:
        self.parts.message.hide()
        self.controller.show("table")


def _close(*desks: Desk) -> None:
    for desk in desks:
        desk.close()
