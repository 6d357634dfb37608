"""What a worker hands to the function that does a unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.settings import RunSettings


def _nobody(stage: str, frames_done: int, frames_planned: int) -> None:
    pass


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Task:
    """A unit that was claimed, and all that is needed to do it.

    Attributes
    ----------
    unit : Unit
    settings : RunSettings
    folder : BatchFolder
    generation : int
        How often the unit was taken up, this time included.
    cancel : CancelToken
        Looked at between frames. What is done until then is kept.
    tell : callable
        Told the stage ("loading", "answering", "tracking" ...), frames done and frames planned;
        cheap enough to be called for every frame.
    check : callable
        Raises `Superseded` if another worker has taken the unit; asked before a result is put in
        place.
    worker : str
    """

    unit: Unit
    settings: RunSettings
    folder: BatchFolder
    generation: int = 1
    cancel: CancelToken = field(default_factory=CancelToken)
    tell: Callable[[str, int, int], None] = _nobody
    check: Callable[[], None] = _nothing
    worker: str = ""

    @property
    def work(self) -> Path:
        """Where the unit keeps what it has so far."""
        return self.folder.work_of(self.unit.unit_id)


Do = Callable[[Task], Outcome]
"""Does a unit. Errors of ours are outcomes; only a fault of this program is raised."""
