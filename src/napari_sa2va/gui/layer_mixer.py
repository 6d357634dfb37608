"""A button that adds further image layers to the one that is chosen, as its channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

if TYPE_CHECKING:
    from napari.layers import Image

_TIP = "Show the model further layers together with this one, added up as on the canvas."


class LayerMixer(QPushButton):
    """Offers layers in a menu; hidden as long as there is none."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._offered: list[Image] = []
        self._taken: list[Image] = []
        menu = QMenu(self)
        menu.triggered.connect(self._read_menu)
        self.setMenu(menu)
        self.setAccessibleName("Further layers")
        self.offer([])

    @property
    def layers(self) -> tuple[Image, ...]:
        """The layers that are added, in the order in which they are offered."""
        return tuple(self._taken)

    def offer(self, layers: Sequence[Image]) -> None:
        """Offer these layers; those that are offered no more are no more added either."""
        before = self.layers
        self._offered = list(layers)
        self._taken = [layer for layer in self._taken if layer in self._offered]
        menu = self.menu()
        menu.clear()
        for layer in self._offered:
            action = menu.addAction(layer.name)
            action.setCheckable(True)
            action.setChecked(layer in self._taken)
        self.setVisible(bool(self._offered))
        self._show_count()
        if self.layers != before:
            self.changed.emit()

    def take(self, layers: Sequence[Image]) -> None:
        """Add these layers, and no others."""
        for layer, action in zip(self._offered, self.menu().actions(), strict=True):
            action.setChecked(layer in layers)
        self._read_menu()

    def _read_menu(self) -> None:
        actions = self.menu().actions()
        self._taken = [
            layer
            for layer, action in zip(self._offered, actions, strict=True)
            if action.isChecked()
        ]
        self._show_count()
        self.changed.emit()

    def _show_count(self) -> None:
        names = [layer.name for layer in self.layers]
        words = {0: "+ layers", 1: "+ 1 layer"}.get(len(names), f"+ {len(names)} layers")
        self.setText(words)
        self.setToolTip(f"{_TIP}\n\nAdded: {', '.join(names)}" if names else _TIP)
