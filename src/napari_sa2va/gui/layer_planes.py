"""A layer whose every plane is followed on its own: one clip per plane, and clips across planes.

No Qt. What is needed of the layer is taken off it at once, on the thread that owns it; the recordings
may then be asked for on any thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import AxesError
from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes, letters_of
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording

if TYPE_CHECKING:
    from napari_sa2va.core.recording import Recording
    from napari_sa2va.core.region_box import Box


_KEPT = (
    "name", "rgb", "scale", "translate", "rotate", "shear", "affine", "units", "source",
    "contrast_limits", "colormap", "gamma", "opacity",
)  # fmt: skip


class _Still:
    """A layer as it is now, as far as its pixels and its look go."""

    multiscale = False

    def __init__(self, layer: Any) -> None:
        self.data = layer.data[0] if layer.multiscale else layer.data
        for name in _KEPT:
            setattr(self, name, getattr(layer, name, None))


@dataclass(frozen=True, eq=False)
class EveryPlane:
    """What there is to follow; make one with `clips_of`.

    Attributes
    ----------
    planes : range
        The planes, from 0.
    frames : range
        The frames that play, from 0.
    """

    planes: range
    frames: range
    _layer: Any
    _axes: LayerAxes
    _choice: AxisChoice
    _box: Box | None

    def plane(self, z: int) -> tuple[Recording, dict[str, Any]]:
        """A recording that plays time on plane `z`, and the arguments of `make_clip` for it."""
        assert self._choice.every is not None
        return self._of(self._choice.plays, self._choice.every, self.planes[z])

    def across(self, t: int) -> tuple[Recording, dict[str, Any]]:
        """A recording that plays the planes of frame `t`, and the arguments of `make_clip` for it.

        Objects are followed through it from plane to plane, which links their ids.
        """
        assert self._choice.plays is not None
        return self._of(self._choice.every, self._choice.plays, self.frames[t])

    def _of(self, plays: int | None, rests: int, position: int) -> tuple[Recording, dict[str, Any]]:
        view = [self._choice.position(dim) for dim in range(len(self._axes.shape))]
        view[rests] = position
        others = {d: how for d, how in self._choice.rests.items() if d not in (plays, rests)}
        choice = replace(
            self._choice, plays=plays, rests=others | {rests: "view"}, view=tuple(view)
        )
        return (
            to_recording(self._layer, self._axes, choice),
            clip_arguments(self._layer, self._axes, choice, self._box),
        )


def clips_of(layer: Any, axes: LayerAxes, choice: AxisChoice, box: Box | None = None) -> EveryPlane:
    """The clips of a choice one axis of which rests as "every".

    Parameters
    ----------
    layer : napari.layers.Image
        May change or vanish afterwards; its pixels are not copied.
    axes : LayerAxes
    choice : AxisChoice
    box : Box, optional
        The part of the frames to look at.

    Raises
    ------
    AxesError
        If there is no such axis, nothing plays, or the choice contradicts itself.
    """
    if choice.every is None or choice.plays is None:
        raise AxesError(
            "Every plane can only be followed through time if one axis plays and another has planes.",
            "Choose what plays, or take one plane.",
        )
    letters_of(axes, choice)  # says what is wrong with the choice
    still = replace(choice, beside=tuple(_Still(other) for other in choice.beside))
    planes, frames = range(axes.shape[choice.every]), range(axes.shape[choice.plays])
    made = EveryPlane(planes, frames, _Still(layer), axes, still, box)
    made.plane(0)  # what is wrong with the layers is said now, and here
    return made
