"""Asks in which format masks are to be written."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.gui.exporter import Offer

_WIDTH_PX, _HEIGHT_PX = 620, 520


class FormatDialog(QDialog):
    """All formats with what each of them keeps; those that cannot hold these masks say why.

    Parameters
    ----------
    offers : sequence of Offer
    kind : str
        The one that is chosen at first, if it can be.
    """

    def __init__(
        self, offers: Sequence[Offer], kind: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export masks")
        self._offers = list(offers)
        words = QLabel("Choose a format. What it cannot hold is said when the file is written.")
        words.setWordWrap(True)
        self.list = QListWidget()
        self.list.setAccessibleName("Formats")
        self.list.setWordWrap(True)
        self.list.setSpacing(3)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for offer in self._offers:
            self.list.addItem(_item(offer))
        chosen = next((row for row, o in enumerate(self._offers) if o.about.kind == kind), 0)
        self.list.setCurrentRow(0 if self._offers[chosen].refusal else chosen)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        choose = self.buttons.addButton("Choose a place …", QDialogButtonBox.ButtonRole.AcceptRole)
        choose.setDefault(True)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.list.itemDoubleClicked.connect(self._take)
        layout = QVBoxLayout(self)
        layout.addWidget(words)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.buttons)
        self.resize(_WIDTH_PX, _HEIGHT_PX)

    @property
    def chosen(self) -> Offer:
        """The format that is chosen."""
        return self._offers[max(self.list.currentRow(), 0)]

    def _take(self, item: QListWidgetItem) -> None:
        if item.flags() & Qt.ItemFlag.ItemIsEnabled:
            self.accept()


def _item(offer: Offer) -> QListWidgetItem:
    about = offer.about
    title = about.title[:1].upper() + about.title[1:]
    files = " ".join(about.suffixes) or "a folder"
    item = QListWidgetItem(f"{title}   {files}\n{offer.words}")
    if offer.refusal:
        item.setFlags(Qt.ItemFlag.NoItemFlags)
    return item
