"""Run-length codes of binary masks, in COCO's order: columns first, runs start with background."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from napari_sa2va.core.errors import ShapeMismatch


class Rle(TypedDict):
    """An uncompressed COCO run-length code.

    `size` is [Y, X]; `counts`, uint32, alternates background and foreground runs, background first.
    It is an array because a list of Python numbers takes nine times the memory, and codes are what
    grows with the length of a clip; `counts.tolist()` is what COCO's JSON holds.
    """

    size: list[int]
    counts: np.ndarray


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
        return {"size": list(mask.shape), "counts": np.empty(0, np.uint32)}
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    start = [0, 0] if flat[0] else [0]  # a mask that begins with foreground: a background run of 0
    counts = np.diff(np.concatenate((start, edges, [flat.size])))
    return {"size": list(mask.shape), "counts": counts.astype(np.uint32)}


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
    return int(np.sum(code["counts"][1::2]))
