"""The lower part of the dock, always in view: Run, Cancel, progress, answers. The controller's view."""

from __future__ import annotations

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.gui.answers import AnswerList
from napari_sa2va.gui.fitting_scroll import FittingScroll
from napari_sa2va.gui.message_box import MessageBox
from napari_sa2va.gui.preferences import preferences
from napari_sa2va.gui.request import JobRequest
from napari_sa2va.gui.room import leave_room
from napari_sa2va.pipeline.estimate import duration

_HIGHEST_PX = 280
_LARGEST_SHARE = 0.35  # of the dock's height, for messages and answers
_PROGRESS_EVERY_MS = 100


class RunPanel(QWidget):
    """Implements `napari_sa2va.gui.controller.View`."""

    run_clicked = Signal()
    continue_clicked = Signal()
    cancel_clicked = Signal()
    running_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run_button = QPushButton("Run")
        self.run_button.setToolTip("Find every sentence in the whole movie. (Ctrl+Enter)")
        self.run_button.clicked.connect(self.run_clicked)
        self.continue_button = QPushButton("Continue")
        self.continue_button.setToolTip("Do the frames that the last run was stopped before.")
        self.continue_button.clicked.connect(self.continue_clicked)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop after the frame in work; finished frames are kept.")
        self.cancel_button.clicked.connect(self.cancel_clicked)
        self.follow_box = QCheckBox("Follow")
        self.follow_box.setChecked(preferences().follow)
        self.follow_box.setToolTip(
            "Move the slider along with the frames as they are done, until you move it yourself."
        )
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Frames done")
        self.stage = QLabel()
        self.stage.setWordWrap(True)
        self.answers = AnswerList()
        self.message = MessageBox()

        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 1)
        buttons.addWidget(self.continue_button, 1)
        buttons.addWidget(self.cancel_button, 1)
        buttons.addWidget(self.follow_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(buttons)
        self.below_buttons = QVBoxLayout()
        layout.addLayout(self.below_buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.stage)
        self.told = FittingScroll(self.message, self.answers, highest_px=_HIGHEST_PX)
        layout.addWidget(self.told)
        self.progress.hide()
        self.stage.hide()
        self._something_missing = False
        self._latest: tuple[int, int, float | None] | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PROGRESS_EVERY_MS)
        self._pause.timeout.connect(self._draw_progress)
        self.set_running(False)

    def show_answers(self, shown: bool) -> None:
        """Leave room for other things, where the answers do not matter."""
        leave_room(self.answers, shown=shown)

    def fit_into(self, height: int) -> None:
        """Leave room for what is above, in a dock of this height: the box of sentences, say."""
        self.told.set_highest(min(_HIGHEST_PX, int(_LARGEST_SHARE * height)))

    def offer_to_continue(self, missing: bool) -> None:
        """Say whether a run was stopped that can be continued."""
        self._something_missing = missing
        self.continue_button.setVisible(missing and self.run_button.isEnabled())

    def start_over(self, request: JobRequest) -> None:
        self.message.hide()
        if any(prompt.text for prompt in request.prompts):
            self.answers.start_over(request.prompts)
        self.progress.setRange(0, 0)

    def set_running(self, running: bool) -> None:
        self.run_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        self.offer_to_continue(self._something_missing)
        self.progress.setVisible(running)
        self.running_changed.emit(running)
        if not running:
            self.answers.end()
            if self.progress.maximum() == 0:
                self.progress.setRange(0, 1)  # a bar that runs to and fro says that it goes on

    def show_stage(self, text: str) -> None:
        self._draw_progress()  # or it would come later, and overwrite this
        self._show_words(text)

    def show_progress(self, done: int, total: int, seconds_left: float | None) -> None:
        self._latest = done, total, seconds_left
        if not self._pause.isActive():
            self._draw_progress()
            self._pause.start()

    def _draw_progress(self) -> None:
        """Draw how far it is, if that has not been done."""
        latest, self._latest = self._latest, None
        if latest is None:
            return
        done, total, seconds_left = latest
        # A bar draws itself at once whenever its value changes, and with it all that is in sight.
        self.progress.setUpdatesEnabled(False)
        self.progress.setRange(0, max(total, 1))
        self.progress.setValue(done)
        self.progress.setUpdatesEnabled(True)
        left = f", {duration(seconds_left)} left" if seconds_left is not None else ""
        self._show_words(f"{done} of {total} frames done{left}")

    def _show_words(self, text: str) -> None:
        self.stage.setText(text)
        self.stage.setVisible(bool(text))

    def show_answer(self, object_id: int, answer: str, found: bool) -> None:
        self.answers.show_answer(object_id, answer, found)

    def show_note(self, message: str, hint: str) -> None:
        self.message.show_note(message, hint)

    def tell(self, message: str, hint: str) -> None:
        """Show something worth knowing, alone."""
        self.message.hide()
        self.message.show_note(message, hint)

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        self.show_stage("")
        self.message.show_error(message, hint, details)

    def show_outcome(self, text: str) -> None:
        self.show_stage(text)
