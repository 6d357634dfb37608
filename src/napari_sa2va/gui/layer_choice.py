"""Chooses image layers whose intensities are measured besides what the model saw."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QPushButton, QSizePolicy, QWidget

from napari_sa2va.gui.layer_beside import layers_beside
from napari_sa2va.gui.staying_menu import StayingMenu

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sa2va.gui.workspace import Workspace

_CLIP = "What the model saw"
_ARROW_PX = 28


class LayerChoice(QPushButton):
    """A button with a menu, which is made anew whenever it opens: it listens to no layer."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace: Workspace | None = None
        self._chosen: list[Image] = []
        self._words = ""
        self.setAccessibleName("Intensities to measure")
        self.setToolTip(
            "Of which channels the mean intensity is measured: those that the model saw, and other "
            "image layers that lie on them. Values are those of the layers, not of the screen."
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._menu = StayingMenu(self)
        self._menu.aboutToShow.connect(self._fill)
        self.setMenu(self._menu)
        self.refresh()

    @property
    def layers(self) -> list[Image]:
        """The layers chosen that are still in the viewer."""
        if self._workspace is None:
            return []
        there = self._workspace.view.viewer.layers
        return [layer for layer in self._chosen if layer in there]

    def set_workspace(self, workspace: Workspace | None, names: Collection[str] = ()) -> None:
        """Choose for another workspace; layers of these names at first."""
        self._workspace = workspace
        layers = () if workspace is None else workspace.view.viewer.layers
        self._chosen = [layer for name in names for layer in layers if layer.name == name]
        self._menu.clear()
        self.refresh()

    def choose(self, layer: Image, chosen: bool = True) -> None:
        """Measure a layer too, or not any more."""
        self._chosen = [one for one in self.layers if one != layer]
        if chosen:
            self._chosen.append(layer)
        self.refresh()
        self.changed.emit()

    def refresh(self) -> None:
        """Say what is chosen."""
        self._words = " + ".join([_CLIP, *(layer.name for layer in self.layers)])
        self.setAccessibleDescription(self._words)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten what does not fit."""
        super().resizeEvent(event)
        self._elide()

    def sizeHint(self) -> QSize:
        """As wide as may be, and not more than there is."""
        return QSize(160, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """A few letters wide."""
        return QSize(80, super().minimumSizeHint().height())

    def _elide(self) -> None:
        room = self.width() - _ARROW_PX
        self.setText(self.fontMetrics().elidedText(self._words, Qt.TextElideMode.ElideMiddle, room))

    def _fill(self) -> None:
        self._menu.clear()
        clip = self._menu.addAction(_CLIP)
        clip.setCheckable(True)
        clip.setChecked(True)
        clip.setEnabled(False)
        layers = [] if self._workspace is None else layers_beside(self._workspace)
        for layer in layers:
            self._offer(layer)
        if not layers:
            self._menu.addAction("No other image layer lies on it").setEnabled(False)

    def _offer(self, layer: Image) -> None:
        action = self._menu.addAction(layer.name.replace("&", "&&"))
        action.setCheckable(True)
        action.setChecked(layer in self._chosen)
        action.toggled.connect(lambda checked: self.choose(layer, checked))
