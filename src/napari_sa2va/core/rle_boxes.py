"""Run-length codes cut out of a frame and put into a larger one, without decoding them.

Time and memory depend on the outlines of the mask, not on the size of the frame.
"""

from __future__ import annotations

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.core.region_box import Box

MOST_PX = int(np.iinfo(np.uint32).max)
"""Pixels of the largest frame that has codes: a run may be as long as the frame is large."""


def crop(code: rle.Rle, box: Box) -> rle.Rle:
    """The part of a mask that lies in a box, as `Box.crop` gives it of the decoded mask.

    Raises
    ------
    RequestError
        If the box reaches over the frame.
    """
    box.check_inside(*code["size"])
    x, top, bottom = _columns(code)
    top, bottom = np.maximum(top, box.y0), np.minimum(bottom, box.y1)
    inside = (x >= box.x0) & (x < box.x1) & (top < bottom)
    return _of_columns(
        x[inside] - box.x0, top[inside] - box.y0, bottom[inside] - box.y0, box.height, box.width
    )


def paste(code: rle.Rle, box: Box, height: int, width: int) -> rle.Rle:
    """A mask of the inside of a box in a full frame, as `Box.paste` does with the decoded mask.

    Raises
    ------
    ShapeMismatch
        If the mask has another size than the box, or the frame is too large for codes.
    RequestError
        If the box reaches over the frame.
    """
    box.check_inside(height, width)
    if list(code["size"]) != [box.height, box.width]:
        raise ShapeMismatch(
            f"A mask of {code['size']} px (y, x) does not fit a region of "
            f"{box.height} × {box.width} px.",
            "Give the mask of the cropped frame.",
        )
    if height * width > MOST_PX:
        raise ShapeMismatch(
            f"A frame of {height} × {width} px is too large for run-length codes, which hold "
            f"{MOST_PX} px at most.",
            "Look at a part of it (box).",
        )
    x, top, bottom = _columns(code)
    return _of_columns(x + box.x0, top + box.y0, bottom + box.y0, height, width)


def _columns(code: rle.Rle) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The foreground as pieces of columns: column, first row, row behind the last; each (n,)."""
    height = code["size"][0]
    ends = np.cumsum(np.asarray(code["counts"], np.int64))
    stops = ends[1::2]
    starts = ends[::2][: len(stops)]
    starts, stops = starts[stops > starts], stops[stops > starts]
    first = starts // height
    pieces = (stops - 1) // height - first + 1
    # Within each run 0, 1, 2 ...: its columns from the first one on.
    nth = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    x = np.repeat(first, pieces) + nth
    top = np.maximum(np.repeat(starts, pieces) - x * height, 0)
    bottom = np.minimum(np.repeat(stops, pieces) - x * height, height)
    return x, top, bottom


def _of_columns(
    x: np.ndarray, top: np.ndarray, bottom: np.ndarray, height: int, width: int
) -> rle.Rle:
    starts, stops = x * height + top, x * height + bottom
    # A piece that ends with a column and one that begins the next are one run.
    begins, ends = np.ones(len(starts), bool), np.ones(len(starts), bool)
    begins[1:] = ends[:-1] = starts[1:] != stops[:-1]
    return rle.of_runs(starts[begins], stops[ends], height, width)
