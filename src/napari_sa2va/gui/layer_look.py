"""How an image layer looks on the canvas, as limits and tints of a clip. No Qt.

Opacity belongs to the viewer as long as there is one layer: who dims an image to see labels better
does not want the model to see less. Of several layers it says how much of each is in the mixture.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from napari_sa2va.core.tints import GREY, as_tint

Look = Literal["shown", "grey"]
"""Whether the model sees a layer's colormap and gamma, or grey values between its limits."""


def limits_of(layer: Any) -> tuple[float, float]:
    """Contrast limits of an image layer."""
    low, high = (float(v) for v in layer.contrast_limits)
    return low, high


def tint_of(layer: Any, look: Look = "shown", *, mixed: bool = False) -> str:
    """The colours of an image layer as a tint.

    Parameters
    ----------
    layer : napari.layers.Image
        Not RGB.
    look : {"shown", "grey"}
        "grey" leaves colormap and gamma out.
    mixed : bool
        Whether it is one of several layers, so that its opacity counts.

    Returns
    -------
    str
        See `napari_sa2va.core.tints`. Brightness has 256 steps before gamma, and what is
        transparent in a colormap lets black shine through.
    """
    if look == "grey":
        return GREY
    steps = np.linspace(0, 1, 256) ** float(layer.gamma)
    rgba = np.asarray(layer.colormap.map(steps), dtype=np.float64)
    rgb = rgba[:, :3] * rgba[:, 3:] * (float(layer.opacity) if mixed else 1.0)
    return as_tint(np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8))


def can_mix(layer: Any, other: Any) -> bool:
    """Whether two image layers lie pixel on pixel, so that one can be a channel of the other."""
    if layer == other or layer.rgb or other.rgb:  # napari hands plugins a proxy: not `is`
        return False
    return _shape(layer) == _shape(other) and bool(
        np.array_equal(layer.scale, other.scale)
        and np.array_equal(layer.translate, other.translate)
        and np.array_equal(layer.rotate, other.rotate)
        and np.array_equal(layer.shear, other.shear)
        and np.array_equal(layer.affine.affine_matrix, other.affine.affine_matrix)
    )


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)
