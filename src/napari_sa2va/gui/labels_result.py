"""A Labels layer, ours or anybody's, as a result that can be written in any format. No Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core import pixels
from napari_sa2va.core.clip import make_clip
from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.gui.labels_frames import axes_of_labels, names_of, place_labels
from napari_sa2va.gui.layer_axes import first_choice, read_axes
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording
from napari_sa2va.gui.workspace import workspace_of, workspace_of_data
from napari_sa2va.project.labels_file import ids_of
from napari_sa2va.project.result import result_of
from napari_sa2va.project.unseen_clip import unseen_clip
from napari_sa2va.readers.layer import physical_facts
from napari_sa2va.writers.result import Result, of_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Image, Labels

    from napari_sa2va.core.clip import Clip
    from napari_sa2va.gui.workspace import Workspace


def result_of_layer(layer: Labels, images: Sequence[Image] = ()) -> Result:
    """The masks of a Labels layer.

    Parameters
    ----------
    layer : napari.layers.Labels
        Of one of ours, the project is taken: objects that overlap, names, scores, parents. Of any
        other, every label is an object; all frames are looked at once.
    images : sequence of napari.layers.Image
        What the labels are of, if they are not of a project that knows: several lie pixel on pixel
        and are its channels. Without one, formats that show pixels raise `ClipError`.

    Raises
    ------
    RequestError, AxesError
        If the layer has more axes than time and planes, or no y and x, or the images do not lie
        pixel on pixel.
    ShapeMismatch
        If the images have other frames than the labels.
    """
    workspace = workspace_of(layer)
    return _of_any(layer, images) if workspace is None else result_of_workspace(workspace, images)


def result_of_data(
    data: Any, meta: Mapping[str, Any], images: Sequence[tuple[Any, Mapping[str, Any]]] = ()
) -> Result:
    """The same of data and keyword arguments, as napari hands layers to a writer."""
    from napari.layers import Image, Labels

    shown = [Image(values, **arguments) for values, arguments in images]
    workspace = workspace_of_data(data, meta.get("metadata", {}))
    if workspace is not None:
        return result_of_workspace(workspace, shown)
    return _of_any(Labels(data, **meta), shown)


def result_of_workspace(workspace: Workspace, images: Sequence[Image] = ()) -> Result:
    """What a workspace holds now, with the pixels of images if it has none itself."""
    result = result_of(workspace.project, overlap=workspace.overlap)
    if not images or workspace.project.footage is not None:
        return result
    return replace(result, clip=_clip_of(images, (result.clip.num_frames, *result.size)))


def _of_any(layer: Labels, images: Sequence[Image]) -> Result:
    data = layer.data[0] if layer.multiscale else layer.data
    placement, size = place_labels(layer)
    shape = (placement.num_frames, *size)

    def labels(f: int) -> np.ndarray:
        return placement.from_layer(pixels.read(data[placement.plane_index(f)]))

    ids = ids_of(map(labels, range(placement.stack_length)), layer.name)
    names = names_of(layer.features)
    return of_labels(
        _clip_of(images, shape) if images else _unseen(layer, shape),
        labels,
        names={object_id: names.get(object_id, "") for object_id in ids},
        num_planes=placement.planes,
    )


def _unseen(layer: Labels, shape: tuple[int, int, int]) -> Clip:
    """What the layer says of its movie: the size of a pixel, and how fast it plays."""
    axes = axes_of_labels(layer)
    choice = first_choice(axes)
    plays = None
    letters = ["1"] * len(axes.shape)
    letters[axes.y], letters[axes.x] = "Y", "X"
    for axis in axes.others:
        if axis.dim == choice.plays:
            plays = "Z" if axis.letter == "Z" else "T"
            letters[axis.dim] = plays
        elif axis.size > 1:
            letters[axis.dim] = "Z"
    facts = physical_facts(layer, "".join(letters))
    if plays != "T":
        facts.pop("frame_interval_s", None)
    return replace(unseen_clip(*shape, name=layer.name), time_axis=plays, **facts)


def _clip_of(images: Sequence[Image], shape: tuple[int, int, int]) -> Clip:
    """An image layer, or layers that are its channels, as the clip that masks are of.

    Raises
    ------
    AxesError
        If the layers do not lie pixel on pixel.
    ShapeMismatch
        If they have other frames.
    """
    image, *channels = images
    axes = read_axes(image)
    choice = replace(first_choice(axes), beside=tuple(channels))
    clip = make_clip(to_recording(image, axes, choice), **clip_arguments(image, axes, choice))
    if (clip.num_frames, clip.height, clip.width) != shape:
        raise ShapeMismatch(
            f"The image {image.name!r} has {clip.num_frames} frames of {clip.height} × "
            f"{clip.width} px, the labels {shape[0]} of {shape[1]} × {shape[2]} px.",
            "Choose the image that the labels are of.",
        )
    return clip
