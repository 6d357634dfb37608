"""Where the masks of a clip lie in the space of the image layer they were made from.

No Qt and no viewer: sizes, and the transform of the result, worked out once before a run, so that
the image layer may change or vanish while the run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes


@dataclass(frozen=True)
class Placement:
    """How (T, Y, X) label images become the data of a Labels layer.

    Attributes
    ----------
    order : tuple of int
        Axes of the (T, Y, X) array in the order of the layer; without 0 for a single picture.
    expand : tuple
        Index that inserts an axis of length 1 for every axis of the image that was not kept.
    time_dim : int or None
        Dim of the Labels layer that plays.
    transform : dict
        `scale`, `translate`, `rotate`, `shear`, `affine`, and `units` and `axis_labels` where
        the image layer has them: keyword arguments of a layer.
    """

    order: tuple[int, ...]
    expand: tuple[slice | None, ...]
    time_dim: int | None
    transform: dict[str, Any] = field(default_factory=dict)

    def view(self, stack: np.ndarray) -> np.ndarray:
        """View an array (T, Y, X) with the axes of the layer; shares its memory."""
        picture = stack if 0 in self.order else stack[0]
        order = self.order if 0 in self.order else tuple(i - 1 for i in self.order)
        return picture.transpose(order)[self.expand]


def place(layer: Any, axes: LayerAxes, choice: AxisChoice) -> Placement:
    """Work out where the result of a run on `layer` goes.

    An axis of which one plane was taken gets one plane at the same place. An axis that was
    projected, or shown as colours, gets one plane as thick as the whole stack, so that the masks
    are seen at each of its positions.

    Parameters
    ----------
    layer : napari.layers.Image
    axes : LayerAxes
    choice : AxisChoice
    """
    kept = {choice.plays: 0, axes.y: 1, axes.x: 2}
    ndim = len(axes.shape)
    scale = np.array(layer.scale, dtype=float)
    offset = np.zeros(ndim)
    thickness = np.ones(ndim)
    for axis in axes.others:
        if axis.dim == choice.plays:
            continue
        if choice.rests.get(axis.dim, "view") == "view":
            offset[axis.dim] = min(max(choice.position(axis.dim), 0), axis.size - 1)
        else:
            offset[axis.dim] = (axis.size - 1) / 2
            thickness[axis.dim] = axis.size
    transform: dict[str, Any] = {
        "scale": scale * thickness,
        "translate": np.array(layer.translate, dtype=float) + _linear(layer) @ offset,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": np.array(layer.affine.affine_matrix),
    }
    for name in ("units", "axis_labels"):
        value = getattr(layer, name, None)
        if value is not None:
            transform[name] = tuple(value)
    return Placement(
        order=tuple(kept[dim] for dim in range(ndim) if dim in kept),
        expand=tuple(slice(None) if dim in kept else None for dim in range(ndim)),
        time_dim=choice.plays,
        transform=transform,
    )


def _linear(layer: Any) -> np.ndarray:
    """Scale, shear and rotation of a layer as one matrix, without its extra affine."""
    from napari.utils.transforms import Affine

    affine = Affine(scale=layer.scale, rotate=layer.rotate, shear=layer.shear, ndim=layer.ndim)
    return np.asarray(affine.linear_matrix)
