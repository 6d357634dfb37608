"""Marking an object with clicks or a box: a layer of points or shapes over the masks, for a while.

napari's own layers are the tools, so that zooming, moving and deleting marks work as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sa2va.gui.workspace import Workspace

if TYPE_CHECKING:
    from napari.layers import Layer, Points, Shapes

Marks = Literal["on", "off", "box"]

_COLORS = {True: "lime", False: "red"}
_SYMBOLS = {True: "disc", False: "x"}  # told apart without colours too
_ADDED = "added"


class Marking:
    """The layer on which marks are made now, if any.

    Parameters
    ----------
    on_points : callable
        Called with the frame and all points on it, (y, x, whether the object is there) in px, after
        each click inside the image.
    on_box : callable
        Called with the frame and (y0, x0, y1, x1) in px.
    """

    def __init__(
        self,
        on_points: Callable[[int, list[tuple[float, float, bool]]], None],
        on_box: Callable[[int, tuple[float, float, float, float]], None],
    ) -> None:
        self._on_points = on_points
        self._on_box = on_box
        self._workspace: Workspace | None = None
        self.layer: Points | Shapes | None = None
        self.marks: Marks | None = None

    def begin(self, workspace: Workspace, marks: Marks) -> None:
        """Let the user mark: points on the object, points off it, or a box around it."""
        is_box = marks == "box"
        if (
            self.layer is None
            or workspace is not self._workspace
            or is_box != (self.marks == "box")
        ):
            self.end()
            self._workspace = workspace
            self.layer = self._add_box_layer(workspace) if is_box else self._add_points(workspace)
        self.marks = marks
        if marks != "box":
            positive = marks == "on"
            layer: Any = self.layer
            layer.selected_data = set()  # or the points selected would change with what follows
            layer.feature_defaults = {"positive": positive}
            layer.current_face_color = _COLORS[positive]
            layer.current_symbol = _SYMBOLS[positive]
            layer.mode = "add"
        workspace.view.viewer.layers.selection.active = self.layer

    def begin_anew(self) -> None:
        """Take the points away, as the next are for another object; the tool stays."""
        if self.layer is not None and self.marks != "box":
            self.layer.data = np.empty((0, self.layer.ndim))

    def end(self) -> None:
        """Take the marks away, and make the masks the active layer again."""
        layer, workspace = self.layer, self._workspace
        self.layer, self._workspace, self.marks = None, None, None
        if layer is None or workspace is None:
            return
        layers = workspace.view.viewer.layers
        if layer in layers:
            layers.remove(layer)
        if workspace.is_shown:
            layers.selection.active = workspace.layer

    def owns(self, layer: Layer | None) -> bool:
        """Whether this is the layer of marks."""
        return layer is not None and layer == self.layer

    def _add_points(self, workspace: Workspace) -> Points:
        viewer = workspace.view.viewer
        layer = viewer.add_points(
            np.empty((0, len(workspace.view.placement.dims))),
            name="clicks",
            size=8,
            features={"positive": np.empty(0, bool)},
            border_color="white",
            **workspace.view.placement.transform,
        )
        layer.events.data.connect(self._points_changed)
        return layer

    def _add_box_layer(self, workspace: Workspace) -> Shapes:
        viewer = workspace.view.viewer
        layer = viewer.add_shapes(
            ndim=len(workspace.view.placement.dims),
            name="box",
            face_color="transparent",
            edge_color="lime",
            **workspace.view.placement.transform,
        )
        layer.mode = "add_rectangle"
        layer.events.data.connect(self._shapes_changed)
        return layer

    def _points_changed(self, event: Any) -> None:
        if self.layer is None or self._workspace is None or _action(event) != _ADDED:
            return
        place = self._workspace.view.placement
        points = np.asarray(self.layer.data)
        frame = place.frame_of(points[-1])
        at = points[:, [place.dims.index("Y"), place.dims.index("X")]]
        # A pixel reaches half a pixel from its centre.
        size = np.array(self._workspace.view.shape[1:])
        is_inside = np.all((at >= -0.5) & (at < size - 0.5), axis=1)
        if frame is None or not is_inside[-1]:
            return
        at = np.clip(at, 0, size - 1)
        here = [
            (float(y), float(x), bool(positive))
            for p, (y, x), positive, inside in zip(
                points, at, self.layer.features["positive"], is_inside, strict=True
            )
            if inside and place.frame_of(p) == frame
        ]
        self._on_points(frame, here)

    def _shapes_changed(self, event: Any) -> None:
        if self.layer is None or self._workspace is None or _action(event) != _ADDED:
            return
        place = self._workspace.view.placement
        corners = np.asarray(self.layer.data[-1])
        frame = place.frame_of(corners[0])
        if frame is None:
            return
        y, x = place.dims.index("Y"), place.dims.index("X")
        _, height, width = self._workspace.view.shape
        # The centre of the first pixel is at 0, its edge at -0.5; a box is given by its edges.
        low = np.clip(corners.min(axis=0)[[y, x]] + 0.5, 0, (height, width))
        high = np.clip(corners.max(axis=0)[[y, x]] + 0.5, 0, (height, width))
        self._on_box(frame, (float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def _action(event: Any) -> str:
    action = getattr(event, "action", "")
    return str(getattr(action, "value", action))
