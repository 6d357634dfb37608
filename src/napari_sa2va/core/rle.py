"""Run-length codes of binary masks, in COCO's order: columns first, runs start with background."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from napari_sa2va.core.errors import ShapeMismatch


class Rle(TypedDict):
    """An uncompressed COCO run-length code.

    `size` is [Y, X]; `counts` alternates background and foreground runs, background first.
    """

    size: list[int]
    counts: list[int]


def encode(mask: np.ndarray) -> Rle:
    """Encode a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X)

    Raises
    ------
    ShapeMismatch
        If the mask is not two-dimensional.
    """
    if mask.ndim != 2:
        raise ShapeMismatch(f"A mask has shape {mask.shape}.", "Give a two-dimensional mask.")
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    if flat.size == 0:
        return {"size": list(mask.shape), "counts": []}
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate(([0], edges, [flat.size])))
    runs = counts.tolist()
    return {"size": list(mask.shape), "counts": [0, *runs] if flat[0] else runs}


def decode(code: Rle) -> np.ndarray:
    """Decode to a bool array of shape (Y, X).

    Raises
    ------
    ShapeMismatch
        If the runs do not add up to the size.
    """
    height, width = code["size"]
    counts = np.asarray(code["counts"], dtype=np.int64)
    if counts.sum() != height * width:
        raise ShapeMismatch(
            f"Runs add up to {counts.sum()} px, but the mask has {height} x {width} px.",
            "The code is damaged.",
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape((height, width), order="F")


def area(code: Rle) -> int:
    """Return the number of foreground pixels."""
    return int(sum(code["counts"][1::2]))
