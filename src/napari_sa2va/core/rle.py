"""Run-length codes of binary masks, in COCO's order: columns first, runs start with background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypedDict

import numpy as np

from napari_sa2va.core.errors import ShapeMismatch

# A run that is written costs as much as so many pixels that are.
_PX_PER_RUN = 100


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


def encode_labels(labels: np.ndarray) -> dict[int, Rle]:
    """Encode every object of a label image in one pass over its pixels.

    Parameters
    ----------
    labels : ndarray of integers, shape (Y, X)
        0 is background.

    Returns
    -------
    dict of int to Rle
        By object id, rising; only objects that have a pixel.

    Raises
    ------
    ShapeMismatch
        If the labels are not two-dimensional.
    """
    if labels.ndim != 2:
        raise ShapeMismatch(f"Labels have shape {labels.shape}.", "Give two-dimensional labels.")
    flat = labels.ravel(order="F")
    if flat.size == 0:
        return {}
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    ends = np.append(starts[1:], flat.size)
    values = flat[starts]
    shown = np.flatnonzero(values)
    if not len(shown):
        return {}
    # Runs of one object stand together, in their order along the columns.
    runs = shown[np.argsort(values[shown], kind="stable")]
    ids, first = np.unique(values[runs], return_index=True)
    codes: dict[int, Rle] = {}
    height, width = labels.shape
    for object_id, own in zip(ids.tolist(), np.split(runs, first[1:]), strict=True):
        codes[object_id] = of_runs(starts[own], ends[own], height, width)
    return codes


def of_runs(starts: np.ndarray, ends: np.ndarray, height: int, width: int) -> Rle:
    """The code of a mask whose runs of foreground are known.

    Parameters
    ----------
    starts, ends : ndarray of int64, shape (n,)
        First pixel of each run and the one behind it, counted down the columns; rising, with
        background between two runs.
    height, width : int
    """
    bounds = np.empty(2 * len(starts), np.int64)
    bounds[::2], bounds[1::2] = starts, ends
    counts = np.diff(bounds, prepend=0)
    rest = height * width - (int(bounds[-1]) if len(bounds) else 0)
    if rest:
        counts = np.append(counts, rest)
    return {"size": [height, width], "counts": counts.astype(np.uint32)}


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


def fill(code: Rle, plane: np.ndarray, value: int) -> None:
    """Write a value into every pixel of a mask, in place.

    Parameters
    ----------
    code : Rle
    plane : ndarray, shape (Y, X)
        Fast if its columns lie one after the other in memory (order "F"), as the runs do.
    value : int

    Raises
    ------
    ShapeMismatch
        If the plane has another size than the mask.
    """
    if list(plane.shape) != list(code["size"]):
        raise ShapeMismatch(
            f"A mask of {code['size']} px (y, x) was to be written into {plane.shape}.",
            "Give a plane of the mask's size.",
        )
    ends = np.cumsum(code["counts"], dtype=np.int64)
    if not plane.flags.f_contiguous or len(ends) > plane.size // _PX_PER_RUN:
        plane[decode(code)] = value
        return
    flat = plane.reshape(-1, order="F")  # a view
    stops = ends.tolist()
    for start, stop in zip(stops[::2], stops[1::2], strict=False):
        flat[start:stop] = value


def area(code: Rle) -> int:
    """Return the number of foreground pixels."""
    return int(np.sum(code["counts"][1::2]))


def empty(height: int, width: int) -> Rle:
    """Return the code of a mask without a pixel."""
    return {"size": [height, width], "counts": np.array([height * width], np.uint32)}


def same(a: Rle, b: Rle) -> bool:
    """Whether two codes are of the same mask; codes made by `encode` are unique."""
    return a is b or (a["size"] == b["size"] and np.array_equal(a["counts"], b["counts"]))


def overlap(a: Rle, b: Rle) -> int:
    """Number of pixels in both masks, without decoding them.

    Raises
    ------
    ShapeMismatch
        If the masks differ in size.
    """
    _require_same_size(a, b)
    # At every end of a run of either mask: how much of each mask lies before it.
    ends = np.union1d(_ends(a), _ends(b))
    lengths = np.diff(ends, prepend=0)
    return int(lengths[_is_set(a, ends) & _is_set(b, ends)].sum())


def are_apart(codes: Iterable[Rle]) -> bool:
    """Whether no pixel is in two of the masks, which are of one size."""
    bounds = [np.cumsum(code["counts"], dtype=np.int64) for code in codes]
    if len(bounds) < 2:
        return True
    ends = np.concatenate([of[1::2] for of in bounds])
    starts = np.concatenate([of[: len(of) // 2 * 2 : 2] for of in bounds])
    runs = np.stack([starts, ends], axis=1)[starts < ends]
    runs = runs[np.argsort(runs[:, 0])]
    # If two runs overlap, then also two that follow each other in the order of their starts.
    return bool(np.all(runs[1:, 0] >= runs[:-1, 1]))


def iou(a: Rle, b: Rle) -> float:
    """Intersection over union, in [0, 1]; 1 if both masks are empty.

    Raises
    ------
    ShapeMismatch
        If the masks differ in size.
    """
    shared = overlap(a, b)
    covered = area(a) + area(b) - shared
    return shared / covered if covered else 1.0


def union(codes: Sequence[Rle]) -> Rle:
    """The pixels that are in any of the masks, of which there is at least one.

    Raises
    ------
    ShapeMismatch
        If the masks differ in size.
    """
    return _combine(codes, np.logical_or)


def difference(a: Rle, b: Rle) -> Rle:
    """The pixels that are in `a` and not in `b`.

    Raises
    ------
    ShapeMismatch
        If the masks differ in size.
    """
    return _combine((a, b), lambda first, second: first & ~second)


def to_json(code: Rle) -> dict[str, list[int]]:
    """The code as JSON types, as COCO's uncompressed form has them."""
    return {"size": list(code["size"]), "counts": code["counts"].tolist()}


