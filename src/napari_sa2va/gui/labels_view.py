"""A Labels layer that shows masks frame by frame, and says when somebody paints on it.

The GUI's thread only. What the masks are, and what a stroke means, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.palette import Color
from napari_sa2va.gui.placement import Placement

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap
    from napari.viewer import Viewer

_FOLLOW_EVERY_S = 0.1


class LabelsView:
    """Shows label images (Y, X) in a Labels layer of the viewer.

    The layer is made by `open`, so that a run which finds nothing leaves none behind.

    Parameters
    ----------
    viewer : napari.Viewer
    placement : Placement
    shape : tuple of int
        (F, Y, X) of the stack.

    Attributes
    ----------
    layer : napari.layers.Labels or None
    on_paint : callable or None
        Called with the frames that somebody has painted on, a moment after the stroke.
    """

    def __init__(self, viewer: Viewer, placement: Placement, shape: tuple[int, int, int]) -> None:
        self.viewer = viewer
        self.placement = placement
        self.shape = shape
        self.layer: Labels | None = None
        self.on_paint: Callable[[list[int]], None] | None = None
        self._data: Any = None
        self._follows = False
        self._followed_at = float("-inf")
        self._followed_to: tuple[float, ...] | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer is not None and self.layer in self.viewer.layers

    def open(
        self,
        name: str,
        colors: Mapping[int, Color],
        *,
        data: Any = None,
        features: Mapping[str, list[Any]] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Labels:
        """Make the layer.

        Parameters
        ----------
        name : str
        colors : mapping of int to (red, green, blue)
            By label, 0 to 255.
        data : array, optional
            NumPy (F, Y, X), or an array on disk in the shape that `Placement.layer_shape` tells. By
            default zeros, which take no memory until they are written to.
        features, metadata : optional
            Of the layer.
        """
        if data is None:
            dtype = np.uint8 if max(colors, default=0) < 256 else np.uint16
            data = np.zeros(self.shape, dtype)
        self._data = self.placement.view(data)
        self._let_go_if_moved()
        layer = self.viewer.add_labels(
            self._data,
            name=name,
            colormap=colormap_of(colors),
            features=dict(features or {}),
            metadata=metadata or {},
            **self.placement.transform,
        )
        self._take(layer)
        self._followed_to = tuple(self.viewer.dims.point)  # a new layer may move the sliders
        return layer

    def adopt(self, layer: Labels) -> None:
        """Show masks in a layer that is there already."""
        self._data = layer.data[0] if layer.multiscale else layer.data
        self._take(layer)

    def show(self, f: int, plane: np.ndarray, *, follow: bool = True) -> None:
        """Paint the label image of a frame.

        Parameters
        ----------
        f : int
        plane : ndarray of int, shape (Y, X)
        follow : bool
            Whether the slider may move there, if it follows at all.

        Raises
        ------
        OutputError
            If the user removed the layer.
        """
        layer = self._living()
        highest = int(plane.max(initial=0))
        if highest > np.iinfo(self._data.dtype).max:
            self._widen(layer)
        self._data[self.placement.plane_index(f)] = self.placement.to_layer(plane)
        if not (follow and self._moved_to(f, layer)) and self.is_in_view(f):
            layer.refresh()

    def show_all(self, planes: Iterable[tuple[int, np.ndarray]]) -> None:
        """Paint the label images of many frames, and draw once."""
        layer = self._living()
        for f, plane in planes:
            if int(plane.max(initial=0)) > np.iinfo(self._data.dtype).max:
                self._widen(layer)
            self._data[self.placement.plane_index(f)] = self.placement.to_layer(plane)
        layer.refresh()

    def read(self, f: int) -> np.ndarray:
        """The label image of a frame as it is in the layer, (Y, X)."""
        part = np.asarray(self._data[self.placement.plane_index(f)])
        return self.placement.from_layer(part)

    def recolor(self, colors: Mapping[int, Color]) -> None:
        """Show labels in other colours."""
        if self.layer is not None:
            self.layer.colormap = colormap_of(colors)

    @property
    def frame_in_view(self) -> int | None:
        """The frame that the slider stands on; None if it stands outside the clip."""
        return self.placement.frame_of(self._point())

    def is_in_view(self, f: int) -> bool:
        """Whether a frame is to be seen now."""
        if self.viewer.dims.ndisplay == 3:
            return True
        return self.frame_in_view == f

    def go_to(self, f: int) -> None:
        """Move the slider to a frame."""
        self._move(f)

    def follow(self, follows: bool) -> None:
        """Move the slider along with the frames that are shown from now on, until the user does."""
        self._follows, self._followed_to = follows, tuple(self.viewer.dims.point)

    def _take(self, layer: Labels) -> None:
        self.layer = layer
        # A function and not a method: the emitter holds methods weakly, and it is the layer that
        # keeps this view, and what listens to it, alive.
        layer.events.paint.connect(lambda event: self._painted())

    def _painted(self) -> None:
        """Note the frames of a stroke; napari may tell of it before it has written the pixels."""
        layer = self.layer
        assert layer is not None
        if layer.n_edit_dimensions > 2:
            frames = list(range(self.placement.stack_length))
        else:
            here = self.frame_in_view
            frames = [] if here is None else [here]
        QTimer.singleShot(0, lambda: self._tell(frames))

    def _tell(self, frames: list[int]) -> None:
        if self.on_paint is not None and self.is_shown:
            self.on_paint(frames)

    def _living(self) -> Labels:
        if self.layer is None or self.layer not in self.viewer.layers:
            name = "of masks" if self.layer is None else repr(self.layer.name)
            raise OutputError(
                f"The layer {name} was removed, so the run was stopped.",
                "Press Run to begin again.",
            )
        return self.layer

    def _widen(self, layer: Labels) -> None:
        """Give labels beyond 255 room."""
        if not isinstance(self._data, np.ndarray):
            raise OutputError(
                f"The array on disk holds labels up to {np.iinfo(self._data.dtype).max} only.",
                "Begin again with a new layer.",
            )
        self._data = self._data.astype(np.uint16)
        layer.data = self._data

    def _point(self) -> tuple[float, ...]:
        """Where the viewer's sliders stand, in data coordinates of the layer."""
        dims = self.viewer.dims
        point = np.asarray(dims.point)
        if self.layer is not None:
            return tuple(float(v) for v in self.layer.world_to_data(point))
        from napari.layers import Labels

        # Before there is a layer: one of the same transform and no pixels tells.
        shape = self.placement.layer_shape(self.shape)
        empty = np.broadcast_to(np.zeros((), np.uint8), shape)
        stand_in = Labels(empty, **self.placement.transform)
        return tuple(float(v) for v in stand_in.world_to_data(point[-stand_in.ndim :]))

    def _moved_to(self, f: int, layer: Labels) -> bool:
        """Move the slider along; whether that drew the frame anew."""
        if not self._follows:
            return False
        if self._let_go_if_moved():
            return False
        here = tuple(self.viewer.dims.point)
        now = perf_counter()
        if now - self._followed_at < _FOLLOW_EVERY_S:
            return False
        self._followed_at = now
        if not self._move(f):
            return False
        self._followed_to = tuple(self.viewer.dims.point)
        return not np.allclose(here, self._followed_to)

    def _let_go_if_moved(self) -> bool:
        """Follow no longer if the user took the slider; whether that is so."""
        here, known = self.viewer.dims.point, self._followed_to
        if known is not None and (len(here) != len(known) or not np.allclose(here, known)):
            self._follows = False
        return not self._follows

    def _move(self, f: int) -> bool:
        """Move the sliders to a frame; False if its axes are not sliders now."""
        layer, dims, place = self.layer, self.viewer.dims, self.placement
        if layer is None:
            return False
        moving = [d for d in (place.time_dim, place.plane_dim) if d is not None]
        extra = dims.ndim - layer.ndim
        if not moving or any(extra + d in dims.displayed for d in moving):
            return False
        near = layer.world_to_data(np.asarray(dims.point))
        world = layer.data_to_world(place.point_of(f, near))
        for d in moving:
            dims.set_point(extra + d, float(world[d]))
        return True


def colormap_of(colors: Mapping[int, Color]) -> DirectLabelColormap:
    """The objects' colours as a colormap; labels painted later are grey."""
    from napari.utils.colormaps import DirectLabelColormap

    table: dict[int | None, Any] = {None: (0.6, 0.6, 0.6, 1.0), 0: (0.0, 0.0, 0.0, 0.0)}
    for label, (red, green, blue) in colors.items():
        table[label] = (red / 255, green / 255, blue / 255, 1.0)
    return DirectLabelColormap(color_dict=table)
