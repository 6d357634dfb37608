"""A movie beside a file of labels: of which part of it they are, and what only they know of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip

_SAME = 1e-3
"""Sizes and times that differ by less than this share are the same, written with fewer digits."""


def as_labels_say(clip: Clip, said: Clip) -> Clip:
    """The movie, cropped as the labels are, with the facts that it does not have itself.

    Parameters
    ----------
    clip : Clip
        The movie. What it says itself is kept, and so is a region that it was opened with.
    said : Clip
        What the labels say of it: size of their frames, `box`, pixel size, z step, frame interval.

    Returns
    -------
    Clip
        Its `notes` tell where the two contradict each other.
    """
    clip = _cropped(clip, said)
    known: dict[str, Any] = {}
    notes = []
    facts = {"pixel_size_um": "pixel size in µm", "z_step_um": "z step in µm"}
    if clip.time_axis == "T":
        facts["frame_interval_s"] = "frame interval in s"
    elif clip.time_axis == "Z" and said.frame_interval_s is not None:
        notes.append("The labels are over time, and the movie plays over z, which is taken.")
    for fact, words in facts.items():
        ours, theirs = getattr(clip, fact), getattr(said, fact)
        if theirs is None:
            continue
        if ours is None:
            known[fact] = theirs
        elif not np.allclose(ours, theirs, rtol=_SAME, atol=0):
            notes.append(
                f"The labels say {_said(theirs)} as {words}, the movie {_said(ours)}, which is taken."
            )
    if "frame_interval_s" in known:
        known["variable_rate"] = said.variable_rate
    return replace(clip, notes=(*clip.notes, *notes), **known)


def _cropped(clip: Clip, said: Clip) -> Clip:
    """The part of a movie that labels are of."""
    box = said.box
    if box is None or clip.box == box:
        return clip
    is_same_size = (clip.height, clip.width) == (said.height, said.width)
    is_inside = box.y1 <= clip.height and box.x1 <= clip.width
    if clip.box is None and not is_same_size and is_inside:
        return clip.crop(*box.to_json())
    taken = "the whole movie" if clip.box is None else clip.box.describe()
    note = f"The labels say that they are of {box.describe()}; they are taken to be of {taken}."
    return replace(clip, notes=(*clip.notes, note))


def _said(value: float | tuple[float, float]) -> str:
    """A number, or height × width."""
    numbers = value if isinstance(value, tuple) else (value,)
    return " × ".join(f"{number:.6g}" for number in numbers)
