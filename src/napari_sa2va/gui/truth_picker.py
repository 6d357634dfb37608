"""Chooses the Labels layer that is taken for the truth, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtWidgets import QWidget

from napari_sa2va.gui.eliding import ElidingCombo
from napari_sa2va.gui.layer_picker import list_events
from napari_sa2va.gui.workspace import workspace_of

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_sa2va.gui.workspace import Workspace

_NONE = "none"


class TruthPicker(ElidingCombo):
    """Follows the viewer's Labels layers, but for that of the workspace.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._viewer = viewer
        self._workspace: Workspace | None = None
        self._layers: list[Labels] = []
        self.setAccessibleName("Truth")
        self.setToolTip(
            "Labels that are right. They may be of another type, on disk, have fewer axes or another "
            "resolution, as long as they lie on the image."
        )
        self.addItem(_NONE)

    @property
    def layer(self) -> Labels | None:
        """The layer chosen; None if there is none."""
        index = self.currentIndex() - 1
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Labels | None) -> None:
        """Choose a layer of the list, or none."""
        self.setCurrentIndex(0 if layer is None else self._layers.index(layer) + 1)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Leave out the layer of another workspace."""
        self._workspace = workspace
        self.refill()

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
        from napari.layers import Labels

        chosen, mine = self.layer, self._workspace
        self._forget_layers()
        # The viewer lists the top layer last; a person reads from the top.
        self._layers = [
            layer
            for layer in reversed(self._viewer.layers)
            if isinstance(layer, Labels)
            # Of a layer that is being added, the workspace does not know yet that it is its own.
            and (mine is None or workspace_of(layer) is not mine)
        ]
        for layer in self._layers:
            layer.events.name.connect(self._rename)
        self.clear()
        self.addItems([_NONE, *(layer.name for layer in self._layers)])
        self.choose(chosen if chosen in self._layers else None)

    def _rename(self, event: Any = None) -> None:
        if isalive(self):
            for index, layer in enumerate(self._layers, 1):
                self.setItemText(index, layer.name)

    def _forget_layers(self) -> None:
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers = []
