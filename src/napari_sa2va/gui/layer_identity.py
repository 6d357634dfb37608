"""Which image layer it is: by what is in it, not by its place in the list or its name. No Qt.

A saved project, or masks that were made of a layer, find it again with this, in another session and
on another machine. It guards against taking the next best layer: one of the same name with other
data, another channel or bit depth, a cut or binned copy, a stack that was exported anew.

Two layers are the same if shape, dtype and a sample of the pixels are. Path, size and date of the file
only decide between several such layers, because files are moved and copied. Contrast limits, colours,
scale, name and order of layers make no difference. What is not in the sample is not seen: a change
of a few pixels elsewhere passes. `napari_sa2va.core.fingerprint` reads whole frames, and does not
depend on how a layer's axes are ordered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isqrt, prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_sa2va.core.errors import AxesError
from napari_sa2va.core.fingerprint import portable_bytes, sampled_frames
from napari_sa2va.gui.layer_axes import read_axes

SAMPLED_BYTES = 1_000_000
"""Most bytes of pixels that are asked for; a chunked array may have to read more to give them."""


@dataclass(frozen=True)
class LayerIdentity:
    """What an image layer is known by.

    Attributes
    ----------
    shape : tuple of int
        Of the data, RGB samples included; of a pyramid its finest level.
    dtype : str
    key : str
        Hash of shape, dtype and the middles of the first, middle and last frame: equal keys are
        equal layers, as far as was looked.
    path : str or None
        The file or folder that the layer was read from.
    num_bytes : int or None
        Size of that file.
    modified_s : float or None
        When it was changed, in seconds since 1970.
    """

    shape: tuple[int, ...]
    dtype: str
    key: str
    path: str | None = None
    num_bytes: int | None = None
    modified_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The identity in JSON types."""
        return {**asdict(self), "shape": list(self.shape)}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> LayerIdentity:
        """The identity that `to_json` wrote."""
        return cls(**{**facts, "shape": tuple(facts["shape"])})


def identity_of(layer: Any) -> LayerIdentity:
    """Look at an image layer; reads about a megabyte at most.

    Parameters
    ----------
    layer : napari.layers.Image
        Of a lazy layer, the sample is computed here and now.
    """
    path = getattr(getattr(layer, "source", None), "path", None)
    facts: dict[str, Any] = {"path": None if path is None else str(path)}
    # A folder, such as a zarr store, has neither size nor date that say anything.
    if path is not None and Path(path).is_file():
        stat = Path(path).stat()
        facts |= {"num_bytes": stat.st_size, "modified_s": stat.st_mtime}
    data = _data(layer)
    shape = tuple(int(n) for n in data.shape)
    return LayerIdentity(shape, str(np.dtype(data.dtype)), _key(layer), **facts)


def find_layer(layers: Iterable[Any], wanted: LayerIdentity) -> Any | None:
    """The image layer that is meant; of several the one whose file is most like it.

    Parameters
    ----------
    layers : iterable of layers
        Of any kind, for example `viewer.layers`.
    wanted : LayerIdentity

    Returns
    -------
    napari.layers.Image or None
        None if no layer has these pixels. Only layers of this shape and dtype are read.
    """
    from napari.layers import Image

    same = []
    for layer in layers:
        if not isinstance(layer, Image):
            continue
        data = _data(layer)
        if tuple(data.shape) != wanted.shape or str(np.dtype(data.dtype)) != wanted.dtype:
            continue
        found = identity_of(layer)
        if found.key == wanted.key:
            same.append((_likeness(found, wanted), layer))
    # The first of equals, which is the lowest in the viewer's list.
    return max(same, key=lambda pair: pair[0])[1] if same else None


def _likeness(found: LayerIdentity, wanted: LayerIdentity) -> tuple[bool, bool, bool]:
    def agree(name: str) -> bool:
        value = getattr(wanted, name)
        return value is not None and getattr(found, name) == value

    return agree("path"), agree("modified_s"), agree("num_bytes")


def _data(layer: Any) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def _key(layer: Any) -> str:
    """Hash of what the layer is, and of the middles of three frames along every axis but y and x."""
    data = _data(layer)
    dtype = np.dtype(data.dtype)
    facts = f"{tuple(int(n) for n in data.shape)} {dtype.kind}{dtype.itemsize}"
    digest = hashlib.sha256(facts.encode("ascii"))
    try:
        axes = read_axes(layer)
    except AxesError:
        return digest.hexdigest()[:32]
    if 0 in data.shape:
        return digest.hexdigest()[:32]
    others = [a.dim for a in axes.others]
    counts = [axes.shape[dim] for dim in others]
    frames = [np.unravel_index(f, counts) for f in sampled_frames(prod(counts))] if counts else [()]
    samples = int(data.shape[-1]) if axes.rgb else 1
    pixel = dtype.itemsize * samples
    side = isqrt(SAMPLED_BYTES // len(frames) // pixel)
    index: list[Any] = [slice(None)] * len(data.shape)
    for dim in (axes.y, axes.x):
        size = axes.shape[dim]
        start = max((size - side) // 2, 0)
        index[dim] = slice(start, min(start + side, size))
    for position in frames:
        for dim, at in zip(others, position, strict=True):
            index[dim] = int(at)
        digest.update(portable_bytes(np.asarray(data[tuple(index)])))
    return digest.hexdigest()[:32]
