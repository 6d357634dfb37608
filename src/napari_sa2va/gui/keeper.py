"""What a project folder keeps of the window, and how it becomes layers again. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import ProjectError, RequestError
from napari_sa2va.gui.labels_view import LabelsView
from napari_sa2va.gui.layer_identity import LayerIdentity, find_layer, identity_of
from napari_sa2va.gui.mask_store import make_store
from napari_sa2va.gui.placement import Placement
from napari_sa2va.gui.preferences import preferences
from napari_sa2va.gui.workspace import Workspace
from napari_sa2va.project.folder import overlap_of
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.project import Project

if TYPE_CHECKING:
    import dask.array as da
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sa2va.core.clip import Clip

_ARRAYS = ("scale", "translate", "rotate", "shear", "affine")
_TEXTS = ("units", "axis_labels")


def image_of(workspace: Workspace) -> Image | None:
    """The image layer that the masks are of; None if it is not in the viewer any more."""
    for layer in workspace.view.viewer.layers:
        if str(layer.unique_id) == workspace.image_key:
            return layer
    return None


def view_of(workspace: Workspace, sentences: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What the window wants to find again, as JSON types.

    Parameters
    ----------
    workspace : Workspace
    sentences : str
        What stands in the box of sentences.
    settings : dict
        What the dock shows, as JSON types.
    """
    image = image_of(workspace)
    frame = workspace.frame_in_view
    return {
        "image_name": workspace.image_name,
        "image": None if image is None else identity_of(image).to_json(),
        "layer_name": None if workspace.layer is None else workspace.layer.name,
        "placement": _written(workspace.view.placement),
        "frame": frame,
        "selected": workspace.selected,
        "sentences": sentences,
        "settings": settings,
    }


def show_project(viewer: Viewer, project: Project, view: dict[str, Any]) -> Workspace:
    """Show a project that was opened: its image, if it is not in the viewer, and its masks.

    Parameters
    ----------
    viewer : napari.Viewer
    project : Project
    view : dict
        What `view_of` said when it was saved; a project that was made without a window has none.

    Raises
    ------
    ProjectError
        If `view` is damaged.
    """
    try:
        placement = _read(view["placement"]) if "placement" in view else _plain(project)
        wanted = LayerIdentity.from_json(view["image"]) if view.get("image") else None
        name = str(view.get("image_name") or "movie")
        layer_name = str(view.get("layer_name") or "")
    except (KeyError, TypeError, ValueError) as error:
        raise ProjectError(
            f"What the project says of its window is damaged ({error}).",
            "Open it with napari_sa2va.project.folder.open_project; its masks are whole.",
        ) from error
    image = None if wanted is None else find_layer(viewer.layers, wanted)
    if image is None and project.footage is not None:
        image = _add_image(viewer, project.footage, placement, name)
    shape = project.state.shape
    store = make_store(placement, shape, above_mb=preferences().disk_above_mb)
    workspace = Workspace(
        project,
        LabelsView(viewer, placement, shape, store),
        image_name=name if image is None else image.name,
        image_key="" if image is None else str(image.unique_id),
        overlap=overlap_of(project),
    )
    workspace.open_layer()
    assert workspace.layer is not None
    if layer_name:
        workspace.layer.name = layer_name
    frame, selected = view.get("frame"), view.get("selected")
    if isinstance(frame, int) and 0 <= frame < project.state.num_frames:
        workspace.go_to(frame)
    if selected in project.state.cards:
        workspace.select(selected)
    viewer.layers.selection.active = workspace.layer
    return workspace


def _add_image(viewer: Viewer, footage: Footage, placement: Placement, name: str) -> Image:
    """Show the pixels of a project as an image layer, lazily, in the dims of its masks."""
    import dask.array as da

    clips = [footage.clip_of(plane) for plane in range(footage.planes)]
    first = clips[0]
    has_channels = first.num_channels > 1 or bool(first.tints)
    # napari knows grey and RGB; other channels are shown as the model sees them.
    data = placement.turned(da.stack([_seen(c) if has_channels else c.frames for c in clips]))
    limits = None if has_channels else first.limits[0]
    return viewer.add_image(
        data, name=name, rgb=has_channels, contrast_limits=limits, **placement.transform
    )


def _seen(clip: Clip) -> da.Array:
    """The frames of a clip as a person sees them, uint8 (T, Y, X, 3), lazily."""
    import dask.array as da

    plane = (clip.height, clip.width, 3)
    return da.map_blocks(
        lambda block_id: clip.rgb(block_id[0])[np.newaxis],
        chunks=((1,) * clip.num_frames, *((n,) for n in plane)),
        dtype=np.uint8,
        meta=np.empty((0, 0, 0, 0), np.uint8),
    )


def _plain(project: Project) -> Placement:
    """Where a project lies that no window has ever shown."""
    state = project.state
    dims = ("T" if state.frames_per_plane > 1 else "") + ("Z" if state.planes > 1 else "") + "YX"
    return Placement(dims, state.frames_per_plane, state.planes, {})


def _written(placement: Placement) -> dict[str, Any]:
    transform: dict[str, Any] = {}
    for key, value in placement.transform.items():
        if key in _ARRAYS:
            transform[key] = np.asarray(value, dtype=float).tolist()
        elif key in _TEXTS:
            transform[key] = [str(part) for part in value]
    return {
        "dims": placement.dims,
        "num_frames": placement.num_frames,
        "planes": placement.planes,
        "transform": transform,
    }


def _read(written: dict[str, Any]) -> Placement:
    transform: dict[str, Any] = {}
    for key, value in written["transform"].items():
        if key in _ARRAYS:
            transform[key] = np.asarray(value, dtype=float)
        elif key in _TEXTS:
            transform[key] = tuple(str(part) for part in value)
    dims = str(written["dims"])
    if set(dims) - set("TZYX1") or "Y" not in dims or "X" not in dims:
        raise ValueError(f"dims {dims!r}")
    return Placement(dims, int(written["num_frames"]), int(written["planes"]), transform)


def require_layer(workspace: Workspace | None) -> Workspace:
    """The workspace, if there is one.

    Raises
    ------
    RequestError
        If there is none.
    """
    if workspace is None:
        raise RequestError("There are no masks to keep yet.", "Run a sentence under Find first.")
    return workspace
