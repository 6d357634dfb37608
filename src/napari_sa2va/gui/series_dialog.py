"""Asks which series of a file are to be opened."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, QThread
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.errors import SeriesError

_WIDTH_PX, _HEIGHT_PX = 560, 320


class SeriesDialog(QDialog):
    """The series of a file as a list, of which several may be ticked.

    Parameters
    ----------
    error : SeriesError
        With the choices.
    path : str
        The file.
    """

    def __init__(self, error: SeriesError, path: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Which series?")
        self._keys = [key for key, _ in error.choices]
        words = QLabel(f"{Path(path).name} holds {len(self._keys)} series. Tick those to open.")
        words.setWordWrap(True)
        self.list = QListWidget()
        self.list.setAccessibleName("Series of the file")
        for number, (_, said) in enumerate(error.choices):
            item = QListWidgetItem(said)
            item.setToolTip(said)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            first = Qt.CheckState.Checked if number == 0 else Qt.CheckState.Unchecked
            item.setCheckState(first)
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.list.itemDoubleClicked.connect(self._take_only)
        self.list.itemChanged.connect(self._offer)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(words)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.buttons)
        self.resize(_WIDTH_PX, _HEIGHT_PX)

    @property
    def chosen(self) -> list[int | str]:
        """What is ticked."""
        states = (self.list.item(row).checkState() for row in range(self.list.count()))
        ticked = (state == Qt.CheckState.Checked for state in states)
        return [key for key, taken in zip(self._keys, ticked, strict=True) if taken]

    def _take_only(self, item: QListWidgetItem) -> None:
        for row in range(self.list.count()):
            other = self.list.item(row)
            taken = Qt.CheckState.Checked if other is item else Qt.CheckState.Unchecked
            other.setCheckState(taken)
        self.accept()

    def _offer(self) -> None:
        button = self.buttons.button(QDialogButtonBox.StandardButton.Open)
        button.setEnabled(bool(self.chosen))


def can_ask() -> bool:
    """Whether there is a window in which a person can be asked, and this is its thread."""
    app = QApplication.instance()
    if not isinstance(app, QApplication) or QThread.currentThread() is not app.thread():
        return False
    return any(widget.isVisible() for widget in app.topLevelWidgets())


def choose_series(error: SeriesError, path: str) -> list[int | str]:
    """Ask which series of a file to open; empty if none is wanted."""
    dialog = SeriesDialog(error, path, QApplication.activeWindow())
    accepted = dialog.exec() == QDialog.DialogCode.Accepted
    chosen = dialog.chosen if accepted else []
    dialog.deleteLater()
    return chosen
