"""Pixels that are read when they are needed, on any thread."""

from __future__ import annotations

from typing import Any, Protocol
from weakref import WeakValueDictionary

import numpy as np


class PlaneReader(Protocol):
    """What reads the planes of a file."""

    def read(self, index: int) -> np.ndarray:
        """Read plane `index`."""


# By the name of the dask array whose chunks are these planes; gone with its graph.
_plane_readers: WeakValueDictionary[str, PlaneReader] = WeakValueDictionary()


def remember_planes(name: str, reader: PlaneReader) -> None:
    """Let `read_frame` read the planes of an array directly.

    Parameters
    ----------
    name : str
        Of a dask array with one plane per position of its first axis.
    reader : PlaneReader
        A part of the array's graph; it is not kept alive here.
    """
    _plane_readers[name] = reader


def read_frame(frames: Any, t: int) -> np.ndarray:
    """The pixels of `frames[t]`; without a graph where that is a plane of a file.

    Going through a graph costs about 1 ms, as long as decoding a frame.
    """
    reader = _plane_readers.get(getattr(frames, "name", ""))
    return read(frames[t]) if reader is None else reader.read(t)


def read(part: Any) -> np.ndarray:
    """The pixels of a part of an array.

    Parameters
    ----------
    part : ndarray, dask.array.Array, or anything that NumPy takes for an array

    Returns
    -------
    ndarray

    Notes
    -----
    What a host program has registered with dask is not asked. napari registers a cache while it
    shows a dask array; its callbacks know of one computation at a time only, and raise `KeyError`
    if two threads compute at once. A frame is one task, or few: a scheduler's threads would only
    cost.
    """
    if hasattr(part, "dask"):
        part = part.compute(scheduler="synchronous", callbacks=())
    return np.asarray(part)
