"""What a run says while it works. The command line, the dock and Python read the same events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from napari_sa2va.models.jobs import Progress
    from napari_sa2va.pipeline.record import RunRecord
    from napari_sa2va.pipeline.resolve import Plan


@dataclass(frozen=True)
class Planned:
    """The request fits the clip; this is what will run.

    Attributes
    ----------
    plan : Plan
    record : RunRecord
        The record of this run, which fills as the run goes on, so that a run that fails still
        leaves an account of what it did.
    """

    plan: Plan
    record: RunRecord


@dataclass(frozen=True)
class Fetching:
    """The model is not on this machine, and is being downloaded; some times a second."""

    progress: Progress


@dataclass(frozen=True)
class Answered:
    """The language model answered one sentence.

    Attributes
    ----------
    object_id : int
    text : str
        The sentence asked.
    answer : str
        The answer without special tokens.
    found : bool
        Whether the answer holds a `[SEG]`, so that there is a mask to draw.
    """

    object_id: int
    text: str
    answer: str
    found: bool


@dataclass(frozen=True)
class FrameMasks:
    """Masks of one frame.

    Attributes
    ----------
    frame : int
    object_ids : tuple of int
        Length N.
    masks : ndarray of bool, shape (N, Y, X)
    scores : ndarray of float32, shape (N,)
        How sure the model is that the object is on this frame, in [0, 1].
    """

    frame: int
    object_ids: tuple[int, ...]
    masks: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class KeyMasks(FrameMasks):
    """Masks of one key frame, drawn from the sentence alone, before propagation."""


@dataclass(frozen=True)
class Note:
    """Something the user should know, which stops nothing."""

    message: str
    hint: str = ""


@dataclass(frozen=True)
class Resumed(Note):
    """The run goes on where an earlier one stopped, and its record with it."""


@dataclass(frozen=True)
class Finished:
    """The last event of every run that does not raise.

    Attributes
    ----------
    reason : {"done", "cancelled"}
    record : RunRecord
    """

    reason: Literal["done", "cancelled"]
    record: RunRecord


Event = Planned | Fetching | Answered | KeyMasks | FrameMasks | Note | Finished
