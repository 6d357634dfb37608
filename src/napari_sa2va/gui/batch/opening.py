"""How the movie in the dock is looked at, as what opens other movies in the same way. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.layer_footage import footage_opener
from napari_sa2va.readers.opening import OpenArguments

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes

# What says which pixels play. Limits, a region and a series are of one movie and not of others.
_TAKEN = {"axes", "time", "z", "channels", "rgb"}


def opening_of(
    layer: Image, axes: LayerAxes, choice: AxisChoice
) -> Callable[[], OpenArguments] | None:
    """What finds out how the layer's file has to be opened to show what is chosen of it.

    Parameters
    ----------
    layer : napari.layers.Image
        Read now, on the thread that owns it.
    axes : LayerAxes
    choice : AxisChoice

    Returns
    -------
    callable or None
        To be called on another thread, since it compares pixels; raises `RequestError` if every
        plane is followed on its own. None of a layer without a file.
    """
    path = getattr(getattr(layer, "source", None), "path", None)
    if not path:
        return None
    open_footage = footage_opener(layer, axes, choice)

    def find() -> OpenArguments:
        from napari_sa2va.project.reopening import arguments_of

        footage = open_footage()
        if footage.planes > 1:
            raise RequestError(
                "In the dock every plane is followed on its own, which a batch does not do.",
                "Choose one plane or a projection there, and take it again.",
            )
        found = arguments_of(footage, Path(path))
        if found is None:
            return OpenArguments()
        return OpenArguments(**found[0].model_dump(include=_TAKEN, exclude_none=True))

    return find


def common_to_all(arguments: Iterable[OpenArguments]) -> OpenArguments:
    """How several movies are opened, as far as that is the same for all, and not of one movie."""
    said = [one.model_dump(include=_TAKEN, exclude_none=True) for one in arguments]
    return OpenArguments(
        **{
            name: value
            for name, value in said[0].items()
            if all(o.get(name) == value for o in said)
        }
    )


def words_of(arguments: OpenArguments) -> str:
    """How movies are opened, in words; empty for the usual way.

    Examples
    --------
    >>> words_of(OpenArguments(z="max", channels=(0, 2)))
    'z max, channels 0 2'
    """
    said = arguments.model_dump(exclude_none=True)
    parts = {
        name: " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in said.items()
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items())
