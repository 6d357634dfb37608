"""Regions that the user marked in layers, as marks on one frame of the clip. No Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import Point, Prompt
from napari_sa2va.core.region_box import Box, prompt_inside
from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes, planes_in_view

_CORNERS_OF_ELLIPSE = 72
_ON_FRAME = 0.5  # how far, in frames or planes, a shape or point may lie from what is in view


def marks_in(
    layer: Any,
    image: Any,
    axes: LayerAxes,
    choice: AxisChoice,
    frame: int,
    box: Box | None = None,
) -> list[Prompt]:
    """Every label, shape, or group of points of a layer as a region of a frame.

    Parameters
    ----------
    layer : napari.layers.Labels, Shapes or Points
        May have another scale and fewer dims than the image.
    image : napari.layers.Image
    axes : LayerAxes
    choice : AxisChoice
    frame : int
        Counted from 0.
    box : Box, optional
        The part of the frames that is looked at; what lies outside is left out, and marks are in px
        of this part.

    Returns
    -------
    list of Prompt
        Masks for labels and closed shapes, clicks for points: all points of the layer on this frame
        are on one object.

    Raises
    ------
    RequestError
        If the layer marks nothing on this frame.
    """
    from napari.layers import Labels, Shapes

    place = _Frame(image, axes, choice, frame)
    if isinstance(layer, Labels):  # napari hands plugins a proxy, whose own type is another
        marks = _labels(layer, place)
    elif isinstance(layer, Shapes):
        marks = _shapes(layer, place)
    else:
        marks = _points(layer, place)
    if not marks:
        raise RequestError(
            f"The layer {layer.name!r} marks nothing on frame {frame}.",
            "Paint, draw or click a region there, or choose no region.",
        )
    prompts = [Prompt(1, "region1", frame=frame, **mark) for mark in marks]
    if box is not None:
        prompts = [inside for p in prompts if not (inside := prompt_inside(p, box)).is_empty]
        if not prompts:
            raise RequestError(
                f"What the layer {layer.name!r} marks lies outside the region.",
                "Mark something inside, or look in the whole image.",
            )
    return [
        replace(prompt, object_id=number, name=f"region{number}")
        for number, prompt in enumerate(prompts, 1)
    ]


class _Frame:
    """One frame of the clip in the world of the viewer."""

    def __init__(self, image: Any, axes: LayerAxes, choice: AxisChoice, frame: int) -> None:
        self.image = image
        self.axes = axes
        self.choice = choice
        self.frame = frame
        self.size = axes.shape[axes.y], axes.shape[axes.x]
        self._shown = planes_in_view(axes, choice)
        if choice.plays is not None:
            self._shown[choice.plays] = frame

    def to_world(self, y: float, x: float) -> tuple[float, ...]:
        """A pixel of the frame in world coordinates."""
        at = [float(self.choice.position(dim)) for dim in range(len(self.axes.shape))]
        for dim, position in self._shown.items():
            at[dim] = position
        at[self.axes.y], at[self.axes.x] = y, x
        return tuple(self.image.data_to_world(at))

    def of(self, layer: Any, position: np.ndarray) -> tuple[float, float, float]:
        """A position in another layer's data: how far from this frame or plane, and y and x in px.

        What a layer has no axis for, it has in every frame or plane.
        """
        at = np.asarray(self.image.world_to_data(layer.data_to_world(position)))
        first = len(self.axes.shape) - layer.ndim  # napari lines axes up from the last
        away = [abs(at[dim] - shown) for dim, shown in self._shown.items() if dim >= first]
        return float(max(away, default=0)), float(at[self.axes.y]), float(at[self.axes.x])


def _labels(layer: Any, place: _Frame) -> list[dict[str, Any]]:
    height, width = place.size
    # Both transforms are affine: three pixels tell where all others are.
    origin, down, right = (
        np.asarray(layer.world_to_data(place.to_world(y, x))) for y, x in ((0, 0), (1, 0), (0, 1))
    )
    y, x = np.mgrid[:height, :width]
    position = origin[:, None, None] + (down - origin)[:, None, None] * y
    position = np.rint(position + (right - origin)[:, None, None] * x).astype(int)
    data = layer.data[0] if layer.multiscale else layer.data
    inside = np.all([(p >= 0) & (p < n) for p, n in zip(position, data.shape, strict=True)], axis=0)
    picture = np.zeros(place.size, dtype=data.dtype)
    picture[inside] = np.asarray(data[tuple(p[inside] for p in position)])
    return [{"mask": picture == label} for label in np.unique(picture) if label]


def _shapes(layer: Any, place: _Frame) -> list[dict[str, Any]]:
    """Every closed shape on this frame as a mask."""
    marks = []
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        outline = _ellipse(np.asarray(corners)) if kind == "ellipse" else np.asarray(corners)
        points = np.array([place.of(layer, point) for point in outline])
        if kind != "line" and points[:, 0].max() <= _ON_FRAME:
            marks.append({"mask": _filled(points[:, 1:], place.size)})
    return marks


def _ellipse(corners: np.ndarray) -> np.ndarray:
    """The outline of the ellipse inside a box of four corners, shape (n, D)."""
    centre = corners.mean(axis=0)
    half, other = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, _CORNERS_OF_ELLIPSE, endpoint=False)[:, None]
    outline: np.ndarray = centre + np.cos(angle) * half + np.sin(angle) * other
    return outline


def _filled(outline_yx: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A polygon filled in, bool (Y, X)."""
    from PIL import Image, ImageDraw

    picture = Image.new("1", (size[1], size[0]))
    corners = [(x, y) for y, x in outline_yx.tolist()]
    ImageDraw.Draw(picture).polygon(corners, fill=1, outline=1)
    return np.asarray(picture, dtype=bool)


def _points(layer: Any, place: _Frame) -> list[dict[str, Any]]:
    """All points on this frame as clicks on one object."""
    found = [place.of(layer, point) for point in np.asarray(layer.data, dtype=float)]
    clicks = [Point(y, x) for away, y, x in found if away <= _ON_FRAME]
    return [{"points": tuple(clicks)}] if clicks else []
