"""What the tab "Movies" of the batch dock is made of, and where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QMessageBox,
    QProgressBar,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.gui.batch.add_button import AddButton
from napari_sa2va.gui.batch.details import BatchDetails
from napari_sa2va.gui.batch.filter import StateFilter
from napari_sa2va.gui.batch.model import BatchModel
from napari_sa2va.gui.batch.open_button import OpenButton
from napari_sa2va.gui.batch.rows import ENDED
from napari_sa2va.gui.batch.setup_form import SetUpForm
from napari_sa2va.gui.batch.table import BatchTable
from napari_sa2va.gui.buttons import text_button
from napari_sa2va.gui.forms import quiet_label
from napari_sa2va.gui.message_box import MessageBox

if TYPE_CHECKING:
    from napari_sa2va.gui.batch.reader import Seen
    from napari_sa2va.gui.batch.view import Offers

_LOWEST_TABLE_PX, _LONGEST_NAME_PX = 120, 120
_NO_FOLDER = "A new batch. Its folder is made when it is started."


class BatchParts:
    """Makes the parts and lays them out.

    Parameters
    ----------
    panel : QWidget
        In which they are put.
    """

    def __init__(self, panel: QWidget) -> None:
        self.running = Path()
        self.folder = quiet_label()
        self.folder.setAccessibleName("Batch folder")
        self.open_button = OpenButton()
        self.new_button = text_button("New", "Begin another batch. The one on show goes on.")
        self.running_button = text_button("", "It was looked at before, and is being worked on.")
        self.setup = SetUpForm()
        self.add_button = AddButton()
        self.remove_button = text_button("Remove", "Take out the selected movies. (Del)")
        self.filter = StateFilter()
        self.model = BatchModel(panel.palette())
        self.table = BatchTable(self.model)
        self.table.setMinimumHeight(_LOWEST_TABLE_PX)
        self.retry_action = self.table.addAction("Retry")
        self.remove_action = self.table.addAction("Remove")
        self.remove_action.setShortcut(QKeySequence.StandardKey.Delete)
        self.remove_action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.details = BatchDetails()
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Movies at their end")
        self.progress.setTextVisible(False)
        self.summary = quiet_label()
        self.who = quiet_label()
        self.errand = quiet_label()
        self.check_button = text_button(
            "Check", "Open every movie, and look for what would go wrong, before anything is done."
        )
        self.start_button = text_button(
            "Start",
            "Work on these movies in a program of its own, which goes on without napari.",
        )
        self.pause_button = text_button(
            "Pause", "Let all workers stop after the frame in work, and wait."
        )
        self.cancel_button = text_button(
            "Cancel",
            "Let all workers stop after the frame in work, and leave. What is done is kept.",
        )
        self.retry_button = text_button(
            "Retry", "Do again the selected movies; if none is selected, all that have failed."
        )
        self.message = MessageBox()
        self.report_button = text_button("Report", "Open the report of the whole batch.")
        self.objects_button = text_button("Table", "Open the table of all objects of all movies.")
        self.review_button = text_button("Review", "Look through the results one after the other.")
        self._lay_out(panel)

    @property
    def to_retry(self) -> list[str]:
        """The units that are selected and at an end."""
        return [row.unit_id for row in self.table.chosen if row.state in ENDED]

    def start_over(self, path: Path | None) -> None:
        """Forget what was seen."""
        self.model.clear()
        self.show_place(None)
        if path is not None:
            self.folder.setText(str(path))
            self.folder.setToolTip(str(path))
        self.setup.let_choose_place(path is None)
        self.say(summary="", who="")
        self.progress.hide()
        self.running_button.hide()
        self.filter.start_over()
        self.new_button.setEnabled(path is not None)

    def show_seen(self, seen: Seen) -> None:
        """Show what holds for the whole batch."""
        self.progress.setVisible(seen.total > 0)
        self.progress.setRange(0, max(seen.total, 1))
        self.progress.setValue(seen.ended)
        self.show_counts()

    def offer_running(self, path: Path) -> None:
        """Offer to look at a batch that is being worked on, where none is on show."""
        if self.new_button.isEnabled():
            return
        self.running = path
        metrics = self.running_button.fontMetrics()
        name = metrics.elidedText(path.name, Qt.TextElideMode.ElideMiddle, _LONGEST_NAME_PX)
        self.running_button.setText(f"Open {name}, which is running".replace("&", "&&"))
        self.running_button.show()

    def say(self, *, summary: str, who: str) -> None:
        """Say how far the batch is, and who works on it."""
        for label, words in ((self.summary, summary), (self.who, who)):
            label.setText(words)
            label.setVisible(bool(words))

    def show_place(self, place: Path | None) -> None:
        """Say where the batch is going to be kept."""
        words = _NO_FOLDER if place is None else f"A new batch, to be made as {place}"
        self.folder.setText(words)
        self.folder.setToolTip(words)

    def show_counts(self) -> None:
        """Count the rows by state."""
        self.filter.show_counts(self.model.counts)

    def show_errand(self, words: str, done: int, total: int) -> None:
        """Say what is being done in the background."""
        self.errand.setText(f"{words} {done} of {total}" if total else words)
        self.errand.setVisible(bool(words))

    def show_offers(
        self,
        offers: Offers,
        *,
        num_planned: int,
        is_busy: bool,
        is_adding: bool,
        is_starting: bool,
    ) -> None:
        """Offer what can be done now.

        Parameters
        ----------
        offers : Offers
            Of the folder.
        num_planned : int
            Movies that are to be added.
        is_busy : bool
            Whether movies are being looked for, or checked.
        is_adding, is_starting : bool
            Whether movies are being put into the folder, and a program is on its way.
        """
        self.check_button.setText("Stop" if is_busy else "Check")
        self.check_button.setEnabled(is_busy or num_planned > 0 or offers.check)
        self.start_button.setText("Starting …" if is_starting or is_adding else "Start")
        can_start = offers.start or num_planned > 0
        self.start_button.setEnabled(can_start and not is_adding and not is_starting)
        self.pause_button.setText(offers.pause or "Pause")
        self.pause_button.setEnabled(bool(offers.pause))
        self.cancel_button.setEnabled(offers.cancel)
        chosen = {row.state for row in self.table.chosen}
        can_retry = not chosen.isdisjoint(ENDED)
        self.retry_button.setEnabled(offers.retry or can_retry)
        self.retry_action.setEnabled(can_retry)
        can_remove = bool(chosen - {"running"})
        self.remove_button.setEnabled(can_remove)
        self.remove_action.setEnabled(can_remove)
        self.report_button.setVisible(offers.report)
        self.objects_button.setVisible(offers.table)
        self.review_button.setVisible(offers.table)

    def _lay_out(self, panel: QWidget) -> None:
        top = QHBoxLayout()
        top.addWidget(self.folder, 1)
        top.addWidget(self.open_button)
        top.addWidget(self.new_button)
        above = QHBoxLayout()
        above.addWidget(self.add_button)
        above.addWidget(self.remove_button)
        above.addStretch(1)
        above.addWidget(self.filter, 2)
        listed = QWidget()
        inside = QVBoxLayout(listed)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(4)
        inside.addLayout(above)
        inside.addWidget(self.table, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(listed)
        split.addWidget(self.details)
        split.setCollapsible(0, False)
        split.setStretchFactor(0, 1)
        buttons = QGridLayout()
        buttons.setSpacing(4)
        for at, button in enumerate(
            (self.check_button, self.start_button, self.pause_button, self.cancel_button,
             self.retry_button)
        ):  # fmt: skip
            buttons.addWidget(button, 0, at)
        ends = QHBoxLayout()
        ends.setSpacing(4)
        for button in (self.review_button, self.report_button, self.objects_button):
            ends.addWidget(button)
        layout = QVBoxLayout(panel)
        layout.setContentsMargins(0, 6, 6, 0)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self.running_button)
        layout.addWidget(self.setup)
        layout.addWidget(split, 1)
        layout.addWidget(self.errand)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.summary)
        layout.addWidget(self.who)
        layout.addLayout(ends)
        layout.addWidget(self.message)
        self.errand.hide()


def agrees_to_remove(number: int, panel: QWidget) -> bool:
    """Whether a person agrees to take so many movies out of a batch."""
    movies = "1 movie" if number == 1 else f"{number} movies"
    words = f"Remove {movies} from the batch, and so from its table and report?"
    stays = "Files that were written stay where they are."
    yes = QMessageBox.StandardButton.Yes
    return QMessageBox.question(panel, "Batch", f"{words}\n{stays}") == yes
