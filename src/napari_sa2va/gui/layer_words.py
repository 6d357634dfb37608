"""What is looked at of an image layer, in plain words. No Qt, and no pixel is read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from napari_sa2va.core.tints import GREY
from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes, channel_axis, letters_of
from napari_sa2va.gui.layer_clip import mapped_channels
from napari_sa2va.gui.layer_look import limits_of, tint_of
from napari_sa2va.readers.layer import physical_facts


def describe_layer(layer: Any, axes: LayerAxes, choice: AxisChoice) -> str:
    """What will be segmented, in one or two plain sentences.

    Raises
    ------
    AxesError
        If the choice contradicts itself.

    Examples
    --------
    "30 frames of 240 × 320 px, RGB. 33 ms per frame."
    """
    height, width = axes.shape[axes.y], axes.shape[axes.x]
    if choice.plays is None:
        text = f"One picture of {height} × {width} px"
    else:
        count = axes.axis(choice.plays).size
        noun = "planes" if axes.axis(choice.plays).letter == "Z" else "frames"
        text = f"{count} {noun if count != 1 else noun[:-1]} of {height} × {width} px"
    if choice.every is not None:
        text += f" in each of {axes.axis(choice.every).size} planes"
    text += f", {_pixels(layer, axes, choice)}"
    sizes = _sizes(layer, axes, choice)
    facts = []
    if sizes.get("pixel_size_um"):
        y, x = sizes["pixel_size_um"]
        size = f"{x:.3g}" if np.isclose(x, y) else f"{y:.3g} × {x:.3g}"
        facts.append(f"{size} µm per px")
    if sizes.get("frame_interval_s") and choice.plays is not None:
        facts.append(f"{_interval(sizes['frame_interval_s'])} per frame")
    return f"{text}. {', '.join(facts)}." if facts else f"{text}."


def describe_look(layer: Any, axes: LayerAxes, choice: AxisChoice) -> str:
    """Where the planes in view are, and with which contrast they are seen.

    Examples
    --------
    "z 3 of 7. Contrast 0 to 4095, as shown."
    """
    words = []
    for axis in axes.others:
        if axis.size > 1 and axis.dim != choice.plays and _rests_in_view(axis.dim, choice):
            position = min(max(choice.position(axis.dim), 0), axis.size - 1)
            name = f" ({axis.names[position]})" if axis.names else ""
            words.append(f"{axis.word} {position + 1} of {axis.size}{name}.")
    if axes.rgb:
        return " ".join(words)
    if choice.beside:
        words.append("Contrast and colours of every layer, as shown.")
        return " ".join(words)
    low, high = limits_of(layer)
    words.append(f"Contrast {low:.4g} to {high:.4g}, as shown.")
    return " ".join(words)


def _rests_in_view(dim: int, choice: AxisChoice) -> bool:
    return choice.rests.get(dim, "view") == "view"


def _pixels(layer: Any, axes: LayerAxes, choice: AxisChoice) -> str:
    """What a pixel is made of."""
    if axes.rgb:
        return "RGB"
    if choice.beside:
        return f"{1 + len(choice.beside)} layers"
    channels = channel_axis(axes, choice)
    if channels is not None:
        count = len(mapped_channels(channels, choice))
        return f"{count} channels" if count != 1 else "1 channel"
    data = layer.data[0] if layer.multiscale else layer.data
    is_grey = tint_of(layer, choice.look) == GREY
    return f"{'grey' if is_grey else f'colormap {layer.colormap.name}'} ({data.dtype})"


def _sizes(layer: Any, axes: LayerAxes, choice: AxisChoice) -> dict[str, Any]:
    letters, _ = letters_of(axes, choice)
    keep = [dim for dim, letter in enumerate(letters) if letter]
    scale, units = tuple(layer.scale), tuple(getattr(layer, "units", None) or ())
    kept = SimpleNamespace(
        scale=[scale[dim] for dim in keep], units=[units[dim] for dim in keep] if units else []
    )
    return physical_facts(kept, "".join(letters))


def _interval(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"
