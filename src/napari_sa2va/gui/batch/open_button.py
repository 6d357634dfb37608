"""The button that opens a batch folder: any, or one that was looked at lately."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QPoint, Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QToolButton, QWidget

from napari_sa2va.gui.batch.recent import recent_folders


class OpenButton(QToolButton):
    """Opens a menu; asks at once where there is nothing to choose from.

    Attributes
    ----------
    chosen : Signal(Path)
    """

    chosen = Signal(Path)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText("Open ▾")
        self.setToolTip("Look at a batch folder, also one that is worked on elsewhere.")
        self.setAccessibleName("Open a batch folder")
        self.choices = QMenu(self)
        self.choices.setToolTipsVisible(True)
        # No menu of the button's own, whose mark the themes draw over its text.
        self.clicked.connect(self.open)

    def open(self) -> None:
        """Show the menu below the button, its right edge at the button's."""
        self.choices.clear()
        self.choices.addAction("Open a batch folder …").triggered.connect(self.ask)
        recent = recent_folders()
        if not recent:
            self.ask()
            return
        self.choices.addSeparator()
        for folder in recent:
            made = self.choices.addAction(folder.name.replace("&", "&&"))
            made.setToolTip(str(folder))
            made.triggered.connect(lambda checked=False, folder=folder: self.chosen.emit(folder))
        left = self.width() - self.choices.sizeHint().width()
        self.choices.popup(self.mapToGlobal(QPoint(min(left, 0), self.height())))

    def ask(self) -> None:
        """Ask for a folder."""
        folder = QFileDialog.getExistingDirectory(self, "Folder of a batch")
        if folder:
            self.chosen.emit(Path(folder))
