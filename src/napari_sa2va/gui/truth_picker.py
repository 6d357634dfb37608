"""Chooses the Labels layer that is taken for the truth, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_sa2va.gui.layer_or_none import LayerOrNone
from napari_sa2va.gui.workspace import workspace_of

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_sa2va.gui.workspace import Workspace

_TIP = (
    "Labels that are right. They may be of another type, on disk, have fewer axes or another "
    "resolution, as long as they lie on the image."
)


class TruthPicker(LayerOrNone):
    """Follows the viewer's Labels layers, but for that of the workspace; does so after `watch`.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "Truth", _TIP, parent)
        self._workspace: Workspace | None = None

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Leave out the layer of another workspace."""
        self._workspace = workspace
        self.refill()

    def offers(self, layer: Layer) -> bool:
        """Labels that are not what is scored."""
        from napari.layers import Labels

        mine = self._workspace
        # Of a layer that is being added, the workspace does not know yet that it is its own.
        return isinstance(layer, Labels) and (mine is None or workspace_of(layer) is not mine)
