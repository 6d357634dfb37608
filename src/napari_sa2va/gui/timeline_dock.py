"""The dock "Timeline of objects": the timeline of the masks that are worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QVBoxLayout, QWidget

from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.corrector import toggle_lock, toggle_review
from napari_sa2va.gui.timeline_view import TimelineView

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer

    from napari_sa2va.gui.workspace import Workspace

# A run hands over frames faster than anybody can look at them.
_REFRESH_MS = 150

# Counting masks takes a while: so many are counted before the window is looked after again.
_MOST_MASKS = 1500
_GO_ON_MS = 20


TITLE = "Timeline of objects"


class TimelineDock(QWidget):
    """Shows the timeline of the workspace, and does what is clicked on it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.setObjectName("napari_sa2va_timeline_dock")
        self._viewer = napari_viewer
        self._workspace: Workspace | None = None
        self._is_placed = False
        self.bench = Bench(napari_viewer)
        self.view = TimelineView()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.addWidget(self.view)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        self.view.frame_chosen.connect(self._go_to)
        self.view.object_chosen.connect(self._select)
        self.view.review_toggled.connect(self._toggle_review)
        self.view.lock_toggled.connect(self._toggle_lock)
        self.bench.changed.connect(self._take_workspace)
        self.watch()

    def watch(self) -> None:
        """Follow the viewer from now on."""
        self.unwatch()
        self._viewer.dims.events.current_step.connect(self._moved)
        self.bench.watch()
        self._take_workspace(self.bench.workspace)

    def unwatch(self) -> None:
        """Hear nothing more of the viewer."""
        self._viewer.dims.events.current_step.disconnect(self._moved)
        self.bench.unwatch()
        self._take_workspace(None)

    def refresh(self) -> None:
        """Draw what is known now."""
        self._timer.stop()
        workspace = self._workspace
        if workspace is None:
            self.view.set_timeline(None)
            return
        plane = self._plane
        self.view.set_timeline(workspace.timeline(plane, most_masks=_MOST_MASKS))
        if workspace.timeline_is_behind(plane):
            self._timer.start(_GO_ON_MS)
        self.view.set_selected(workspace.selected)
        frame = workspace.frame_in_view
        if frame is not None:
            self.view.set_frame(frame % workspace.project.state.frames_per_plane)

    @property
    def _plane(self) -> int:
        """The plane in view, of those that are followed each on its own."""
        assert self._workspace is not None  # whoever asks has seen to it
        frame = self._workspace.frame_in_view
        return 0 if frame is None else self._workspace.project.state.plane_of(frame)

    def _frame(self, t: int) -> int:
        """A frame of the plane in view, counted over all planes."""
        assert self._workspace is not None
        return self._plane * self._workspace.project.state.frames_per_plane + t

    def _take_workspace(self, workspace: Workspace | None) -> None:
        old, self._workspace = self._workspace, workspace
        if old is not None:
            old.frames_changed.disconnect(self._later, missing_ok=True)
            old.objects_changed.disconnect(self._later, missing_ok=True)
            old.history_changed.disconnect(self._later, missing_ok=True)
            old.selected_changed.disconnect(self._selected, missing_ok=True)
        if workspace is not None:
            workspace.frames_changed.connect(self._later)
            workspace.objects_changed.connect(self._later)
            workspace.history_changed.connect(self._later)
            workspace.selected_changed.connect(self._selected)
        self.refresh()

    def _later(self) -> None:
        if not self._timer.isActive():
            self._timer.start(_REFRESH_MS)

    def _moved(self, event: Any = None) -> None:
        workspace = self._workspace
        if workspace is None:
            return
        frame = workspace.frame_in_view
        if frame is None:
            return
        if workspace.project.state.planes > 1:
            self._later()
        self.view.set_frame(frame % workspace.project.state.frames_per_plane)

    def _selected(self) -> None:
        if self._workspace is not None:
            self.view.set_selected(self._workspace.selected)

    def _go_to(self, t: int) -> None:
        if self._workspace is not None:
            self._workspace.go_to(self._frame(t))

    def _select(self, object_id: int) -> None:
        if self._workspace is not None:
            self._workspace.select(object_id)

    def _toggle_review(self, t: int) -> None:
        self._try(lambda workspace: toggle_review(workspace, self._frame(t)))

    def _toggle_lock(self, object_id: int, t: int) -> None:
        self._try(lambda workspace: toggle_lock(workspace, object_id, self._frame(t)))

    def _try(self, action: Callable[[Workspace], None]) -> None:
        if self._workspace is None:
            return
        try:
            action(self._workspace)
        except Sa2vaError as error:
            show_warning(str(error))

    def event(self, event: QEvent) -> bool:
        """Let go when the dock is closed: napari then takes this widget out of its window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self._timer.stop()
                self.unwatch()
            else:
                self.watch()
                QTimer.singleShot(0, self._go_below)
        return super().event(event)

    def _go_below(self) -> None:
        """Stand below the canvas: from a menu, napari puts every dock to the right of it."""
        if self._is_placed or not isalive(self):
            return
        self._is_placed = True
        dock, window = self.parent(), self.window()
        while dock is not None and not isinstance(dock, QDockWidget):
            dock = dock.parent()
        if dock is not None and isinstance(window, QMainWindow):
            below = Qt.DockWidgetArea.BottomDockWidgetArea
            if window.dockWidgetArea(dock) != below:
                window.addDockWidget(below, dock)