def from_json(data: Mapping[str, Sequence[int]]) -> Rle:
    """Read what `to_json` wrote.

    Raises
    ------
    ShapeMismatch
        If the runs do not add up to the size.
    """
    height, width = (int(n) for n in data["size"])
    counts = np.asarray(data["counts"], dtype=np.uint32)
    if int(counts.sum(dtype=np.int64)) != height * width:
        raise ShapeMismatch(
            f"Runs add up to {counts.sum(dtype=np.int64)} px, but the mask has "
            f"{height} x {width} px.",
            "The code is damaged.",
        )
    return {"size": [height, width], "counts": counts}


def _combine(codes: Sequence[Rle], rule: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Rle:
    for code in codes[1:]:
        _require_same_size(codes[0], code)
    ends = _ends(codes[0])
    for code in codes[1:]:
        ends = np.union1d(ends, _ends(code))
    inside = _is_set(codes[0], ends)
    for code in codes[1:]:
        inside = rule(inside, _is_set(code, ends))
    # Neighbours that are alike are one run.
    last = np.append(inside[1:] != inside[:-1], True) if len(inside) else inside
    counts = np.diff(ends[last], prepend=0)
    if len(inside) and inside[0]:
        counts = np.concatenate(([0], counts))
    return {"size": list(codes[0]["size"]), "counts": counts.astype(np.uint32)}


def _ends(code: Rle) -> np.ndarray:
    """Where runs end, int64, rising; runs of length 0 left out."""
    counts = np.asarray(code["counts"], dtype=np.int64)
    return np.cumsum(counts)[counts > 0]


def _is_set(code: Rle, ends: np.ndarray) -> np.ndarray:
    """Whether the pixel before each position is foreground."""
    bounds = np.cumsum(np.asarray(code["counts"], dtype=np.int64))
    inside: np.ndarray = np.searchsorted(bounds, ends, side="left") % 2 == 1
    return inside


def _require_same_size(a: Rle, b: Rle) -> None:
    if a["size"] != b["size"]:
        raise ShapeMismatch(
            f"Masks of {a['size']} and {b['size']} px (y, x) cannot be compared.",
            "Take masks of the same clip.",
        )
