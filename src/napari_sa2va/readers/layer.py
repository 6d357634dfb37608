"""Arrays in memory and napari image layers as recordings. napari itself is not imported."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from napari_sa2va.core.axes import KNOWN_AXES, check_axes, guess_axes
from napari_sa2va.core.errors import AxesError, ClipError
from napari_sa2va.core.geometry import length_in_um, time_in_s
from napari_sa2va.core.recording import Recording

if TYPE_CHECKING:
    import dask.array as da

_SMALLEST_TILE = 64


def from_array(
    data: Any,
    axes: str | None = None,
    *,
    rgb: bool | None = None,
    name: str = "array",
) -> Recording:
    """A recording of an array that is there already.

    Parameters
    ----------
    data : ndarray, dask.array.Array, zarr.Array or anything with shape, dtype and slicing
        A list or tuple of arrays of falling size is a pyramid; its first level is taken.
    axes : str, optional
        One letter per dimension; guessed for YX, TYX, YXS and TYXS.
    rgb : bool, optional
        Whether the last dimension holds colour samples; only used to guess the axes.
    name : str

    Returns
    -------
    Recording

    Raises
    ------
    AxesError
        If the axes do not fit or cannot be guessed.
    ClipError
        If this is no array.
    """
    if isinstance(data, list | tuple) and data and all(hasattr(level, "shape") for level in data):
        data = data[0]
    if not (hasattr(data, "shape") and hasattr(data, "dtype")):
        raise ClipError(
            f"An object of type {type(data).__name__} is not a clip.",
            "Give a path, a numpy, dask or zarr array.",
        )
    axes = check_axes(axes, len(data.shape)) if axes else guess_axes(tuple(data.shape), rgb)
    return Recording(plane_chunks(data, axes), axes, name=name)


def plane_chunks(data: Any, axes: str) -> da.Array:
    """An array cut into planes; letters other than Y, X and S count planes.

    Planes that the source keeps in several chunks stay so: a part of one is read without the rest.
    """
    return lazily(data, [dim for dim, axis in enumerate(axes) if axis in "YXS"])


def lazily(data: Any, frame_dims: Collection[int]) -> da.Array:
    """An array as a dask array whose chunks hold no more than one frame.

    Parameters
    ----------
    data : ndarray, dask.array.Array, zarr.Array or anything with shape, dtype and slicing
    frame_dims : collection of int
        Dims of rows, columns and colour samples; along all others a chunk has the length 1.
    """
    import dask.array as da

    if 0 in data.shape:
        return da.zeros(data.shape, dtype=data.dtype)
    if isinstance(data, da.Array):
        return data.rechunk({dim: 1 for dim in range(data.ndim) if dim not in frame_dims})
    kept = getattr(data, "chunks", None) or data.shape  # of zarr and HDF5
    chunks = tuple(
        _tile(int(kept[dim]), int(size)) if dim in frame_dims else 1
        for dim, size in enumerate(data.shape)
    )
    # A unique name, because dask would hash all pixels for one.
    meta = np.empty((0,) * len(data.shape), data.dtype)
    return da.from_array(data, chunks=chunks, name=f"array-{uuid4().hex}", meta=meta)


def _tile(chunk: int, size: int) -> int:
    """Whole chunks of the source, so many that a frame is not made of thousands of tasks."""
    return min(chunk * -(-_SMALLEST_TILE // chunk), size)


def from_layer(layer: Any, axes: str | None = None) -> Recording:
    """A recording of a napari image layer.

    Parameters
    ----------
    layer : napari.layers.Image or anything like it
        Its `data`, `rgb`, `multiscale`, `scale`, `units`, `axis_labels`, `contrast_limits` and
        `name` are looked at.
    axes : str, optional
        One letter per dimension, colour samples included. By default the layer's axis labels if
        they are such letters, else the guess of `from_array`.

    Returns
    -------
    Recording
        With pixel size and frame interval only where the layer's units are lengths and times, and
        with the layer's contrast limits as its window.
    """
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    rgb = bool(getattr(layer, "rgb", False))
    labels = [str(label) for label in getattr(layer, "axis_labels", ())]
    axes = axes or axes_of_labels(labels, rgb=rgb)
    try:
        recording = from_array(data, axes, rgb=rgb, name=str(layer.name))
    except AxesError as error:
        raise AxesError(
            f"Layer {layer.name!r}: {error.message}",
            "Name its axes (layer.axis_labels, for example t, z, y, x).",
        ) from error
    facts = physical_facts(layer, recording.axes)
    limits = getattr(layer, "contrast_limits", None)
    if limits is not None and not rgb:
        facts["window"] = ((float(limits[0]), float(limits[1])),)
    return replace(recording, **facts)


def axes_of_labels(labels: Sequence[str], *, rgb: bool = False) -> str | None:
    """Letters for the names of an array's dimensions; None if one says nothing to us.

    Parameters
    ----------
    labels : sequence of str
        "t", "time", "Z", "depth", "channel", "row" ...
    rgb : bool
        Whether colour samples follow that have no name.
    """
    words = {"time": "T", "channel": "C", "depth": "Z", "plane": "Z", "row": "Y", "column": "X"}
    letters = "".join(words.get(label.lower(), label.upper()) for label in labels)
    is_known = len(letters) == len(labels) == len(set(letters)) and set(letters) <= set(KNOWN_AXES)
    if not is_known or not letters:
        return None
    return letters + ("S" if rgb and "S" not in letters else "")


def axes_of_shape(shape: tuple[int, ...]) -> str:
    """Axes of a stored array that names none; letters that a person must name where it is not clear.

    Raises
    ------
    AxesError
        If it is no image.
    """
    try:
        return guess_axes(shape)
    except AxesError:
        if len(shape) < 2:
            raise
        return "Q" * (len(shape) - 2) + "YX"


def physical_facts(layer: Any, axes: str) -> dict[str, Any]:
    """Sizes of a layer's pixels and steps, as keyword arguments of `Recording`.

    Parameters
    ----------
    layer : anything with `scale` and `units`
    axes : str
        One letter per dim, with or without S.

    Returns
    -------
    dict
        `pixel_size_um`, `z_step_um` and `frame_interval_s`, each None where the unit is no length or
        time; empty where scale or units do not fit the axes.
    """
    spatial = axes.replace("S", "")
    units = [str(u) for u in getattr(layer, "units", None) or ()]
    scale = [float(s) for s in getattr(layer, "scale", ())]
    if len(units) != len(spatial) or len(scale) != len(spatial):
        return {}
    of = {a: (s, u) for a, s, u in zip(spatial, scale, units, strict=True)}
    y, x = (length_in_um(*of[a]) for a in "YX")
    return {
        "pixel_size_um": (y, x) if y and x else None,
        "z_step_um": length_in_um(*of["Z"]) if "Z" in of else None,
        "frame_interval_s": time_in_s(*of["T"]) if "T" in of else None,
    }
