"""The ways of objects as a Tracks layer of napari, in the place of the image. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.analysis.tracks import Tracks, tracks_of
from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.labels_view import colormap_of
from napari_sa2va.gui.measurer import physical_facts_of

if TYPE_CHECKING:
    from napari.layers import Tracks as TracksLayer
    from napari.utils.colormaps import DirectLabelColormap

    from napari_sa2va.gui.placement import Placement
    from napari_sa2va.gui.workspace import Workspace

TRACKS_KEY = "napari_sa2va_tracks"
"""Key of `layer.metadata` under which the workspace's key lies."""

_MOST_DIMS = 4  # of a Tracks layer, time included


def tracks_layer_of(workspace: Workspace) -> TracksLayer | None:
    """The Tracks layer that was made of a workspace, wherever it is in the list."""
    layers = workspace.view.viewer.layers
    found = (one for one in layers if one.metadata.get(TRACKS_KEY) == workspace.key)
    return next(found, None)


def show_tracks(workspace: Workspace) -> TracksLayer:
    """Make the Tracks layer of a workspace as its masks are now, or bring it up to date.

    Object ids are track ids. An object that is followed on several planes has one way through the
    volume: the mean of its pixels of a moment, in all planes.

    Returns
    -------
    napari.layers.Tracks

    Raises
    ------
    RequestError
        If no object is anywhere, if nothing plays, or if the image has more axes than napari's
        tracks can have.
    """
    placement, state = workspace.view.placement, workspace.project.state
    first = _first_dim(placement, workspace.image_name)
    cards = state.cards
    areas = {
        (i, f): rle.area(cell.code)
        for i in cards
        for f, cell in enumerate(state.cells(i))
        if cell.code is not None
    }
    tracks = tracks_of(state.masklets(), {i: card.parents for i, card in cards.items()})
    if not len(tracks.data):
        raise RequestError("There is no mask to make tracks of.", "Run a sentence, or paint one.")
    points, area_px = _points(tracks, areas, state.frames_per_plane)
    ids = points[:, 0].astype(int)
    names = {i: card.name for i, card in cards.items()}
    features: dict[str, Any] = {
        "object": ids,
        "name": np.array([names[i] for i in ids.tolist()], object),
        "area_px" if state.planes == 1 else "area_px_all_planes": area_px,
    }
    size = physical_facts_of(placement)["pixel_size_um"]
    if isinstance(size, tuple) and state.planes == 1:
        features["area_um2"] = area_px * (size[0] * size[1])
    data = np.zeros((len(points), 1 + len(placement.dims) - first))
    data[:, 0] = points[:, 0]
    for column, letter in enumerate("TZYX", start=1):
        if letter in placement.dims[first:]:
            data[:, 1 + placement.dims.index(letter) - first] = points[:, column]
    colors = colormap_of({i: card.color for i, card in cards.items()})
    by_color = {"track_id": colors, "object": colors, "name": _OfNames(colors, ids)}
    return _show(workspace, data, features, tracks.graph, by_color, first)


class _OfNames:
    """The objects' colours where napari asks for those of their names, which are no numbers."""

    def __init__(self, colors: DirectLabelColormap, ids: np.ndarray) -> None:
        self._colors, self._ids = colors, ids

    def map(self, values: np.ndarray) -> np.ndarray:
        """Colours of all rows of the layer, float (N, 4)."""
        mapped: np.ndarray = self._colors.map(self._ids)
        return mapped


def _show(
    workspace: Workspace,
    data: np.ndarray,
    features: dict[str, Any],
    graph: dict[int, list[int]],
    by_color: dict[str, Any],
    first: int,
) -> TracksLayer:
    layer = tracks_layer_of(workspace)
    if layer is None:
        viewer = workspace.view.viewer
        active = viewer.layers.selection.active
        layer = viewer.add_tracks(
            data,
            features=features,
            graph=graph,
            name=f"{workspace.image_name} – tracks",
            colormaps_dict=by_color,
            metadata={TRACKS_KEY: workspace.key},
            **_last_dims(workspace.view.placement.transform, first),
        )
        if active is not None:  # who paints wants to go on painting
            viewer.layers.selection.active = active
        return layer
    # New data come without features, so a colour by one of them has to wait.
    color_by, layer.color_by = layer.color_by, "track_id"
    layer.colormaps_dict = by_color
    layer.data = data
    layer.features = features
    layer.graph = graph
    layer.color_by = color_by if color_by in layer.properties_to_color_by else "track_id"
    return layer


def _first_dim(placement: Placement, image_name: str) -> int:
    """The first dim of the masks that the tracks have, too: time, which napari wants to come first.

    What comes before it, channels say, the tracks have not, and are seen all along it.
    """
    time, dims = placement.time_dim, placement.dims
    if time is None or placement.num_frames < 2:
        raise RequestError(f"{image_name!r} does not play.", "Tracks are made of movies.")
    if "Y" in dims[:time] or "X" in dims[:time]:
        raise RequestError(
            f"The time of {image_name!r} comes after its rows or columns.",
            "Bring the axes in the order t, y, x first.",
        )
    if len(dims) - time > _MOST_DIMS:
        raise RequestError(
            f"{image_name!r} has {len(dims) - time} axes from time on; "
            f"napari's tracks have {_MOST_DIMS} at most.",
            "Split its channels into layers first (right click on the layer).",
        )
    return time


def _points(
    tracks: Tracks, areas: Mapping[tuple[int, int], int], frames_per_plane: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of id, t, z, y, x and their areas in px: one row per object and moment.

    An object on several planes lies where the mean of all its pixels lies.
    """
    frames = tracks.data[:, 1].astype(int)
    weights = np.array(
        [areas[i, f] for i, f in zip(tracks.data[:, 0].astype(int), frames, strict=True)], float
    )
    z, t = np.divmod(frames, frames_per_plane)
    moments, which = np.unique(
        np.stack([tracks.data[:, 0], t], axis=1), axis=0, return_inverse=True
    )
    which = which.reshape(-1)
    total = np.bincount(which, weights)
    means = [
        np.bincount(which, weights * place) / total
        for place in (z, tracks.data[:, 2], tracks.data[:, 3])
    ]
    return np.column_stack([moments, *means]), total.astype(int)


def _last_dims(transform: dict[str, Any], first: int) -> dict[str, Any]:
    """The transform of the dims from one on."""
    if not first:
        return transform
    from napari.utils.transforms import Affine

    ndim = len(transform["scale"])
    whole = Affine(
        **{name: transform[name] for name in ("scale", "translate", "rotate", "shear")}, ndim=ndim
    )
    matrix = (transform["affine"] @ whole.affine_matrix)[first:, first:]
    kept: dict[str, Any] = {"affine": matrix}
    for name in ("units", "axis_labels"):
        if name in transform:
            kept[name] = transform[name][first:]
    return kept
