"""A model step on its way: the network works on one thread, the state changes on another.

`events` is iterated where it may take long, and reads nothing of the state; `take` is called with
every message on the thread that owns the state. On one thread, as in a replay, both go in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.core.region_box import Box, prompt_inside
from napari_sa2va.pipeline.events import Answered, Event, FrameMasks, KeyMasks, Planned
from napari_sa2va.pipeline.planes import run_planes
from napari_sa2va.pipeline.run import run
from napari_sa2va.project.beneath import EditBeneath
from napari_sa2va.project.cells import Cell
from napari_sa2va.project.change import Change
from napari_sa2va.project.footage import Footage
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
        With the frame counted over all planes; its masks are of the region that was looked at.
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
        self._edit = EditBeneath(state, step, history)
        self._taken = 0
        self._heard: list[int] = []  # objects that were asked for
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

    @property
    def answers_taken(self) -> int:
        """How many answers were taken."""
        return len(self._heard)

    def events(
        self, footage: Footage, cancel: CancelToken | None = None, model: Sa2VA | None = None
    ) -> Iterator[JobMessage]:
        """Let the network work; on any thread.

        Parameters
        ----------
        footage : Footage
        cancel : CancelToken, optional
        model : Sa2VA, optional
            A network that is already loaded.

        Raises
        ------
        Sa2vaError
            See `napari_sa2va.pipeline.run.run`. Whoever takes the messages still has to `end`.
        """
        work, region = self.work, self._step.region
        box = None if region is None else Box(*region)
        size = self._edit.state.shape[1:]
        wanted: frozenset[int] = frozenset()
        for event in self._run(footage, box, cancel, model):
            if isinstance(event, Planned):
                wanted = event.plan.frames
            if not isinstance(event, FrameMasks):
                yield event
                continue
            if (
                isinstance(event, KeyMasks)
                and not work.through_planes
                and event.frame not in wanted
            ):
                continue  # it conditions the tracker, and no masks of it were asked for
            shift = work.plane * self._edit.state.frames_per_plane
            masks = event.masks if box is None else [box.paste(m, *size) for m in event.masks]
            pairs = zip(masks, event.scores, strict=True)
            cells = tuple(Cell(rle.encode(mask), float(score), "model") for mask, score in pairs)
            _ = [cell.present for cell in cells]  # worked out here, and not when a list is drawn
            frame = event.frame if work.through_planes else event.frame + shift
            yield Drawn(replace(event, frame=frame), cells)

    def _run(
        self, footage: Footage, box: Box | None, cancel: CancelToken | None, model: Sa2VA | None
    ) -> Iterator[Event]:
        work = self.work
        prompts = work.prompts
        if box is not None:
            prompts = PromptSet(tuple(prompt_inside(p, box) for p in prompts))
            footage = footage.crop(box)
        if work.through_planes:
            return run_planes(
                footage.clip_of,
                footage.across,
                footage.planes,
                prompts,
                work.settings,
                begin_at=(work.plane, work.begin_near or 0),
                model=model,
                cancel=cancel,
            )
        return run(
            footage.clip_of(work.plane),
            prompts,
            work.settings,
            model=model,
            cancel=cancel,
            begin_near=work.begin_near,
        )

    def take(self, message: JobMessage) -> None:
        """Take one message; on the thread that owns the state."""
        match message:
            case Planned():
                self.record = message.record
            case Answered():
                self._heard.append(message.object_id)
                self._step.hear(self._edit, message)
            case Drawn():
                self._taken += 1
                self._step.take(self._edit, message.event, message.cells)

    def _take_away_empty(self) -> set[int]:
        """Take away new objects of which nothing is known yet, and to which nobody did anything."""
        if self._step.masks_taken >= 0:
            return set()  # it is done again, and was rid of them then
        known = {i for (i, _), (_, cell) in self.change.cells.items() if cell.code is not None}
        new = {i for i, (before, _) in self.change.cards.items() if before is None}
        empty = new - known - self._edit.touched_since
        for object_id in empty:
            self._edit.card(object_id, None)
        return empty

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
        empty = set() if complete else self._take_away_empty()
        change = self._edit.close()
        if not complete:
            heard = sum(object_id not in empty for object_id in self._heard)
            stopped_at = {"masks_taken": self._taken, "answers_taken": heard}
            change.step = self._step.without(empty).model_copy(update=stopped_at)
        if not change:
            self._history.drop(change)
            return None
        return change
