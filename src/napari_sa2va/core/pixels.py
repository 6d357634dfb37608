"""Pixels that are read when they are needed, on any thread."""

from __future__ import annotations

from typing import Any

import numpy as np


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
