"""An image layer, as far as it is chosen, as a recording and arguments for `make_clip`. No Qt.

Everything is taken off the layer here and now, and no pixel is read: what comes out may go to another
thread.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import AxesError
from napari_sa2va.core.tints import GREY
from napari_sa2va.gui.layer_axes import (
    Axis,
    AxisChoice,
    LayerAxes,
    channel_axis,
    letters_of,
    resting,
)
from napari_sa2va.gui.layer_look import can_mix, limits_of, tint_of
from napari_sa2va.readers.layer import from_layer, lazily
from napari_sa2va.readers.person import person_at

if TYPE_CHECKING:
    from napari_sa2va.core.recording import Recording
    from napari_sa2va.core.region_box import Box


def to_recording(layer: Any, axes: LayerAxes, choice: AxisChoice) -> Recording:
    """The part of a layer that is chosen, as a lazy recording for `make_clip`.

    Axes that show the plane in view are cut out here, and so is the plane in view of an axis whose
    every plane is followed (see `napari_sa2va.gui.layer_planes`). A projection is left to
    `make_clip` (see `clip_arguments`).

    Parameters
    ----------
    layer : napari.layers.Image
        Read on the thread that owns the layer.
    axes : LayerAxes
    choice : AxisChoice

    Returns
    -------
    Recording
        Its source is the layer's file, if it has one.

    Raises
    ------
    AxesError
        If more than one axis shall be projected, or what shall be added has another shape or place.
    """
    recording = _of_one(layer, axes, choice)
    path = getattr(getattr(layer, "source", None), "path", None)
    if path:
        private = person_at(path)
        recording = replace(
            recording,
            source=str(path),
            name=private.redact(recording.name),
            private=private,
            left_out=tuple(private.values),
        )
    channels = channel_axis(axes, choice)
    if channels is not None and channels.names:
        recording = replace(recording, channel_names=channels.names)
    if not choice.beside:
        return recording
    import dask.array as da

    if channels is not None:
        raise AxesError(
            f"Layer {layer.name!r} has channels already, so none can be added.",
            "Take one channel of it, or leave the other layers out.",
        )
    for other in choice.beside:
        if not can_mix(layer, other):
            raise AxesError(
                f"Layer {other.name!r} has not the shape and the place of {layer.name!r}.",
                "Add layers that lie pixel on pixel.",
            )
    parts = [recording, *(_of_one(other, axes, choice) for other in choice.beside)]
    return replace(
        recording,
        data=da.stack([part.data for part in parts]),
        axes="C" + recording.axes,
        channel_names=tuple(part.name for part in parts),
    )


def _of_one(layer: Any, axes: LayerAxes, choice: AxisChoice) -> Recording:
    letters, index = letters_of(axes, choice)
    data = layer.data[0] if layer.multiscale else layer.data
    is_projected_picture = choice.plays is None and "Z" in letters
    if is_projected_picture:
        # Without a time axis z would play. Data of one moment have one.
        index = (np.newaxis, *index)
    if index != (slice(None),) * len(index):
        # A zarr or HDF5 array would be read at once by an index.
        is_lazy = isinstance(data, np.ndarray) or hasattr(data, "dask")
        data = (data if is_lazy else lazily(data, (axes.y, axes.x, len(axes.shape))))[index]
    keep = [dim for dim, letter in enumerate(letters) if letter]
    scale, units = tuple(layer.scale), tuple(getattr(layer, "units", None) or ())
    extra = 1 if is_projected_picture else 0
    part = SimpleNamespace(
        data=data,
        rgb=axes.rgb,
        multiscale=False,
        name=layer.name,
        scale=[1.0] * extra + [scale[dim] for dim in keep],
        units=["pixel"] * extra + [units[dim] for dim in keep] if units else [],
        axis_labels=(),
    )
    return from_layer(part, "T" * extra + "".join(letters) + ("S" if axes.rgb else ""))


def clip_arguments(
    layer: Any, axes: LayerAxes, choice: AxisChoice, box: Box | None = None
) -> dict[str, Any]:
    """The arguments of `make_clip` that go with `to_recording`.

    The layer's contrast limits and colours become the clip's, except for RGB, which napari shows as
    it is.

    Parameters
    ----------
    layer : napari.layers.Image
        Read on the thread that owns the layer.
    axes : LayerAxes
    choice : AxisChoice
    box : Box, optional
        The part of the frames to look at.
    """
    letters, _ = letters_of(axes, choice)
    arguments: dict[str, Any] = {}
    if choice.plays is not None:
        arguments["time"] = letters[choice.plays]
    projected = [how for dim, how in resting(axes, choice) if how in ("max", "mean")]
    if projected:
        arguments["z"] = projected[0]
        arguments.setdefault("time", "T")
    if not axes.rgb:
        arguments |= _look_arguments(layer, axes, choice)
    if box is not None:
        arguments["box"] = box
    return arguments


def _look_arguments(layer: Any, axes: LayerAxes, choice: AxisChoice) -> dict[str, Any]:
    if choice.beside:
        layers = (layer, *choice.beside)
        return {
            "limits": [limits_of(one) for one in layers],
            "colors": [tint_of(one, choice.look, mixed=True) for one in layers],
        }
    arguments: dict[str, Any] = {"limits": limits_of(layer)}
    channels = channel_axis(axes, choice)
    if channels is not None:
        taken = mapped_channels(channels, choice)
        arguments["channels"] = list(taken)
        arguments["colors"] = list(taken.values())
    else:
        tint = tint_of(layer, choice.look)
        if tint != GREY:
            arguments["colors"] = tint
    return arguments


def mapped_channels(axis: Axis, choice: AxisChoice) -> dict[int, str]:
    """The channels that are shown as colours, and their tints.

    Raises
    ------
    AxesError
        If no channel is chosen, or one that is not there.

    Examples
    --------
    Channel 2 as red and blue, channel 0 as green: {2: "#ff00ff", 0: "#00ff00"}.
    """
    chosen = choice.colors or tuple(range(min(axis.size, 3)))
    lights: dict[int, list[str]] = {}
    for light, position in enumerate(chosen):
        if position is not None:
            if not 0 <= position < axis.size:
                raise AxesError(f"{axis.word} has {axis.size} positions, not {position + 1}.")
            lights.setdefault(position, ["00"] * 3)[light] = "ff"
    if not lights:
        raise AxesError(f"No {axis.word} is chosen.", "Choose one for red, green or blue.")
    if choice.look == "grey":
        return dict.fromkeys(lights, GREY)
    return {position: "#" + "".join(parts) for position, parts in lights.items()}
