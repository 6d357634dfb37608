"""The button that adds movies to a batch: files, folders, what a pattern finds, or layers."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMenu, QToolButton, QWidget

_TITLE = "Add movies"


class AddButton(QToolButton):
    """Opens a menu.

    Attributes
    ----------
    added : Signal(list of str)
        Paths, patterns and addresses.
    layers_wanted : Signal()
        The movies of the image layers that are selected are to be added, or of all.
    """

    added = Signal(list)
    layers_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText("Add ▾")
        self.setToolTip("Add movies. They may be dropped on the table as well.")
        self.setAccessibleName(_TITLE)
        self.choices = QMenu(self)
        self.choices.setToolTipsVisible(True)
        for text, tip, action in (
            ("Files …", "Movies, or tables with a movie per row (CSV, TSV, Parquet).", self._files),
            ("Folder …", "All movies in a folder.", self._folder),
            ("Pattern or address …", "All files that fit, such as /data/**/*.nd2.", self._pattern),
            ("Layers", "The files of the selected image layers.", self.layers_wanted.emit),
        ):
            made = self.choices.addAction(text)
            made.setToolTip(tip)
            made.triggered.connect(lambda checked=False, action=action: action())
        # No menu of the button's own, whose mark the themes draw over its text.
        self.clicked.connect(self.open)

    def open(self) -> None:
        """Show the menu below the button."""
        self.choices.popup(self.mapToGlobal(self.rect().bottomLeft()))

    def _files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, _TITLE)
        self._add(chosen)

    def _folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, _TITLE)
        self._add([chosen] if chosen else [])

    def _pattern(self) -> None:
        words = (
            "A pattern, in which * stands for a part of a name and ** for folders, or an address:"
        )
        text, is_given = QInputDialog.getText(self, _TITLE, words)
        self._add([text.strip()] if is_given and text.strip() else [])

    def _add(self, paths: Sequence[str]) -> None:
        if paths:
            self.added.emit(list(paths))
