"""What a stroke on a label image means for objects whose masks may overlap. No Qt, no napari."""

from __future__ import annotations

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.masklet import Overlap
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.paint import Paint


def paint_of(state: State, frame: int, now: np.ndarray, overlap: Overlap = "last") -> Paint | None:
    """The masks that somebody painted on a frame.

    Paint takes its pixels from every object that would hide it. An eraser takes them from the object
    that was seen; one that lies beneath comes to light. What is locked gets no pixel and
    loses none, so the stroke does not count there.

    Parameters
    ----------
    state : State
        As it was before.
    frame : int
    now : ndarray of int, shape (Y, X)
        The label image as it is in the layer.
    overlap : {"last", "first"}
        Which of two overlapping objects is seen.

    Returns
    -------
    Paint or None
        None if nothing was changed.

    Raises
    ------
    RequestError
        If all of the stroke lies on what is locked.
    """
    before = state.labels(frame, overlap)
    changed = now != before
    if not changed.any():
        return None
    masks = {
        i: rle.decode(code)
        for i in state.cards
        if (code := state.cell(i, frame).code) is not None and state.cell(i, frame).present
    }
    touched = {i: np.zeros(changed.shape, bool) for i in masks}
    locked: str | None = None
    for label in np.unique(now[changed]).tolist():
        if label in state.cards and state.cell(label, frame).locked:
            locked = state.card(label).name
            changed &= now != label
    for i, mask in masks.items():
        # Where it was seen, and where it would hide what was painted.
        hides = (now != 0) & ((now < i) if overlap == "last" else (now > i))
        taken = changed & mask & (now != i) & ((before == i) | hides)
        if state.cell(i, frame).locked and taken.any():
            locked = state.card(i).name
            changed &= ~taken
        else:
            touched[i] = taken
    if not changed.any():
        raise RequestError(
            f"{locked!r} is locked on frame {frame}.", "Unlock it there to paint over it."
        )
    painted = {i: masks[i] & ~(taken & changed) for i, taken in touched.items()}
    painted = {i: mask for i, mask in painted.items() if (mask != masks[i]).any()}
    for label in np.unique(now[changed]).tolist():
        if label:
            mask = masks.get(label, np.zeros(changed.shape, bool))
            painted[label] = mask | (changed & (now == label))
    return Paint(frame=frame, masks={i: rle.encode(mask) for i, mask in painted.items()})
