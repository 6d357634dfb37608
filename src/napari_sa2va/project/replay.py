"""Doing everything again that was done to a project, and comparing what comes out.

The steps of a project are all that its masks depend on, beside the pixels and the network; so on the
same machine the masks are the same. Another device rounds differently, and pixels at the edges of
masks may then differ: how much is said object by object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import ClipError, RequestError
from napari_sa2va.pipeline.events import Event, Finished
from napari_sa2va.pipeline.segment import with_model
from napari_sa2va.project.cells import Cell
from napari_sa2va.project.job import Drawn
from napari_sa2va.project.project import Project
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.base import EditStep, ModelStep, Step
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA


@dataclass(frozen=True)
class ObjectMatch:
    """One object, as it was saved and as it came out again.

    Attributes
    ----------
    object_id : int
    name : str
    num_frames : int
    frames_differ : tuple of int
        Frames whose masks, or what is known of them, differ.
    jaccard : tuple of float
        J of the two masks on each of those frames, in [0, 1]; 0 where only one of them is known.
    """

    object_id: int
    name: str
    num_frames: int
    frames_differ: tuple[int, ...]
    jaccard: tuple[float, ...]

    @property
    def same(self) -> bool:
        """Whether all masks are the same."""
        return not self.frames_differ

    @property
    def mean_jaccard(self) -> float:
        """Mean J over all frames; those that are the same count 1."""
        alike = self.num_frames - len(self.frames_differ)
        return (alike + sum(self.jaccard)) / self.num_frames


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a replay gave.

    Attributes
    ----------
    project : Project
        The new one, with all that could be done.
    objects : tuple of ObjectMatch
        By id; objects that only one of both has differ on all frames.
    steps_done : int
    num_steps : int
    refused : tuple of (int, str)
        Steps, counted from 1, that could not be done, and why: what they needed came out otherwise.
    """

    project: Project
    objects: tuple[ObjectMatch, ...]
    steps_done: int
    num_steps: int
    refused: tuple[tuple[int, str], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nobody stopped it."""
        return self.steps_done + len(self.refused) == self.num_steps

    @property
    def same(self) -> bool:
        """Whether everything was done, and all masks are the same."""
        return self.steps_done == self.num_steps and all(match.same for match in self.objects)


def replay(
    project: Project,
    *,
    model: str | Sa2VA | None = None,
    device: str | None = None,
    cancel: CancelToken | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_step: Callable[[int, Step], None] | None = None,
) -> Replayed:
    """Do all steps of a project anew on its clip, and compare the masks.

    Parameters
    ----------
    project : Project
        With its footage; it is not changed.
    model : str or Sa2VA, optional
        Another network than the steps name.
    device : str, optional
        Another device: auto, cpu, cuda, mps.
    cancel : CancelToken, optional
        Stops it; what was done is kept.
    on_event : callable, optional
        Called with every event of the pipeline, for progress.
    on_step : callable, optional
        Called with the number of a step, from 1, and the step, before it is done.

    Returns
    -------
    Replayed

    Raises
    ------
    ClipError
        If the pixels of the project are not at hand.
    Sa2vaError
        If the network cannot be had or fails; see `napari_sa2va.pipeline.run.run`.
    """
    if project.footage is None:
        raise ClipError(
            "The pixels of this project are not at hand.", "Open its movie: find_footage(folder)."
        )
    cancel = cancel or CancelToken()
    again = Project(project.state.shape, project.state.planes)
    again.footage = project.footage
    steps = project.steps
    done, refused = 0, []
    for number, step in enumerate(steps, 1):
        if cancel.cancelled:
            break
        if on_step is not None:
            on_step(number, step)
        try:
            done += do_step(
                again, step, model=model, device=device, cancel=cancel, on_event=on_event
            )
        except RequestError as error:
            refused.append((number, str(error)))
    matches = compare(project.state, again.state)
    return Replayed(again, matches, done, len(steps), tuple(refused))


def do_step(
    project: Project,
    step: Step,
    *,
    model: str | Sa2VA | None = None,
    device: str | None = None,
    cancel: CancelToken | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> bool:
    """Do one step, whatever its kind, and wait for its end.

    Parameters
    ----------
    project : Project
    step : Step
        One that was stopped half-way is stopped after as many masks.
    model, device, cancel, on_event
        See `replay`.

    Returns
    -------
    bool
        Whether nobody stopped it before its end.

    Raises
    ------
    RequestError
        If it cannot be done; the project is as it was.
    ClipError
        If it needs pixels, and they are not at hand.
    Sa2vaError
        If the network cannot be had or fails. What it had done by then is kept.
    """
    if isinstance(step, EditStep):
        project.do(step)
        return True
    assert isinstance(step, ModelStep)
    if project.footage is None:
        raise ClipError("The pixels of this project are not at hand.", "Open its movie.")
    step, network = _with_model(step, model, device)
    stop = _Stop(cancel)
    most = step.masks_taken
    job = project.begin(step)
    came_to_its_end = False
    try:
        if most == 0 == step.answers_taken:
            return True  # it was stopped at once, and what it was to find was then painted
        for message in job.events(project.footage, stop, network):
            if isinstance(message, Drawn) and job.masks_taken == most:
                stop.cancel()  # this one was on its way when it was stopped
                continue
            job.take(message)
            if on_event is not None:
                on_event(message.event if isinstance(message, Drawn) else message)
            if 0 < most == job.masks_taken or (
                most == 0 and step.answers_taken == job.answers_taken > 0
            ):
                stop.cancel()
            if isinstance(message, Finished):
                came_to_its_end = message.reason == "done"
    finally:
        project.end(job, complete=came_to_its_end and most < 0)
    return came_to_its_end or (most >= 0 and not (cancel is not None and cancel.cancelled))


def _with_model(
    step: ModelStep, model: str | Sa2VA | None, device: str | None
) -> tuple[ModelStep, Sa2VA | None]:
    settings = getattr(step, "settings", None)
    if (model is None and device is None) or not isinstance(settings, RunSettings):
        return step, None
    chosen, network = with_model(settings, model, device)
    return step.model_copy(update={"settings": chosen}), network


class _Stop(CancelToken):
    """Stops one step, by itself or because somebody stops everything."""

    def __init__(self, outer: CancelToken | None) -> None:
        super().__init__()
        self._outer = outer

    @property
    def cancelled(self) -> bool:
        return super().cancelled or (self._outer is not None and self._outer.cancelled)


def compare(saved: State, again: State) -> tuple[ObjectMatch, ...]:
    """Compare the masks of two states of the same clip, object by object."""
    matches = []
    unknown = [Cell()] * saved.num_frames
    for object_id in sorted({*saved.cards, *again.cards}):
        card = saved.cards.get(object_id) or again.cards[object_id]
        cells = saved.cells(object_id) if object_id in saved.cards else unknown
        others = again.cells(object_id) if object_id in again.cards else unknown
        is_in_both = object_id in saved.cards and object_id in again.cards
        differ: dict[int, float] = {}
        for t, (one, two) in enumerate(zip(cells, others, strict=True)):
            if not (is_in_both and _same(one, two)):
                differ[t] = _jaccard(one, two)
        matches.append(
            ObjectMatch(
                object_id, card.name, saved.num_frames, tuple(differ), tuple(differ.values())
            )
        )
    return tuple(matches)


def _same(one: Cell, two: Cell) -> bool:
    if one.code is None or two.code is None:
        return one.code is two.code
    return rle.same(one.code, two.code)


def _jaccard(one: Cell, two: Cell) -> float:
    if one.code is None or two.code is None or one.code["size"] != two.code["size"]:
        return 0.0
    both = rle.overlap(one.code, two.code)
    either = rle.area(one.code) + rle.area(two.code) - both
    return both / either if either else 1.0
