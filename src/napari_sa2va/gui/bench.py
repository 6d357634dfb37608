"""Which workspace a dock works on: that of the layer which is active, or else the last one.

Every dock has a bench of its own; what they share is the viewer, and the layers in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from psygnal import Signal

from napari_sa2va.gui.workspace import Workspace, workspace_of

if TYPE_CHECKING:
    from napari.viewer import Viewer


_watching: WeakSet[Bench] = WeakSet()


class Bench:
    """Follows the layer that is active.

    Parameters
    ----------
    viewer : napari.Viewer

    Attributes
    ----------
    changed : Signal(Workspace or None)
        There is another workspace to work on, or none any more.
    """

    changed = Signal(object)

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self._workspace: Workspace | None = None

    @property
    def workspace(self) -> Workspace | None:
        """The workspace to work on."""
        return self._workspace

    def watch(self) -> None:
        """Follow the viewer from now on."""
        self.unwatch()
        layers = self.viewer.layers
        layers.selection.events.active.connect(self._look)
        layers.events.removed.connect(self._look)
        layers.events.inserted.connect(self._look)
        _watching.add(self)
        self._look()

    def unwatch(self) -> None:
        """Hear nothing more of the viewer."""
        layers = self.viewer.layers
        layers.selection.events.active.disconnect(self._look)
        layers.events.removed.disconnect(self._look)
        layers.events.inserted.disconnect(self._look)
        _watching.discard(self)

    def take(self, workspace: Workspace | None) -> None:
        """Work on this one, whatever layer is active."""
        if workspace is not self._workspace:
            self._workspace = workspace
            self.changed.emit(workspace)

    def take_adopted(self, workspace: Workspace) -> None:
        """Work on one whose layer was there before, and let other docks of the viewer do so."""
        self.take(workspace)
        for other in list(_watching):  # no event of the viewer has told them
            if workspace.layer in other.viewer.layers:
                other.take(workspace)

    def _look(self, event: Any = None) -> None:
        active = workspace_of(self.viewer.layers.selection.active)
        if active is not None:
            self.take(active)
            return
        current = self._workspace
        # One whose layer has not been made yet is kept: a run is on its way.
        if current is None or (current.layer is not None and not current.is_shown):
            others = (workspace_of(layer) for layer in reversed(self.viewer.layers))
            self.take(next((w for w in others if w is not None), None))
