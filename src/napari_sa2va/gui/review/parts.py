"""What the tab "Review" of the batch dock is made of, and where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.gui.buttons import text_button
from napari_sa2va.gui.forms import quiet_label
from napari_sa2va.gui.message_box import MessageBox
from napari_sa2va.gui.object_list import ObjectList
from napari_sa2va.gui.review.edit_bar import EditBar
from napari_sa2va.gui.review.entries import summary

if TYPE_CHECKING:
    from napari_sa2va.gui.review.controller import ReviewController

_ROWS = 5  # of the list of objects, before it scrolls
_NOTHING = (
    "Results are looked at here, one after the other. Take a batch folder under Movies, and begin."
)
_GONE = "The masks were removed from the viewer. What nobody sees cannot be judged."
_BEGIN = "Open the results of the batch one after the other, from where you were the last time."
_NO_BATCH = "There is no batch to review: open a batch folder under Movies."


class ReviewParts:
    """Makes the parts and lays them out.

    Parameters
    ----------
    panel : QWidget
        In which they are put.
    """

    def __init__(self, panel: QWidget) -> None:
        self.title = QLabel()
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.title.setWordWrap(True)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.words = quiet_label()
        self.again_button = text_button("Show them again", "Put the masks back into the viewer.")
        self.objects = ObjectList()
        self.objects.setToolTip("What was found; a click selects its label.")
        height = self.objects.fontMetrics().lineSpacing() + 6
        self.objects.setFixedHeight((_ROWS + 1) * height)
        self.objects.setEditTriggers(ObjectList.EditTrigger.NoEditTriggers)
        self.edit_bar = EditBar()
        self.accept_button = text_button("Accept (A)", "The masks can be used. On to the next.")
        self.redo_button = text_button(
            "Redo (R)", "The movie is to be done again. On to the next result."
        )
        self.edit_button = text_button(
            "Edit (D)", "Correct the masks; they are saved as a project in the batch folder."
        )
        self.note = QLineEdit()
        self.note.setPlaceholderText("A note, if there is something to say")
        self.note.setAccessibleName("Note")
        self.previous_button = text_button("Previous (Shift+N)", "Back to the result before.")
        self.next_button = text_button("Next (N)", "On to the next result, without a word.")
        self.only_new_box = QCheckBox("Only what nobody has judged")
        self.only_new_box.setToolTip("Pass over results that were accepted, edited, or sent back.")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Results that were judged")
        self.progress.setTextVisible(False)
        self.summary = quiet_label()
        self.message = MessageBox()
        self.begin_button = QPushButton("Begin")
        self._lay_out(panel)

    def show_state(self, review: ReviewController, *, has_masks: bool, has_batch: bool) -> None:
        """Say where the review is, and offer what can be done now.

        Parameters
        ----------
        review : ReviewController
        has_masks : bool
            Whether the masks are in the viewer.
        has_batch : bool
            Whether there is a batch to review.
        """
        is_on, editing = review.is_on, review.editing
        has_result = review.result is not None
        self._say(review, has_masks=has_masks)
        self.again_button.setVisible(has_result and not has_masks)
        self.edit_bar.setVisible(editing.is_on)
        for button in (self.accept_button, self.redo_button, self.edit_button):
            button.setVisible(not editing.is_on)
            button.setEnabled(review.can_judge)
        self.note.setEnabled(has_result and not editing.is_saving)
        can_go = is_on and not editing.is_saving
        self.next_button.setEnabled(can_go and review.entry is not None)
        self.previous_button.setEnabled(can_go and review.at > 0)
        self.begin_button.setText("End" if is_on else "Begin")
        self.begin_button.setEnabled(can_go or (has_batch and not is_on))
        tip = "" if is_on else _BEGIN if has_batch else _NO_BATCH
        if tip != self.begin_button.toolTip():
            self.begin_button.setToolTip(tip)

    def _say(self, review: ReviewController, *, has_masks: bool) -> None:
        entries = [] if review.book is None else review.book.entries
        entry = review.entry
        if review.book is None:
            title = ""
            words = "Reading the results …" if review.is_beginning else _NOTHING
        elif entry is None:
            title, words = "That was the last result.", "Previous goes back; End leaves the review."
        else:
            title = f"{review.at + 1} of {len(entries)}: {entry.movie}"
            words = "Opening …" if review.result is None else entry.words if has_masks else _GONE
        self.title.setText(title)
        self.title.setVisible(bool(title))
        self.words.setText(words)
        self.summary.setText(summary(entries) if entries else "")
        self.progress.setVisible(bool(entries))
        self.progress.setRange(0, max(len(entries), 1))
        self.progress.setValue(sum(entry.word is not None for entry in entries))

    def _lay_out(self, panel: QWidget) -> None:
        verdicts = QGridLayout()
        verdicts.setSpacing(4)
        for column, button in enumerate((self.accept_button, self.redo_button, self.edit_button)):
            verdicts.addWidget(button, 0, column)
        ways = QGridLayout()
        ways.setSpacing(4)
        ways.addWidget(self.previous_button, 0, 0)
        ways.addWidget(self.next_button, 0, 1)
        layout = QVBoxLayout(panel)
        layout.setContentsMargins(0, 6, 6, 0)
        layout.setSpacing(6)
        layout.addWidget(self.title)
        layout.addWidget(self.words)
        layout.addWidget(self.again_button)
        layout.addWidget(self.objects)
        layout.addLayout(verdicts)
        layout.addWidget(self.edit_bar)
        layout.addWidget(self.note)
        layout.addLayout(ways)
        layout.addWidget(self.only_new_box)
        layout.addWidget(self.progress)
        layout.addWidget(self.summary)
        layout.addWidget(self.message)
        layout.addStretch(1)
        layout.addWidget(self.begin_button)
