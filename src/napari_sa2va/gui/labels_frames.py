"""A Labels layer from elsewhere as frames that play: where they lie in it, and what its ids are called.

No Qt.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes, first_choice, read_axes
from napari_sa2va.gui.placement import Placement, place


def axes_of_labels(layer: Any) -> LayerAxes:
    """The axes of a Labels layer.

    Raises
    ------
    AxesError
        If it has fewer than two dims.
    """
    return read_axes(
        SimpleNamespace(
            rgb=False,
            multiscale=layer.multiscale,
            data=layer.data,
            name=layer.name,
            axis_labels=layer.axis_labels,
        )
    )


def place_labels(layer: Any) -> tuple[Placement, tuple[int, int]]:
    """Where the frames of a Labels layer lie in it, and their size (Y, X).

    Raises
    ------
    RequestError
        If it has more axes than time and planes.
    AxesError
        If it has fewer than two dims.
    """
    axes = axes_of_labels(layer)
    choice = first_choice(axes)
    wide = [axis for axis in axes.others if axis.dim != choice.plays and axis.size > 1]
    if len(wide) > 1:
        words = ", ".join(axis.word for axis in wide)
        raise RequestError(
            f"{layer.name!r} has more axes than time and planes: {words}.",
            "Take a part of it with at most four axes.",
        )
    every = AxisChoice(choice.plays, {axis.dim: "every" for axis in wide})
    return place(layer, axes, every), (axes.shape[axes.y], axes.shape[axes.x])


def names_of(features: Any) -> dict[int, str]:
    """The names of the objects by id, from a layer's table of features; empty if it has none."""
    if "name" not in features or "index" not in features:
        return {}
    pairs = zip(features["index"], features["name"], strict=True)
    return {int(i): str(name) for i, name in pairs}
