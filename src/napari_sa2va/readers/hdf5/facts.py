"""Axes and physical facts of an HDF5 data set, out of its attributes.

Understood are ilastik's `axistags`, `axis_units`, `display_mode` and `drange`; `axes`; HDF5's own
labels and scales of dimensions, which netCDF and xarray write; and `element_size_um`, which Fiji's
plugins and PlantSeg write.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.geometry import length_in_um, time_in_s
from napari_sa2va.readers.layer import axes_of_labels, axes_of_shape

if TYPE_CHECKING:
    import h5py

Step = tuple[float, str]  # value and unit


def read_facts(dataset: h5py.Dataset) -> tuple[str, dict[str, Any]]:
    """Axes and other facts of a data set.

    Parameters
    ----------
    dataset : h5py.Dataset

    Returns
    -------
    axes : str
        As it names them. Where it names none, or not Y and X, three sizes of three dimensions mean
        z, y and x; else they are guessed from the shape.
    facts : dict
        Fields of `Recording`; only those that it knows.
    """
    tags = _axistags(dataset)
    axes, steps = _axes(dataset, tags), {}
    if axes is not None:
        steps = _steps_of_scales(dataset, axes) | _steps_of_tags(dataset, tags)
    else:
        axes = _axes_of_sizes(dataset) or axes_of_shape(dataset.shape)
    steps |= _element_size(dataset, axes)
    size = {axis: length_in_um(*steps[axis]) for axis in "ZYX" if axis in steps}
    y, x = size.get("Y"), size.get("X")
    facts = {
        "pixel_size_um": (y, x) if y and x else None,
        "z_step_um": size.get("Z"),
        "frame_interval_s": time_in_s(*steps["T"]) if "T" in steps else None,
        "window": _window(dataset),
    }
    if _text(dataset.attrs.get("display_mode")) == "rgba" and "S" not in axes:
        is_color = "C" in axes and dataset.shape[axes.index("C")] in (3, 4)
        axes = axes.replace("C", "S") if is_color else axes
    return axes, {name: value for name, value in facts.items() if value}


def _axistags(dataset: h5py.Dataset) -> list[Mapping[str, Any]]:
    """VIGRA's description of the axes: key, resolution ... of each."""
    found = _json(dataset.attrs.get("axistags"))
    tags = found.get("axes", []) if isinstance(found, Mapping) else []
    is_whole = isinstance(tags, list) and all(isinstance(tag, Mapping) for tag in tags)
    return tags if is_whole and len(tags) == dataset.ndim else []


def _axes(dataset: h5py.Dataset, tags: list[Mapping[str, Any]]) -> str | None:
    named = dataset.attrs.get("axes")
    scales = [next(iter(dim.items()), ("", None)) for dim in dataset.dims]
    for labels in (
        [str(tag.get("key")) for tag in tags],
        list(_text(named)) if isinstance(named, str | bytes) else _texts(named),
        [dim.label for dim in dataset.dims],
        [name for name, _ in scales],
        [str(scale.name).rpartition("/")[2] if scale is not None else "" for _, scale in scales],
    ):
        axes = axes_of_labels(labels) if len(labels) == dataset.ndim else None
        if axes is not None and "Y" in axes and "X" in axes:
            return axes
    return None


def _steps_of_scales(dataset: h5py.Dataset, axes: str) -> dict[str, Step]:
    """Distances between the coordinates that are attached to a dimension, if they are even."""
    steps = {}
    for axis, length, dim in zip(axes, dataset.shape, dataset.dims, strict=True):
        scale = dim[0] if len(dim) else None
        if scale is None or length < 2 or scale.shape != (length,) or scale.dtype.kind not in "iuf":
            continue
        first, second, last = (float(scale[i]) for i in (0, 1, length - 1))
        if math.isclose(last - first, (second - first) * (length - 1), rel_tol=0.01):
            steps[axis] = (last - first) / (length - 1), _text(scale.attrs.get("units"))
    return steps


def _steps_of_tags(dataset: h5py.Dataset, tags: list[Mapping[str, Any]]) -> dict[str, Step]:
    units = _json(dataset.attrs.get("axis_units"))
    if not isinstance(units, Mapping):
        return {}
    steps = {}
    for tag in tags:
        key, resolution = str(tag.get("key")), tag.get("resolution")
        if isinstance(resolution, int | float) and units.get(key):
            steps[key.upper()] = float(resolution), str(units[key])
    return steps


def _axes_of_sizes(dataset: h5py.Dataset) -> str | None:
    """Z, Y, X where that many sizes are given and there are no more dimensions, as of PlantSeg."""
    sizes = _numbers(dataset.attrs.get("element_size_um"))
    return "ZYX" if dataset.ndim == len(sizes) == 3 else None


def _element_size(dataset: h5py.Dataset, axes: str) -> dict[str, Step]:
    """Lengths of (z, y, x) or (y, x) in um, as Fiji's HDF5 plugins and PlantSeg write them."""
    values = _numbers(dataset.attrs.get("element_size_um"))
    names = {2: "YX", 3: "ZYX"}.get(len(values), "")
    return {a: (v, "um") for a, v in zip(names, values, strict=False) if a in axes}


def _window(dataset: h5py.Dataset) -> tuple[tuple[float, float], ...]:
    values = _numbers(dataset.attrs.get("drange"))
    return ((values[0], values[1]),) if len(values) == 2 and values[0] < values[1] else ()


def _numbers(value: object) -> list[float]:
    try:
        numbers = [float(n) for n in np.ravel(np.asarray(value, np.float64))]
    except (TypeError, ValueError):
        return []
    return numbers if all(math.isfinite(n) for n in numbers) else []


def _json(value: object) -> object:
    try:
        return json.loads(_text(value))
    except (ValueError, RecursionError):
        return None


def _texts(value: object) -> list[str]:
    items: Sequence[object] = list(value) if isinstance(value, list | tuple | np.ndarray) else []
    return [_text(item) for item in items]


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value if isinstance(value, str) else ""
