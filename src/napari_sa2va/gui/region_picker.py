"""Chooses the layer whose labels, shapes or points are regions of a question, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtWidgets import QWidget

from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.layer_picker import list_events

if TYPE_CHECKING:
    from napari.layers import Labels, Points, Shapes
    from napari.viewer import Viewer

_NONE = "none"


class RegionPicker(ElidingCombo):
    """Follows the viewer's layers that can mark regions.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._viewer = viewer
        self._layers: list[Labels | Shapes | Points] = []
        self.setAccessibleName("Regions")
        self.setToolTip(
            "A layer of labels or shapes whose regions questions may call region1, region2 ..., or "
            "of points, which all click on one region."
        )
        self.addItem(_NONE)
        self.watch()

    def watch(self) -> None:
        """Follow the viewer from now on."""
        self.unwatch()
        for event in list_events(self._viewer):
            event.connect(self._refill)
        self._refill()

    def unwatch(self) -> None:
        """Hear nothing more of the viewer."""
        for event in list_events(self._viewer):
            event.disconnect(self._refill)
        self._forget_layers()

    @property
    def layer(self) -> Labels | Shapes | Points | None:
        """The layer chosen; None if there is none."""
        index = self.currentIndex() - 1
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def _refill(self, event: Any = None) -> None:
        """List the layers anew; the one chosen stays as long as it is there."""
        if not isalive(self):
            return
        from napari.layers import Labels, Points, Shapes

        chosen = self.layer
        self._forget_layers()
        # The viewer lists the top layer last; a person reads from the top.
        self._layers = [
            layer for layer in self._viewer.layers if isinstance(layer, Labels | Shapes | Points)
        ][::-1]
        for layer in self._layers:
            layer.events.name.connect(self._rename)
        # Whoever listens hears of another choice only if it is another.
        was_blocked = self.blockSignals(True)
        self.clear()
        self.addItems([_NONE, *(layer.name for layer in self._layers)])
        if chosen in self._layers:
            self.setCurrentIndex(self._layers.index(chosen) + 1)
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
