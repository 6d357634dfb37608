"""The layers of the result that is reviewed: one at a time, taken away before the next one comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_sa2va.gui.keeper import show_project

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_sa2va.gui.dock import SentenceDock
    from napari_sa2va.gui.review.result import Result
    from napari_sa2va.gui.workspace import Workspace
    from napari_sa2va.project.change import Change
    from napari_sa2va.project.project import Project

_CORRECT = "Correct"


class ReviewStage:
    """Shows results in a viewer.

    Parameters
    ----------
    viewer : napari.Viewer
    dock : callable
        The dock in which masks are corrected; it is opened if it is not open.

    Attributes
    ----------
    workspace : Workspace or None
        The masks on show.
    """

    def __init__(self, viewer: Viewer, dock: Callable[[], SentenceDock]) -> None:
        self._viewer = viewer
        self._dock = dock
        self._layers: list[Layer] = []
        self.workspace: Workspace | None = None
        self._result: Result | None = None
        self._unchanged: Change | None = None  # the last change of the masks as they were read

    @property
    def is_shown(self) -> bool:
        """Whether the masks are in the viewer; a person may have removed them."""
        return self.workspace is not None and self.workspace.is_shown

    @property
    def is_changed(self) -> bool:
        """Whether somebody has changed the masks since they were read."""
        result = self._result
        return result is not None and _last(result.project) is not self._unchanged

    def show(self, result: Result) -> None:
        """Show a result in place of the one before.

        Raises
        ------
        ProjectError
            If what is kept of its view is damaged.
        """
        self.clear()
        self._result, self._unchanged = result, _last(result.project)
        self._open(result)

    def show_again(self) -> None:
        """Show the masks once more, as they are now, when a person has removed them."""
        if self._result is not None:
            self._remove()
            self._open(self._result)

    def clear(self) -> None:
        """Take away what was shown; layers of others stay."""
        self._remove()
        self.leave()

    def leave(self) -> None:
        """Leave what is shown in the viewer; it is not the review's any more."""
        self._layers, self.workspace, self._result, self._unchanged = [], None, None, None

    def select(self, object_id: int) -> None:
        """Select the label of an object."""
        if self.workspace is not None:
            self.workspace.select(object_id)

    def correct(self) -> SentenceDock | None:
        """Open the masks in the dock that corrects, with the settings that they were found with."""
        workspace, result = self.workspace, self._result
        if workspace is None or result is None:
            return None
        dock = self._dock()
        dock.settings.set_value(result.settings)
        dock.bench.take(workspace)
        titles = [dock.tabs.tabText(i) for i in range(dock.tabs.count())]
        dock.tabs.setCurrentIndex(titles.index(_CORRECT))
        return dock

    def hold(self) -> tuple[Project, dict[str, Any]]:
        """The masks on show, or that were until they were removed, and their view.

        Nobody changes them until `let_go`.
        """
        workspace, result = self.workspace, self._result
        assert workspace is not None
        assert result is not None
        workspace.is_being_saved = True
        view = dict(result.view)
        if workspace.is_shown and workspace.layer is not None:
            view["frame"] = workspace.frame_in_view
            view["selected"] = workspace.selected
            view["layer_name"] = workspace.layer.name
        return workspace.project, view

    def let_go(self) -> None:
        """The masks may be changed again."""
        if self.workspace is not None:
            self.workspace.is_being_saved = False

    def _open(self, result: Result) -> None:
        layers = self._viewer.layers
        before = set(layers)
        try:
            self.workspace = show_project(self._viewer, result.project, result.view)
        finally:
            self._layers = [layer for layer in layers if layer not in before]
        self._viewer.reset_view()  # movies differ in size

    def _remove(self) -> None:
        layers, self._layers = self._layers, []
        for layer in reversed(layers):
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)


def _last(project: Project) -> Change | None:
    """The last change; while that is the same one, all others are, too."""
    done = project.history.done
    return done[-1] if done else None
