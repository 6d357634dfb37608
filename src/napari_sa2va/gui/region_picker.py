"""Chooses the layer whose labels, shapes or points are regions of a question, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_sa2va.gui.layer_or_none import LayerOrNone

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

_TIP = (
    "A layer of labels or shapes whose regions questions may call region1, region2 ..., or "
    "of points, which all click on one region."
)


class RegionPicker(LayerOrNone):
    """Follows the viewer's layers that can mark regions.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "Regions", _TIP, parent)
        self.watch()

    def offers(self, layer: Layer) -> bool:
        """Labels, shapes and points."""
        from napari.layers import Labels, Points, Shapes

        return isinstance(layer, Labels | Shapes | Points)
