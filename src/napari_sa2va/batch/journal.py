"""The masks of a unit on their way to the disk, frame by frame, while it is worked on.

Each generation of the work writes a segment of its own, ``masks-<generation>.log``, and reads those
before it (`found`). So nobody changes what somebody else may still be writing to: a worker that was
taken for dead goes on in its own file. (What generations share besides is guarded by `leftovers`.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from napari_sa2va.batch.packing import packed
from napari_sa2va.batch.segment import SegmentWriter
from napari_sa2va.core import rle
from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.core.params import Params
from napari_sa2va.core.rle import Rle
from napari_sa2va.writers.result import Shown, Subject

NAME = "masks"
"""Of the segments."""


class Kind(IntEnum):
    """What a record is."""

    ABOUT, ANSWER, MASKS, END = range(1, 5)


class About(Params):
    """What the masks of a segment are of; it comes first in each."""

    version: int = Field(1, ge=1, le=1)
    key: str = Field(description="Of the unit: masks of another key are of another request.")
    num_frames: int = Field(0, ge=0, description="Of the clip.")
    height: int = Field(0, ge=0)
    width: int = Field(0, ge=0)
    subjects: tuple[Subject, ...] = ()


class Answer(Params):
    """What the model said to a sentence."""

    object_id: int
    text: str
    answer: str
    found: bool


@dataclass(frozen=True, eq=False)
class FrameCodes:
    """What was drawn on a frame.

    Attributes
    ----------
    codes : dict of int to Rle
        By object id, in the order in which they were written; also masks without a pixel.
    scores : dict of int to float
        How sure the model is that the object is there, in [0, 1].
    """

    codes: Mapping[int, Rle]
    scores: Mapping[int, float]

    @property
    def shown(self) -> Shown:
        """The objects that have a pixel."""
        there = sorted(i for i, code in self.codes.items() if rle.area(code))
        return Shown({i: self.codes[i] for i in there}, {i: self.scores[i] for i in there})


class Journal:
    """Writes the segment of one generation.

    Parameters
    ----------
    folder : Path
        Of the unit; it is made if it is not there.
    generation : int
    about : About

    Raises
    ------
    BatchError
        If this generation has a segment already.
    OutputError
        Here and of each record: if the disk is full or gone.
    """

    def __init__(self, folder: Path, generation: int, about: About) -> None:
        self._about = about
        folder.mkdir(parents=True, exist_ok=True)
        self._segment = SegmentWriter(folder / f"{NAME}-{generation}.log")
        self._append(Kind.ABOUT, about.model_dump_json())

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._segment.close()

    def answer(self, answer: Answer) -> None:
        """Keep what the model said to a sentence."""
        self._append(Kind.ANSWER, answer.model_dump_json())

    def write(
        self, frame: int, object_ids: Sequence[int], masks: np.ndarray, scores: np.ndarray
    ) -> FrameCodes:
        """Keep the masks of a frame.

        Parameters
        ----------
        frame : int
        object_ids : sequence of int
            Length N.
        masks : ndarray of bool, shape (N, Y, X)
        scores : ndarray of float32, shape (N,)

        Returns
        -------
        FrameCodes
            What was kept.

        Raises
        ------
        ShapeMismatch
            If the masks have another size than the clip.
        """
        about = self._about
        if masks.shape[1:] != (about.height, about.width):
            raise ShapeMismatch(
                f"Masks of {masks.shape[1:]} px were to be kept of frames of "
                f"{(about.height, about.width)} px.",
                "Masks must have the size of the clip.",
            )
        drawn = FrameCodes(
            {i: rle.encode(mask) for i, mask in zip(object_ids, masks, strict=True)},
            dict(zip(object_ids, np.asarray(scores, np.float32).tolist(), strict=True)),
        )
        self.keep(frame, drawn)
        return drawn

    def keep(self, frame: int, drawn: FrameCodes) -> None:
        """Keep masks of a frame that are codes already."""
        self._segment.append(Kind.MASKS, frame, packed(drawn.codes, drawn.scores))

    def end(self, frames: Iterable[int], record: Mapping[str, Any]) -> None:
        """Note that every frame is there.

        Parameters
        ----------
        frames : iterable of int
            All that have masks, in the segments of earlier generations too.
        record : mapping
            Of the run, JSON types.
        """
        self._append(Kind.END, json.dumps({"frames": sorted(frames), "record": record}))
        self.sync()

    def sync(self) -> None:
        """Bring all to the disk, which is otherwise done about once a second."""
        self._segment.sync()

    def _append(self, kind: Kind, text: str) -> None:
        self._segment.append(kind, 0, text.encode())
