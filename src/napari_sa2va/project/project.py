"""A project: a clip, what was found in it, and everything that was done to get there."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import ClipError, RequestError
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.project.change import Change, Edit
from napari_sa2va.project.continuing import continue_run
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.history import History
from napari_sa2va.project.job import Job
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.base import EditStep, ModelStep, Step
from napari_sa2va.project.steps.carry import Carry
from napari_sa2va.project.steps.run import Run


class Project:
    """What was found in a clip, and how; see `do`, `begin`, `undo` and `redo`.

    Parameters
    ----------
    shape : tuple of int
        (T, Y, X), see `State`.
    planes : int
        How many planes are followed each on its own.

    Attributes
    ----------
    footage : Footage or None
        The pixels, once they are known. Needed by whoever runs a job or measures.
    state : State
    history : History
    earlier : list of Step
        What was done before the first change that can be undone: of a project that was opened.
    records : list of dict
        The run records of the model steps that ended, oldest first, as JSON types.

    Examples
    --------
    >>> project = Project.of(clip)
    >>> project.do(Add(object_id=1, name="the bright cell"))
    >>> project.do(Paint(frame=0, masks={1: rle.encode(mask)}))
    >>> project.undo()
    """

    def __init__(self, shape: tuple[int, int, int], planes: int = 1) -> None:
        self.footage: Footage | None = None
        self.state = State(shape, planes)
        self.history = History(self.state)
        self.earlier: list[Step] = []
        self.records: list[dict[str, Any]] = []

    @classmethod
    def of(cls, clip: Clip) -> Project:
        """A project on a clip, with nothing in it yet."""
        project = cls((clip.num_frames, clip.height, clip.width))
        project.footage = Footage.of(clip)
        return project

    @property
    def clip(self) -> Clip:
        """The clip, of several planes the first.

        Raises
        ------
        ClipError
            If the pixels are not at hand.
        """
        if self.footage is None:
            raise ClipError("The pixels of this project are not at hand.", "Open its movie.")
        return self.footage.first

    @property
    def steps(self) -> list[Step]:
        """Everything that was done and not undone, oldest first; doing it again gives the state."""
        return [*self.earlier, *(change.step for change in self.history.done)]

    @property
    def masklets(self) -> list[Masklet]:
        """All objects, by id."""
        return self.state.masklets()

    def do(self, step: EditStep) -> Change | None:
        """Do what needs no network; None if it changed nothing.

        Raises
        ------
        RequestError
            If it cannot be done; everything is as it was then.
        """
        self._refuse_unfinished(step.drawn_ids)
        edit = Edit(self.state, step)
        try:
            step.apply(edit)
        except BaseException:
            edit.take_back()
            raise
        change = edit.close()
        if not change:
            return None
        self.history.push(change)
        return change

    def _refuse_unfinished(self, object_ids: Collection[int]) -> None:
        for change in self.history.done:
            drawn = change.step.drawn_ids if change.is_open else ()
            for object_id in object_ids:
                if object_id in drawn:
                    raise RequestError(
                        f"{self.state.card(object_id).name!r} is being drawn.",
                        "Wait for the end of the run, or cancel it.",
                    )

    def begin(self, step: ModelStep) -> Job:
        """Begin what needs the network.

        Returns
        -------
        Job
            Take its messages, then call `end` with it.

        Raises
        ------
        RequestError
            If it cannot be done, or another one is on its way.
        """
        if any(change.is_open for change in self.history.done):
            raise RequestError("A run is on its way.", "Wait for its end, or cancel it.")
        return Job(step, self.state, self.history)

    def end(self, job: Job, *, complete: bool) -> Change | None:
        """Take note that a job has ended; see `Job.end`."""
        change = job.end(complete=complete)
        if change is not None and job.record is not None:
            self.records.append(job.record.model_dump(mode="json"))
        return change

    def undo(self) -> Change | None:
        """Take back the last thing that was done; None if there is none."""
        return self.history.undo()

    def redo(self) -> Change | None:
        """Do again what was undone last; None if there is none."""
        return self.history.redo()

    def continuation(self) -> Carry | Run | None:
        """The step that goes on where the last run was stopped; None if nothing is missing."""
        stopped = [s for s in self.steps if isinstance(s, Run) and s.masks_taken >= 0]
        return continue_run(stopped[-1], self.state) if stopped else None
