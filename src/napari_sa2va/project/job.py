"""A model step on its way: the network works on one thread, the state changes on another.

`events` is iterated where it may take long, and reads nothing of the state; `take` is called with
every message on the thread that owns the state. On one thread, as in a replay, both go in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.clip import Clip
from napari_sa2va.pipeline.events import Answered, Event, FrameMasks, Planned
from napari_sa2va.pipeline.run import run
from napari_sa2va.project.cells import Cell
from napari_sa2va.project.change import Change, Edit
from napari_sa2va.project.history import History
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.base import ModelStep

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.pipeline.record import RunRecord


@dataclass(frozen=True, eq=False)
class Drawn:
    """Masks of one frame, already coded: coding a large frame takes a while.

    Attributes
    ----------
    event : FrameMasks
    cells : tuple of Cell
        Those of ``event.object_ids``.
    """

    event: FrameMasks
    cells: tuple[Cell, ...]


JobMessage = Event | Drawn


class Job:
    """See `Project.begin`.

    Parameters
    ----------
    step : ModelStep
    state : State
    history : History

    Attributes
    ----------
    record : RunRecord or None
        What happened, from the first message on.

    Raises
    ------
    RequestError
        If the step cannot be done; the state is as it was.
    """

    def __init__(self, step: ModelStep, state: State, history: History) -> None:
        self.record: RunRecord | None = None
        self._step = step
        self._history = history
        self._edit = Edit(state, step)
        self._taken = 0
        self._heard = False
        self._ended = False
        try:
            step.prepare(self._edit)
            self.work = step.work(state)
        except BaseException:
            self._edit.take_back()
            raise
        history.push(self._edit.change)

    @property
    def change(self) -> Change:
        """What it changed so far."""
        return self._edit.change

    @property
    def masks_taken(self) -> int:
        """How many events with masks were taken."""
        return self._taken

    def events(
        self, clip: Clip, cancel: CancelToken | None = None, model: Sa2VA | None = None
    ) -> Iterator[JobMessage]:
        """Let the network work; on any thread.

        Parameters
        ----------
        clip : Clip
        cancel : CancelToken, optional
        model : Sa2VA, optional
            A network that is already loaded.

        Raises
        ------
        Sa2vaError
            See `napari_sa2va.pipeline.run.run`. Whoever takes the messages still has to `end`.
        """
        work = self.work
        for event in run(
            clip,
            work.prompts,
            work.settings,
            model=model,
            cancel=cancel,
            begin_near=work.begin_near,
        ):
            if isinstance(event, FrameMasks):
                pairs = zip(event.masks, event.scores, strict=True)
                cells = (Cell(rle.encode(mask), float(score), "model") for mask, score in pairs)
                yield Drawn(event, tuple(cells))
            else:
                yield event

    def take(self, message: JobMessage) -> None:
        """Take one message; on the thread that owns the state."""
        match message:
            case Planned():
                self.record = message.record
            case Answered():
                self._heard = True
                self._step.hear(self._edit, message)
            case Drawn():
                self._taken += 1
                self._step.take(self._edit, message.event, message.cells)

    def end(self, *, complete: bool) -> Change | None:
        """Close the change, however the job ended; None if it changed nothing.

        Parameters
        ----------
        complete : bool
            Whether it came to its end, and was neither cancelled nor failed.
        """
        if self._ended:
            return None
        self._ended = True
        if not (complete or self._taken or self._heard):
            # Nothing came of it, not even an answer: the objects it was to find go with it.
            self._edit.take_back()
            self._history.drop(self.change)
            return None
        change = self._edit.close()
        if not complete:
            change.step = self._step.model_copy(update={"masks_taken": self._taken})
        if not change:
            self._history.drop(change)
            return None
        return change
