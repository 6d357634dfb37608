"""Chooses the part of the frames to look at: the whole image, or a rectangle of a Shapes layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_sa2va.core.region_box import Box
from napari_sa2va.gui.eliding import ElidingCombo

if TYPE_CHECKING:
    from napari.layers import Image, Shapes
    from napari.viewer import Viewer

    from napari_sa2va.gui.layer_axes import LayerAxes

_WHOLE = "the whole image"


class InsidePicker(ElidingCombo):
    """Follows the rectangles in the viewer's Shapes layers.

    Whoever holds it hides it as long as there is none (see `has_rectangles`).

    Parameters
    ----------
    viewer : napari.Viewer
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._viewer = viewer
        self._layers: list[Shapes] = []
        self._rectangles: list[tuple[Shapes, int]] = []
        self.setAccessibleName("Only inside")
        self.setToolTip(
            "Only the inside of a rectangle is shown to the model, in more detail, and read. It holds "
            "for every frame and plane; what is around it stays as it is."
        )
        self.addItem(_WHOLE)
        self.currentIndexChanged.connect(self.changed)

    @property
    def has_rectangles(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self._rectangles)

    def follow(self) -> None:
        """List the rectangles of all Shapes layers anew; the one chosen stays if it is there."""
        from napari.layers import Shapes

        self.unfollow()
        self._layers = [layer for layer in self._viewer.layers if isinstance(layer, Shapes)][::-1]
        for layer in self._layers:
            layer.events.data.connect(self._refill)
            layer.events.name.connect(self._refill)
        self._refill()

    def unfollow(self) -> None:
        """Hear nothing more of the layers."""
        for layer in self._layers:
            layer.events.data.disconnect(self._refill)
            layer.events.name.disconnect(self._refill)
        self._layers = []

    def box(self, image: Image, axes: LayerAxes) -> Box | None:
        """The part to look at in px of the image's frames; None for all.

        Raises
        ------
        RequestError
            If the rectangle lies outside the image or is too small.
        """
        index = self.currentIndex() - 1
        if not 0 <= index < len(self._rectangles):
            return None
        layer, number = self._rectangles[index]
        corners = np.array(
            [image.world_to_data(layer.data_to_world(c)) for c in np.asarray(layer.data[number])]
        )
        size = axes.shape[axes.y], axes.shape[axes.x]
        return Box.around(corners[:, [axes.y, axes.x]], *size)

    def _refill(self, event: Any = None) -> None:
        if not isalive(self):
            return
        index = self.currentIndex() - 1
        chosen = self._rectangles[index] if 0 <= index < len(self._rectangles) else None
        self._rectangles = [
            (layer, number)
            for layer in self._layers
            for number, kind in enumerate(layer.shape_type)
            if kind == "rectangle"
        ]
        was_blocked = self.blockSignals(True)
        self.clear()
        self.addItem(_WHOLE)
        for layer, number in self._rectangles:
            is_only = sum(other == layer for other, _ in self._rectangles) == 1
            self.addItem(layer.name if is_only else f"{layer.name} {number + 1}")
        if chosen in self._rectangles:
            self.setCurrentIndex(self._rectangles.index(chosen) + 1)
        self.blockSignals(was_blocked)
        # The rectangle that is chosen may have been moved, or be gone.
        self.changed.emit()
