"""A list of the viewer's layers of some kind, with "none" on top; it follows the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtWidgets import QWidget

from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.layer_picker import list_events

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

_NONE = "none"


class LayerOrNone(ElidingCombo):
    """Base of the lists; a subclass says with `offers` which layers are on it.

    Parameters
    ----------
    viewer : napari.Viewer
    name : str
        What a screen reader calls it.
    tip : str
    """

    def __init__(self, viewer: Viewer, name: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._viewer = viewer
        self._layers: list[Layer] = []
        self.setAccessibleName(name)
        self.setToolTip(tip)
        self.addItem(_NONE)

    def offers(self, layer: Layer) -> bool:
        """Whether a layer of the viewer is on the list."""
        raise NotImplementedError

    @property
    def layer(self) -> Layer | None:
        """The layer chosen; None if there is none."""
        index = self.currentIndex() - 1
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer of the list, or none."""
        self.setCurrentIndex(0 if layer is None else self._layers.index(layer) + 1)

    def watch(self) -> None:
        """Follow the viewer from now on."""
        self.unwatch()
        for event in list_events(self._viewer):
            event.connect(self.refill)
        self.refill()

    def unwatch(self) -> None:
        """Hear nothing more of the viewer."""
        for event in list_events(self._viewer):
            event.disconnect(self.refill)
        self._forget_layers()

    def refill(self, event: Any = None) -> None:
        """List the layers anew; the one chosen stays as long as it is there."""
        if not isalive(self):
            return
        chosen = self.layer
        self._forget_layers()
        # The viewer lists the top layer last; a person reads from the top.
        self._layers = [layer for layer in reversed(self._viewer.layers) if self.offers(layer)]
        for layer in self._layers:
            layer.events.name.connect(self._rename)
        # Whoever listens hears of another choice only if it is another.
        was_blocked = self.blockSignals(True)
        self.clear()
        self.addItems([_NONE, *(layer.name for layer in self._layers)])
        self.choose(chosen if chosen in self._layers else None)
        self.blockSignals(was_blocked)
        if self.layer is not chosen:
            self.currentIndexChanged.emit(self.currentIndex())

    def _rename(self, event: Any = None) -> None:
        if isalive(self):
            for index, layer in enumerate(self._layers, 1):
                self.setItemText(index, layer.name)

    def _forget_layers(self) -> None:
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers = []
