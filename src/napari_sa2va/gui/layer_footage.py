"""From an image layer to the pixels of a project. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.clip import Clip, make_clip
from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording
from napari_sa2va.project.footage import Footage

if TYPE_CHECKING:
    from napari_sa2va.core.recording import Recording


def look_of(layer: Any, axes: LayerAxes, choice: AxisChoice) -> str:
    """What tells apart two ways of looking at a layer: its pixels, planes, channels and limits."""
    at = [
        (axis.dim, choice.rests.get(axis.dim, "view"), choice.position(axis.dim))
        if choice.rests.get(axis.dim, "view") == "view"
        else (axis.dim, choice.rests[axis.dim])
        for axis in axes.others
        if axis.dim != choice.plays
    ]
    layers = [str(one.unique_id) for one in (layer, *choice.beside)]
    return repr((layers, choice.plays, at, clip_arguments(layer, axes, choice)))


def footage_opener(layer: Any, axes: LayerAxes, choice: AxisChoice) -> Callable[[], Footage]:
    """What opens the pixels of a layer, on any thread.

    Everything that has to be read off the layer is read now, on the thread that owns it; no pixel
    is.

    Parameters
    ----------
    layer : napari.layers.Image
    axes : LayerAxes
    choice : AxisChoice

    Raises
    ------
    AxesError
        If the choice does not fit the layer.
    """
    if choice.every is None:
        recording, arguments = (
            to_recording(layer, axes, choice),
            clip_arguments(layer, axes, choice),
        )
        return lambda: Footage.of(make_clip(recording, **arguments))
    from napari_sa2va.gui.layer_planes import clips_of

    planes = clips_of(layer, axes, choice)

    def opened(part: tuple[Recording, dict[str, Any]]) -> Clip:
        recording, arguments = part
        return make_clip(recording, **arguments)

    return lambda: Footage(
        len(planes.planes), lambda z: opened(planes.plane(z)), lambda t: opened(planes.across(t))
    )
