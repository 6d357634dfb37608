"""A Labels layer that shows masks frame by frame, and says when somebody paints on it.

The GUI's thread only. What the masks are, and what a stroke means, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QTimer

from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.palette import Color
from napari_sa2va.gui.mask_store import MaskStore
from napari_sa2va.gui.placement import Placement

if TYPE_CHECKING:
    from napari.utils.colormaps import DirectLabelColormap
    from napari.viewer import Viewer

# A run may hand over more frames than anybody can look at, and drawing one takes the GUI a while.
_FOLLOW_EVERY_S = 0.2
_DRAW_EVERY_S = 0.05

# What the mouse does in the layer, apart from painting.
_LOOKING = ("pan_zoom", "transform", "pick")

# How much is painted at a time when many frames change at once.
_AT_A_TIME_PX = 2**21
_AT_A_TIME_S = 0.01


class LabelsView:
    """Shows label images (Y, X) in a Labels layer of the viewer.

    The layer is made by `open`, so that a run which finds nothing leaves none behind.

    Parameters
    ----------
    viewer : napari.Viewer
    placement : Placement
    shape : tuple of int
        (F, Y, X) of the stack.
    store : MaskStore, optional
        Where the label images lie; by default in memory, which they take as they are written.

    Attributes
    ----------
    store : MaskStore
    layer : napari.layers.Labels or None
    on_paint : callable or None
        Called with the frames that somebody has painted on, a moment after the stroke.
    """

    def __init__(
        self,
        viewer: Viewer,
        placement: Placement,
        shape: tuple[int, int, int],
        store: MaskStore | None = None,
    ) -> None:
        self.viewer = viewer
        self.placement = placement
        self.shape = shape
        self.store = MaskStore(np.zeros(shape, np.uint8)) if store is None else store
        self.layer: Labels | None = None
        self.on_paint: Callable[[list[int]], None] | None = None
        self._data: Any = None
        self._colors: dict[int, Color] | None = None  # as this view has set them
        self._stale: set[int] = set()
        self._untold: set[int] = set()  # painted on, which nobody was told yet
        self._plane_of: Callable[[int], np.ndarray] | None = None
        self._paints_soon = False
        self._draws_soon = False
        self._drawn_at = float("-inf")
        self._follows = False
        self._followed_at = float("-inf")
        self._followed_to: tuple[float, ...] | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer, and its data are those that this view paints on."""
        layer = self.layer
        return layer is not None and layer in self.viewer.layers and layer.data is self._data

    @property
    def highest_label(self) -> int:
        """The highest label that there is room for: an array in memory grows, one on disk does not."""
        is_fixed = self.layer is not None and not isinstance(self._data, np.ndarray)
        dtype = self._data.dtype if is_fixed else np.uint16
        return int(np.iinfo(dtype).max)

    def open(
        self,
        name: str,
        colors: Mapping[int, Color],
        *,
        features: Mapping[str, list[Any]] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Labels:
        """Make the layer.

        Parameters
        ----------
        name : str
        colors : mapping of int to (red, green, blue)
            By label, 0 to 255.
        features, metadata : optional
            Of the layer.
        """
        layer = self._made
        if max(colors, default=0) > np.iinfo(layer.data.dtype).max:
            layer.data = layer.data.astype(np.uint16)
        self._data = layer.data
        self._colors = dict(colors)
        layer.name = name
        layer.colormap = colormap_of(colors)
        layer.features = dict(features or {})
        layer.metadata = metadata or {}
        self._let_go_if_moved()
        # All that can be done before is done: with this line the window stands still for a while.
        self.viewer.add_layer(layer)
        self._take(layer)
        self._followed_to = tuple(self.viewer.dims.point)  # a new layer may move the sliders
        return layer

    def adopt(self, layer: Labels) -> None:
        """Show masks in a layer that is there already."""
        self._data = layer.data
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
        self._living()
        self._write(f, plane)
        if not (follow and self._moved_to(f)) and self.is_in_view(f):
            self._draw_soon()

    def show_all(self, frames: Iterable[int], plane_of: Callable[[int], np.ndarray]) -> None:
        """Paint the label images of many frames: the one in view now, the others in a moment.

        Parameters
        ----------
        frames : iterable of int
        plane_of : callable
            The label image of a frame; asked when it is painted.

        Raises
        ------
        OutputError
            If the user removed the layer.
        """
        self._living()
        self._stale.update(frames)
        self._plane_of = plane_of
        self._catch_up()

    def read(self, f: int) -> np.ndarray:
        """The label image of a frame as it is in the layer, (Y, X)."""
        self._freshen(f)
        part = np.asarray(self._data[self.placement.plane_index(f)])
        return self.placement.from_layer(part)

    def recolor(self, colors: Mapping[int, Color]) -> None:
        """Show labels in other colours."""
        if self.layer is not None and self._colors != dict(colors):
            self._colors = dict(colors)
            self.layer.colormap = colormap_of(colors)

    @property
    def frame_in_view(self) -> int | None:
        """The frame that the slider stands on; None if it stands outside the clip."""
        return self.placement.frame_of(self._point())

    def is_in_view(self, f: int) -> bool:
        """Whether a frame is to be seen now."""
        return self._plays_in_sight or self.frame_in_view == f

    def is_painted_on(self, f: int) -> bool:
        """Whether somebody may be in the middle of a stroke on a frame, of which nothing was told."""
        if self.layer is None or f in self._stale:
            return False
        return f in self._untold or (self.layer.mode not in _LOOKING and self.is_in_view(f))

    @property
    def _plays_in_sight(self) -> bool:
        """Whether frames or planes lie along an axis of the canvas, so that many are seen."""
        layer, dims = self.layer, self.viewer.dims
        extra = dims.ndim - (self._made if layer is None else layer).ndim
        moving = (self.placement.time_dim, self.placement.plane_dim)
        return any(d is not None and extra + d in dims.displayed for d in moving)

    def soon(self, action: Callable[[], None]) -> None:
        """Do something when the window has had its turn."""
        QTimer.singleShot(0, action)

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
        layer.events.data.connect(lambda event: self._replaced())
        self.viewer.dims.events.current_step.connect(self._slid)

    def _painted(self) -> None:
        """Note the frames of a stroke; napari may tell of it before it has written the pixels."""
        layer = self.layer
        assert layer is not None
        here = self.frame_in_view
        if layer.n_edit_dimensions > 2 or self._plays_in_sight:
            self._untold.update(range(self.placement.stack_length))
        elif here is not None:
            self._untold.add(here)
        QTimer.singleShot(0, self._tell)

    def _replaced(self) -> None:
        """Go on with data that somebody gave to the layer: another dtype, or pixels changed."""
        assert self.layer is not None
        data = self.layer.data
        if data is not self._data and tuple(data.shape) == tuple(self._data.shape):
            self._data = data
            self._untold.update(range(self.placement.stack_length))
            QTimer.singleShot(0, self._tell)

    def _tell(self) -> None:
        # A stroke through several frames may have met some that were out of date.
        frames = sorted(self._untold - self._stale)
        self._untold.clear()
        if frames and self.on_paint is not None and self.is_shown:
            self.on_paint(frames)

    def _living(self) -> None:
        if not self.is_shown:
            name = "of masks" if self.layer is None else repr(self.layer.name)
            is_there = self.layer is not None and self.layer in self.viewer.layers
            raise OutputError(
                f"The layer {name} was {'given other data' if is_there else 'removed'}, so the run was "
                "stopped.",
                "Press Run to begin again.",
            )

    def _write(self, f: int, plane: np.ndarray) -> None:
        self._stale.discard(f)
        if int(plane.max(initial=0)) > np.iinfo(self._data.dtype).max:
            self._widen()
        part = self.placement.to_layer(plane).astype(self._data.dtype, copy=False)
        try:
            self._data[self.placement.plane_index(f)] = part
        except OSError as error:
            raise OutputError(
                f"The masks of frame {f} cannot be kept on disk: {error}.",
                "Make room there, and press Continue.",
            ) from error

    def _freshen(self, f: int) -> bool:
        """Paint a frame if it is out of date; whether it was."""
        if f not in self._stale or self._plane_of is None:
            return False
        self._write(f, self._plane_of(f))
        return True

    def _catch_up(self) -> None:
        """Paint some of the frames that are out of date, the one in view first."""
        if not self.is_shown:
            self._stale.clear()
            return
        begin, painted, seen = perf_counter(), 0, False
        here = self.frame_in_view
        for f in sorted(self._stale, key=lambda f: (f != here, f)):
            self._freshen(f)
            seen = seen or self.is_in_view(f)
            painted += self.shape[1] * self.shape[2]
            if painted >= _AT_A_TIME_PX and perf_counter() - begin > _AT_A_TIME_S:
                break
        if seen:
            self._draw_soon()
        if self._stale and not self._paints_soon:
            self._paints_soon = True
            QTimer.singleShot(0, self._go_on)

    def _go_on(self) -> None:
        self._paints_soon = False
        self._catch_up()

    def _slid(self, event: Any = None) -> None:
        """Whoever moves the slider sees no frame that is out of date."""
        here = self.frame_in_view if self._stale else None
        if here is not None and self.is_shown and self._freshen(here):
            self._draw()

    def _draw_soon(self) -> None:
        """Draw anew, together with what else changes within a moment."""
        if not self._draws_soon:
            self._draws_soon = True
            wait_s = max(self._drawn_at + _DRAW_EVERY_S - perf_counter(), 0.0)
            QTimer.singleShot(int(wait_s * 1000), self._draw)

    def _draw(self) -> None:
        self._draws_soon = False
        if self.layer is not None and self.is_shown:
            self.layer.refresh(extent=False)
            self._drawn_at = perf_counter()

    def _widen(self) -> None:
        """Give labels beyond 255 room."""
        assert self.layer is not None
        self._data = self._data.astype(np.uint16)
        self.store = MaskStore(self._data)  # the array before would be kept for nothing
        self.layer.data = self._data

    def _point(self) -> tuple[float, ...]:
        """Where the viewer's sliders stand, in data coordinates of the layer."""
        dims = self.viewer.dims
        point = np.asarray(dims.point)
        if self.layer is not None:
            return tuple(float(v) for v in self.layer.world_to_data(point))
        made = self._made
        return tuple(float(v) for v in made.world_to_data(point[-made.ndim :]))

    @cached_property
    def _made(self) -> Labels:
        """The layer before it is in the viewer: it knows already where it lies."""
        return Labels(self.placement.view(self.store.data), **self.placement.transform)

    def _moved_to(self, f: int) -> bool:
        """Move the slider along; whether that drew the frame anew."""
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
        """Follow no longer if the user took the slider; whether nothing is followed now."""
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
        if not moving or self._plays_in_sight:
            return False
        near = layer.world_to_data(np.asarray(dims.point))
        world = layer.data_to_world(place.point_of(f, near))
        for d in moving:
            dims.set_point(extra + d, float(world[d]))
        return True


def load_ahead() -> None:
    """Let napari load what it needs for its first layer of labels: it takes about a second."""
    Labels(np.zeros((1, 1), np.uint8), features={"index": [1]})


def colormap_of(colors: Mapping[int, Color]) -> DirectLabelColormap:
    """The objects' colours as a colormap; labels painted later are grey."""
    from napari.utils.colormaps import DirectLabelColormap

    table: dict[int | None, Any] = {None: (0.6, 0.6, 0.6, 1.0), 0: (0.0, 0.0, 0.0, 0.0)}
    for label, (red, green, blue) in colors.items():
        table[label] = (red / 255, green / 255, blue / 255, 1.0)
    return DirectLabelColormap(color_dict=table)
