"""Workspaces with squares in them, as a run or a person would have left them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dask.array as da
import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.core.clip import make_clip
from napari_sa2va.gui.labels_view import LabelsView
from napari_sa2va.gui.layer_axes import AxisChoice, first_choice, read_axes
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording
from napari_sa2va.gui.layer_planes import clips_of
from napari_sa2va.gui.placement import place
from napari_sa2va.gui.workspace import Workspace
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.given import Given, GivenObject

Box = tuple[int, int, int, int]
"""Rows and columns y0, x0, y1, x1; the last ones are not included."""


def boxed(size: tuple[int, int], box: Box) -> np.ndarray:
    """A mask that is a box."""
    mask = np.zeros(size, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


def given(
    size: tuple[int, int], objects: Mapping[str, Sequence[Box | None]], score: float = 0.75
) -> Given:
    """Objects by name, with a box per frame of the stack; None where nothing is known."""
    made = []
    for number, (name, boxes) in enumerate(objects.items(), 1):
        masks = {f: rle.encode(boxed(size, b)) for f, b in enumerate(boxes) if b is not None}
        scores = dict.fromkeys(masks, score)
        made.append(GivenObject(object_id=number, name=name, masks=masks, scores=scores))
    return Given(source="squares", objects=tuple(made))


def workspace_on(
    viewer: Any,
    image: Any,
    objects: Mapping[str, Sequence[Box | None]],
    choice: AxisChoice | None = None,
    *,
    box: Any = None,
) -> Workspace:
    """A workspace on an image layer, its Labels layer in the viewer.

    Parameters
    ----------
    viewer : napari.Viewer
    image : napari.layers.Image
    objects : mapping
        See `given`; where each plane is followed on its own, the boxes of plane 0 come first.
    choice : AxisChoice, optional
        By default what the dock guesses.
    box : Box of `core.region_box`, optional
        The part of the frames that is looked at.
    """
    axes = read_axes(image)
    choice = first_choice(axes) if choice is None else choice
    if choice.every is None:
        arguments = clip_arguments(image, axes, choice, box)
        project = Project.of(make_clip(to_recording(image, axes, choice), **arguments))
    else:
        planes = clips_of(image, axes, choice, box)

        def open_plane(z: int) -> Any:
            recording, arguments = planes.plane(z)
            return make_clip(recording, **arguments)

        footage = Footage(len(planes.planes), open_plane)
        first = footage.first
        shape = (first.num_frames * footage.planes, first.height, first.width)
        project = Project(shape, footage.planes)
        project.footage = footage
    state = project.state
    project.do(given(state.shape[1:], objects))
    view = LabelsView(viewer, place(image, axes, choice, box), state.shape)
    workspace = Workspace(project, view, image_name=image.name)
    workspace.open_layer()
    return workspace


def counted(frames: np.ndarray) -> tuple[da.Array, list[int]]:
    """Frames on disk, as it were, and the indices of those that were read."""
    read: list[int] = []

    def load(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        read.append(block_info[0]["chunk-location"][0])
        return block

    lazy = da.from_array(frames, chunks=(1, *frames.shape[1:]))
    return lazy.map_blocks(load, dtype=frames.dtype, meta=np.empty((0, 0, 0), frames.dtype)), read
