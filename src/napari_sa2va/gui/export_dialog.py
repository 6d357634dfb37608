"""Asks in which format masks are to be written."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.gui.exporter import Offer

_WIDTH_PX, _HEIGHT_PX = 560, 470
_LINES = 4  # that the longest text below the list takes


class FormatDialog(QDialog):
    """All formats, and what the chosen one keeps; those that cannot hold these masks say why.

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
        self.list = QTreeWidget()
        self.list.setAccessibleName("Formats")
        self.list.setRootIsDecorated(False)
        self.list.setHeaderLabels(["Format", "Ending"])
        self.list.addTopLevelItems([_item(offer) for offer in self._offers])
        self.list.resizeColumnToContents(0)
        self.keeps = QLabel()
        self.keeps.setWordWrap(True)
        self.keeps.setAlignment(Qt.AlignmentFlag.AlignTop)
        # As high for every format, or the list would jump.
        self.keeps.setMinimumHeight(_LINES * self.keeps.fontMetrics().lineSpacing())
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        accept = QDialogButtonBox.ButtonRole.AcceptRole
        self.choose_button = self.buttons.addButton("Choose a place …", accept)
        self.choose_button.setDefault(True)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.list.currentItemChanged.connect(self._show_chosen)
        self.list.itemDoubleClicked.connect(lambda *_: self.choose_button.click())
        layout = QVBoxLayout(self)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.keeps)
        layout.addWidget(self.buttons)
        self.resize(_WIDTH_PX, _HEIGHT_PX)
        self.choose(kind)

    @property
    def chosen(self) -> Offer:
        """The format that is chosen."""
        return self._offers[max(self.list.currentIndex().row(), 0)]

    def choose(self, kind: str) -> None:
        """Choose a format by its kind; the first one if there is none, or it cannot be chosen."""
        fits = (o.about.kind == kind and not o.refusal for o in self._offers)
        row = next((row for row, this in enumerate(fits) if this), 0)
        self.list.setCurrentIndex(self.list.model().index(row, 0))

    def _show_chosen(self) -> None:
        offer = self.chosen
        self.keeps.setText(offer.refusal or f"Keeps {offer.words}.")
        self.choose_button.setEnabled(not offer.refusal)
        has_place = offer.store is not None
        self.choose_button.setText("Export" if has_place else "Choose a place …")


def _item(offer: Offer) -> QTreeWidgetItem:
    about = offer.about
    item = QTreeWidgetItem([about.title, " ".join(about.suffixes) or "a folder"])
    item.setToolTip(0, offer.refusal or offer.words)
    if offer.refusal:  # it can be looked at, to read why
        for column in range(2):
            font = item.font(column)
            font.setItalic(True)
            item.setFont(column, font)
    return item
