"""A button that begins something long, one that stops it, and how far it is."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget


class WorkRow(QWidget):
    """Shows what a controller of long work says.

    Parameters
    ----------
    text, tip : str
        Of the button that begins.
    """

    start_clicked = Signal()
    cancel_clicked = Signal()

    def __init__(self, text: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what = text
        self.start_button = QPushButton(text)
        self.start_button.setToolTip(tip)
        self.start_button.setAccessibleDescription(tip)
        self.start_button.clicked.connect(self.start_clicked)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setAccessibleName(f"Cancel: {text}")
        self.cancel_button.setToolTip("Stop after the frame in work; what is done is kept.")
        self.cancel_button.clicked.connect(self._cancel)
        self.progress = QProgressBar()
        self.progress.setAccessibleName(f"{text}: how much is done")
        self.stage = QLabel()
        self.stage.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 1)
        buttons.addWidget(self.cancel_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.stage)
        self.set_running(False)
        self.say("")

    def set_running(self, running: bool) -> None:
        """Show that work is on its way, or that none is."""
        self.start_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        self.progress.setVisible(running)
        self.progress.setRange(0, 0)  # to and fro until something is counted
        if running:
            self.say("")
        else:
            self.progress.reset()

    def show_progress(self, done: int, total: int) -> None:
        """Show how much is done."""
        self.progress.setRange(0, max(total, 1))
        self.progress.setValue(done)

    def say(self, text: str) -> None:
        """Say how it ended, or that it is about to."""
        self.stage.setText(text)
        self.stage.setVisible(bool(text))

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.say("Stopping after this frame …")
        self.cancel_clicked.emit()
