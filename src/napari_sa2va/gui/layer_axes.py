"""The axes of an image layer in plain words, and the choice of what plays. No Qt, no napari.

A layer says little about its axes, so the dock guesses once, shows the guess and lets the user
change it. Everything here only looks at the layer; nothing reads a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sa2va.core.errors import AxesError
from napari_sa2va.readers.layer import from_layer

if TYPE_CHECKING:
    from napari_sa2va.core.recording import Recording

_LETTERS = {
    "t": "T",
    "time": "T",
    "frame": "T",
    "frames": "T",
    "z": "Z",
    "depth": "Z",
    "plane": "Z",
    "c": "C",
    "ch": "C",
    "channel": "C",
    "channels": "C",
    "y": "Y",
    "row": "Y",
    "x": "X",
    "column": "X",
}
_MOST_CHANNELS = 8  # an unnamed axis that is longer holds no channels
_WORDS = {"T": "time", "Z": "z", "C": "channel", "Y": "y", "X": "x"}

Rest = Literal["view", "max", "mean", "colors", "every"]
"""What becomes of an axis that does not play: the plane in view, a projection, colours, or every
plane, each of which is then followed on its own."""


@dataclass(frozen=True)
class Axis:
    """One axis of a layer that is not y, x or the samples of RGB.

    Attributes
    ----------
    dim : int
        Position in the layer's data.
    letter : str
        "T", "Z" or "C" where the layer's label says so, else empty.
    word : str
        What the axis is called in the dock.
    size : int
        Number of positions.
    """

    dim: int
    letter: str
    word: str
    size: int

    @property
    def rests(self) -> tuple[Rest, ...]:
        """What can become of this axis if it does not play; the first by default."""
        if self.size < 2:
            return ("view",)
        if self.letter == "C":
            if self.size <= 3:
                return ("colors", "view", "max", "mean")
            return ("view", "max", "mean", "colors")
        if self.letter == "T":
            return ("view", "max", "mean")
        if not self.letter and self.size <= _MOST_CHANNELS:
            return ("view", "max", "mean", "every", "colors")
        return ("view", "max", "mean", "every")


@dataclass(frozen=True)
class LayerAxes:
    """The axes of a layer.

    Attributes
    ----------
    shape : tuple of int
        Of the data without RGB samples; level 0 of a pyramid.
    y, x : int
        Dims of rows and columns.
    rgb : bool
    others : tuple of Axis
        Every other axis, in the layer's order.
    """

    shape: tuple[int, ...]
    y: int
    x: int
    rgb: bool
    others: tuple[Axis, ...]

    def axis(self, dim: int) -> Axis:
        """Return the axis at a dim that is neither y nor x."""
        return next(a for a in self.others if a.dim == dim)


@dataclass(frozen=True)
class AxisChoice:
    """What plays, and what becomes of the axes that do not.

    Attributes
    ----------
    plays : int or None
        Dim that plays as time; None is a single picture.
    rests : dict of int to str
        Per other dim, see `Rest`. Dims that are left out show the plane in view.
    view : tuple of int
        Position of every dim in the viewer, from 0.
    """

    plays: int | None
    rests: dict[int, Rest] = field(default_factory=dict)
    view: tuple[int, ...] = ()

    @property
    def every(self) -> int | None:
        """Dim of which every plane is followed on its own; None if there is no such dim."""
        dims = [dim for dim, how in self.rests.items() if how == "every" and dim != self.plays]
        return dims[0] if dims else None

    def position(self, dim: int) -> int:
        """Plane in view of a dim; 0 where the viewer said nothing."""
        return self.view[dim] if dim < len(self.view) else 0


def read_axes(layer: Any) -> LayerAxes:
    """Read the axes of an image layer off its shape and labels.

    Parameters
    ----------
    layer : napari.layers.Image

    Raises
    ------
    AxesError
        If the layer has fewer than two dims.
    """
    rgb = bool(layer.rgb)
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(n) for n in data.shape)
    shape = shape[:-1] if rgb else shape
    if len(shape) < 2:
        raise AxesError(f"Layer {layer.name!r} has the shape {shape}.", "An image has y and x.")
    labels = [str(label).strip().lower() for label in getattr(layer, "axis_labels", ())]
    letters = [_LETTERS.get(label, "") for label in labels]
    # A letter that is there twice says nothing.
    letters = [a if letters.count(a) == 1 else "" for a in letters]
    if len(letters) != len(shape):
        labels, letters = [""] * len(shape), [""] * len(shape)
    if "Y" in letters and "X" in letters:
        y, x = letters.index("Y"), letters.index("X")
    else:
        y, x = len(shape) - 2, len(shape) - 1
        letters = ["" if a in ("Y", "X") else a for a in letters]
    others = tuple(
        Axis(dim, letters[dim], _word(dim, letters[dim], labels[dim]), size)
        for dim, size in enumerate(shape)
        if dim not in (y, x)
    )
    return LayerAxes(shape, y, x, rgb, others)


def _word(dim: int, letter: str, label: str) -> str:
    if letter:
        return _WORDS[letter]
    # napari numbers axes without a name: "-3", and "axis -3" in the viewer.
    is_number = label.removeprefix("axis").strip().lstrip("-").isdigit()
    return f"axis {dim}" if not label or is_number else label


def first_choice(axes: LayerAxes, view: Sequence[int] = ()) -> AxisChoice:
    """Guess what plays: time if the layer names it, else the first unnamed axis, else z."""
    wide = [a for a in axes.others if a.size > 1]
    ranked = (
        [a for a in wide if a.letter == "T"]
        + [a for a in wide if not a.letter]
        + [a for a in wide if a.letter == "Z"]
    )
    plays = ranked[0].dim if ranked else None
    rests = {a.dim: a.rests[0] for a in axes.others if a.dim != plays}
    return AxisChoice(plays, rests, tuple(int(v) for v in view))


def describe_layer(layer: Any, axes: LayerAxes, choice: AxisChoice) -> str:
    """What will be segmented, in one or two plain sentences.

    Examples
    --------
    "30 frames of 240 x 320 px, RGB. 33 ms per frame."
    """
    recording = to_recording(layer, axes, choice)
    height, width = axes.shape[axes.y], axes.shape[axes.x]
    if choice.plays is None:
        text = f"One picture of {height} × {width} px"
    else:
        count = axes.axis(choice.plays).size
        noun = "planes" if axes.axis(choice.plays).letter == "Z" else "frames"
        text = f"{count} {noun if count != 1 else noun[:-1]} of {height} × {width} px"
    if axes.rgb:
        text += ", RGB"
    elif any(how == "colors" for dim, how in choice.rests.items() if dim != choice.plays):
        text += f", {recording.size('C')} channels"
    else:
        text += f", grey ({recording.data.dtype})"
    facts = []
    if recording.pixel_size_um:
        y, x = recording.pixel_size_um
        size = f"{x:.3g}" if np.isclose(x, y) else f"{y:.3g} × {x:.3g}"
        facts.append(f"{size} µm per px")
    if recording.frame_interval_s and choice.plays is not None:
        facts.append(f"{_interval(recording.frame_interval_s)} per frame")
    return f"{text}. {', '.join(facts)}." if facts else f"{text}."


def _interval(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"


def to_recording(layer: Any, axes: LayerAxes, choice: AxisChoice) -> Recording:
    """The part of a layer that is chosen, as a lazy recording for `make_clip`.

    Axes that show the plane in view are cut out here; a projection is left to `make_clip`
    (see `clip_arguments`).

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
        If more than one axis shall be projected.
    """
    letters, index = _letters(axes, choice)
    data = layer.data[0] if layer.multiscale else layer.data
    if index != (slice(None),) * len(index):
        data = _lazily(data)[index]
    is_projected_picture = choice.plays is None and "Z" in letters
    if is_projected_picture:
        # Without a time axis z would play. Data of one moment have one.
        data = _lazily(data)[np.newaxis]
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
    recording = from_layer(part, "T" * extra + "".join(letters) + ("S" if axes.rgb else ""))
    path = getattr(getattr(layer, "source", None), "path", None)
    if path:
        recording = replace(recording, source=str(path))
    return recording


def clip_arguments(layer: Any, axes: LayerAxes, choice: AxisChoice) -> dict[str, Any]:
    """The arguments of `make_clip` that go with `to_recording`.

    The layer's contrast limits become the clip's, except for RGB, which napari shows as it is.
    """
    letters, _ = _letters(axes, choice)
    arguments: dict[str, Any] = {}
    if choice.plays is not None:
        arguments["time"] = letters[choice.plays]
    projected = [how for dim, how in _resting(axes, choice) if how in ("max", "mean")]
    if projected:
        arguments["z"] = projected[0]
        arguments.setdefault("time", "T")
    if not axes.rgb:
        low, high = (float(v) for v in layer.contrast_limits)
        arguments["limits"] = (low, high)
    return arguments


def planes_in_view(axes: LayerAxes, choice: AxisChoice) -> dict[int, int]:
    """The dims of which one plane is looked at, and where that plane is.

    Of an axis whose every plane is followed, marks are made on the plane in view.
    """
    return {
        dim: min(max(choice.position(dim), 0), axes.shape[dim] - 1)
        for dim, how in _resting(axes, choice)
        if how in ("view", "every")
    }


def _resting(axes: LayerAxes, choice: AxisChoice) -> list[tuple[int, Rest]]:
    return [(a.dim, choice.rests.get(a.dim, "view")) for a in axes.others if a.dim != choice.plays]


def _letters(axes: LayerAxes, choice: AxisChoice) -> tuple[list[str], tuple[slice | int, ...]]:
    """One letter per dim, empty where the plane in view is cut out, and the cut."""
    letters = [""] * len(axes.shape)
    index: list[slice | int] = [slice(None)] * len(axes.shape)
    letters[axes.y], letters[axes.x] = "Y", "X"
    for hows, what in (
        (("max", "mean"), "projected"),
        (("colors",), "shown as colours"),
        (("every",), "followed plane by plane"),
    ):
        dims = [dim for dim, how in _resting(axes, choice) if how in hows]
        if len(dims) > 1:
            names = " and ".join(axes.axis(dim).word for dim in dims)
            raise AxesError(f"{names} cannot both be {what}.", "Use the plane in view for one.")
    for dim, how in _resting(axes, choice):
        if how not in ("view", "every"):
            letters[dim] = "C" if how == "colors" else "Z"
    for dim, position in planes_in_view(axes, choice).items():
        index[dim] = position
    if choice.plays is not None:
        plays_z = axes.axis(choice.plays).letter == "Z" and "Z" not in letters
        letters[choice.plays] = "Z" if plays_z else "T"
    return letters, tuple(index)


def _lazily(data: Any) -> Any:
    """Data whose indexing copies nothing; a zarr or HDF5 array would read at once."""
    if isinstance(data, np.ndarray) or hasattr(data, "dask"):
        return data
    import dask.array as da

    return da.from_array(data, name=False)
