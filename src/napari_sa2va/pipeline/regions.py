"""A region that the user marked on a frame, as a mask: drawn, boxed, or clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import Prompt
from napari_sa2va.pipeline.clicking import click
from napari_sa2va.pipeline.resolve import check_marks

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA


def region_mask(clip: Clip, model: Sa2VA, marks: Prompt) -> np.ndarray:
    """The region as the language model can be told of it.

    Parameters
    ----------
    clip : Clip
    model : Sa2VA
        Its SAM 2 turns clicks into a mask; drawn masks and boxes do not need it.
    marks : Prompt
        A mask, a box or points on one frame.

    Returns
    -------
    ndarray of bool, shape (Y, X)

    Raises
    ------
    RequestError
        If the marks hold nothing or lie outside the clip.
    MemoryShortage
        If a click was to become a mask, and the device has too little memory for SAM 2.
    """
    check_marks(marks, clip)
    if marks.mask is not None and not marks.points:
        return marks.mask.astype(bool)
    if marks.box is not None and not marks.points:
        return box_mask(marks.box, clip.height, clip.width)
    from napari_sa2va.models.device import memory_errors

    with memory_errors(model.device):
        return _clicked(clip, model, marks)


def _clicked(clip: Clip, model: Sa2VA, marks: Prompt) -> np.ndarray:
    tracker = model.new_tracker(
        decoder="tuned" if model.original_decoder is None else "original", hide_absent=False
    )
    features = tracker.encode(clip.rgb(marks.frame))
    if marks.mask is not None:
        tracker.prompt_masks(marks.frame, features, [marks.object_id], marks.mask[None])
    prediction = click(tracker, marks.frame, features, marks.object_id, marks)
    mask: np.ndarray = prediction.to_masks(clip.height, clip.width)[0]
    return mask


def box_mask(box: tuple[float, float, float, float], height: int, width: int) -> np.ndarray:
    """A box filled in: every pixel whose centre lies inside, and at least one.

    Parameters
    ----------
    box : tuple of float
        (y0, x0, y1, x1) in px.
    height, width : int
        Of the frame, in px.
    """
    y0, x0, y1, x1 = box
    mask = np.zeros((height, width), dtype=bool)
    rows, columns = _pixels(y0, y1, height), _pixels(x0, x1, width)
    mask[rows, columns] = True
    return mask


def _pixels(low: float, high: float, size: int) -> slice:
    first = min(round(low), size - 1)
    return slice(first, max(round(high), first + 1))
