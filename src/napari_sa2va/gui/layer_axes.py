"""The axes of an image layer, and the choice of what plays. No Qt, no napari.

A layer says little about its axes, so the dock guesses once, shows the guess and lets the user
change it. Everything here only looks at the layer; nothing reads a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_sa2va.core.errors import AxesError
from napari_sa2va.gui.layer_look import Look

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

NAMES_KEY = "channel_names"
"""Key of `layer.metadata` under which readers put the names of channels."""

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
    names : tuple of str
        What the positions are called, if the layer knows them: the names of channels.
    """

    dim: int
    letter: str
    word: str
    size: int
    names: tuple[str, ...] = ()

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
    colors : tuple of (int or None)
        Positions that are shown as red, green and blue, along the axis that rests as "colors"; None
        leaves that colour out. Empty: the first three.
    beside : tuple of napari.layers.Image
        Further layers of the same shape and place whose pixels are added as channels.
    look : {"shown", "grey"}
        Whether the model sees the layer in its colormap.
    """

    plays: int | None
    rests: dict[int, Rest] = field(default_factory=dict)
    view: tuple[int, ...] = ()
    colors: tuple[int | None, ...] = ()
    beside: tuple[Any, ...] = ()
    look: Look = "shown"

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
    channels = tuple(str(n) for n in (getattr(layer, "metadata", {}) or {}).get(NAMES_KEY) or ())
    others = tuple(
        Axis(
            dim,
            letters[dim],
            _word(dim, letters[dim], labels[dim]),
            size,
            channels if letters[dim] == "C" and len(channels) == size else (),
        )
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


def planes_in_view(axes: LayerAxes, choice: AxisChoice) -> dict[int, int]:
    """The dims of which one plane is looked at, and where that plane is.

    Of an axis whose every plane is followed, marks are made on the plane in view.
    """
    return {
        dim: min(max(choice.position(dim), 0), axes.shape[dim] - 1)
        for dim, how in resting(axes, choice)
        if how in ("view", "every")
    }


def channel_axis(axes: LayerAxes, choice: AxisChoice) -> Axis | None:
    """The axis that rests as colours."""
    dims = [dim for dim, how in resting(axes, choice) if how == "colors"]
    return axes.axis(dims[0]) if dims else None


def resting(axes: LayerAxes, choice: AxisChoice) -> list[tuple[int, Rest]]:
    """What becomes of every dim that does not play, y and x left out."""
    return [(a.dim, choice.rests.get(a.dim, "view")) for a in axes.others if a.dim != choice.plays]


def letters_of(
    axes: LayerAxes, choice: AxisChoice
) -> tuple[list[str], tuple[slice | int | None, ...]]:
    """One letter per dim, empty where the plane in view is cut out, and the cut.

    Raises
    ------
    AxesError
        If two axes shall be projected, shown as colours, or followed plane by plane.
    """
    letters = [""] * len(axes.shape)
    index: list[slice | int | None] = [slice(None)] * len(axes.shape)
    letters[axes.y], letters[axes.x] = "Y", "X"
    for hows, what in (
        (("max", "mean"), "projected"),
        (("colors",), "shown as colours"),
        (("every",), "followed plane by plane"),
    ):
        dims = [dim for dim, how in resting(axes, choice) if how in hows]
        if len(dims) > 1:
            names = " and ".join(axes.axis(dim).word for dim in dims)
            raise AxesError(f"{names} cannot both be {what}.", "Use the plane in view for one.")
    for dim, how in resting(axes, choice):
        if how not in ("view", "every"):
            letters[dim] = "C" if how == "colors" else "Z"
    for dim, position in planes_in_view(axes, choice).items():
        index[dim] = position
    if choice.plays is not None:
        plays_z = axes.axis(choice.plays).letter == "Z" and "Z" not in letters
        letters[choice.plays] = "Z" if plays_z else "T"
    return letters, tuple(index)
