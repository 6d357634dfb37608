"""A run of the network whose masks go to the disk as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.batch.journal import Answer, Journal
from napari_sa2va.batch.preview import LastMask
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.work_files import LAST, SAFE_POINT
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.pipeline.events import (
    Answered,
    Event,
    Fetching,
    Finished,
    FrameMasks,
    KeyMasks,
    Planned,
    Resumed,
)
from napari_sa2va.pipeline.file_keeper import FileKeeper
from napari_sa2va.pipeline.rates import learning
from napari_sa2va.pipeline.run import run

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.pipeline.record import RunRecord
    from napari_sa2va.pipeline.safe_point import SafePoint
    from napari_sa2va.settings import RunSettings


@dataclass
class Account:
    """What a run says of itself, one that fails too.

    Attributes
    ----------
    record : RunRecord or None
        None until it is planned.
    resumed_at : int
        Frames that were done when it began.
    """

    record: RunRecord | None = None
    resumed_at: int = 0


def stream(
    task: Task,
    clip: Clip,
    prompts: PromptSet,
    settings: RunSettings,
    journal: Journal,
    account: Account,
    *,
    frames_there: frozenset[int],
) -> None:
    """Run, or go on where an earlier worker was.

    Parameters
    ----------
    task : Task
        Its work folder has the safe point. If it is cancelled, the run ends after the frame in work.
    clip : Clip
    prompts : PromptSet
    settings : RunSettings
    journal : Journal
        Gets the masks, and at the end of a whole run its record.
    account : Account
        Is filled on the way.
    frames_there : set of int
        The frames that earlier segments have.

    Raises
    ------
    Sa2vaError
        See `pipeline.run.run`; or if the masks cannot be written.
    """
    file = FileKeeper(task.work / SAFE_POINT)
    keeper = _Keeper(file, task, journal, frames_there)
    picture = LastMask(task.work / LAST, clip, task.check)
    running = run(clip, prompts, settings, cancel=task.cancel, keeper=keeper)
    # Closed whatever happens to its masks: its record then says how it ended.
    with closing(running) as events:
        for event in learning(events):
            if isinstance(event, Planned):
                account.record = event.record
                keeper.order = event.plan.order
            record = account.record
            assert record is not None  # the first event carries it
            match event:
                case Resumed():
                    account.resumed_at = record.frames_done
                case Answered(object_id=i, text=text, answer=answer, found=found):
                    journal.answer(Answer(object_id=i, text=text, answer=answer, found=found))
                case FrameMasks() if not isinstance(event, KeyMasks):
                    drawn = journal.write(event.frame, event.object_ids, event.masks, event.scores)
                    picture.show(event.frame, drawn)
                case Finished(reason="done"):
                    # Where nothing was found, there is nothing to draw.
                    frames = keeper.order if record.frames_done else ()
                    journal.end(frames, record.model_dump(mode="json"))
            stage = _STAGES.get(type(event))
            if stage is not None:
                task.tell(stage, record.frames_done, record.frames_planned)
            if task.cancel.cancelled:
                file.keep_now()


_STAGES: dict[type[Event], str] = {
    Planned: "loading",
    Fetching: "downloading",
    Answered: "answering",
    KeyMasks: "drawing",
    FrameMasks: "tracking",
}


class _Keeper:
    """Keeps safe points that the masks on the disk never fall behind, whatever is lost of them.

    Parameters
    ----------
    file : FileKeeper
    task : Task
        A point is written only as long as nobody else has its unit.
    journal : Journal
        Its masks are on the disk before a safe point is.
    frames_there : set of int
        A point after a frame that is not on the disk is of no use: a segment was damaged or deleted.

    Attributes
    ----------
    order : sequence of int
        All frames, as the run comes to them; to be set before it looks for a point.
    """

    def __init__(
        self, file: FileKeeper, task: Task, journal: Journal, frames_there: frozenset[int]
    ) -> None:
        self._file = file
        self._task = task
        self._journal = journal
        self._frames_there = frames_there
        self.order: Sequence[int] = ()

    def last(self) -> SafePoint | None:
        point = self._file.last()
        if point is None or not self._frames_there.issuperset(self.order[: point.frames_done]):
            return None
        return point

    def offer(self, frames_done: int, take: Callable[[], SafePoint]) -> None:
        def take_after_masks() -> SafePoint:
            self._task.check()
            self._journal.sync()
            return take()

        self._file.offer(frames_done, take_after_masks)
