"""What came of the work on a unit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from napari_sa2va.batch.stored_path import absolute_path, stored_path
from napari_sa2va.core.params import Params

State = Literal["done", "nothing", "failed", "unfit", "stopped", "lost"]
"""done: something was found, and all is written. nothing: the same, but no object has a pixel.
failed: an error. unfit: it needs more memory than there was. stopped: a person or the machine's
batch system asked for it. lost: its worker vanished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOutcome:
    """One object of a unit; of these a client has tens of thousands in memory.

    Attributes
    ----------
    object_id : int
    name, sentence, answer : str
        What it is called, the sentence that asked for it, and what the model said.
    found : bool
        Whether the model pointed at something.
    frames_present : int
        Frames on which it has a pixel.
    mean_score : float or None
        How sure the model is, in [0, 1], over these frames.
    mean_area_px : float or None
        Over these frames.
    """

    object_id: int
    name: str = ""
    sentence: str = ""
    answer: str = ""
    found: bool
    frames_present: int = 0
    mean_score: float | None = None
    mean_area_px: float | None = None


class Outcome(Params):
    """What came of one generation of the work on a unit."""

    model_config = ConfigDict(extra="ignore")  # what newer versions say beyond that

    unit_id: str
    generation: int = Field(ge=1)
    state: State
    key: str = Field(description="Of the unit that was worked on.")
    cause: str = Field("", description="What was wrong.")
    hint: str = Field("", description="What to do about it.")
    error: str = Field("", description="Class of the error.")
    certain: bool = Field(False, description="Whether the same would go wrong again.")
    passing: bool = Field(
        False, description="Whether it counts as no try: a disk is full, say, which may pass."
    )
    began: str = Field("", description="ISO 8601, UTC.")
    ended: str = ""
    seconds: float = Field(0.0, ge=0)
    frames: int = Field(0, ge=0, description="Frames that have masks.")
    resumed_at: int = Field(0, ge=0, description="Frames that an earlier generation had done.")
    objects: tuple[ObjectOutcome, ...] = ()
    overlap_frames: int = Field(0, ge=0, description="Frames on which a pixel is of two objects.")
    outputs: tuple[str, ...] = Field((), description="Files that were written.")
    warnings: tuple[str, ...] = ()
    worker: str = ""
    host: str = ""
    device: str = ""
    peak_bytes: int = Field(0, ge=0, description="Most memory of the worker; 0 if not known.")

    @property
    def is_complete(self) -> bool:
        """Whether the unit came to its end, with or without masks."""
        return self.state in ("done", "nothing")

    def stored_in(self, batch: Path) -> Outcome:
        """The outcome as the files of a batch folder have it."""
        outputs = tuple(stored_path(path, batch) for path in self.outputs)
        return self.model_copy(update={"outputs": outputs})

    def read_in(self, batch: Path) -> Outcome:
        """The outcome that `stored_in` was asked of."""
        outputs = tuple(absolute_path(path, batch) for path in self.outputs)
        return self.model_copy(update={"outputs": outputs})
