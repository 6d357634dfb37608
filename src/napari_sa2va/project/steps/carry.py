"""Masks that are right are carried to other frames: after a correction, or to go on with a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.pipeline.events import FrameMasks, KeyMasks
from napari_sa2va.project.cells import Cell
from napari_sa2va.project.change import Edit
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.base import ModelStep, Work
from napari_sa2va.project.steps.spans import Span
from napari_sa2va.propagation.range import Range
from napari_sa2va.settings import RunSettings

Direction = Literal["both", "forward", "backward"]

MOST_CONDITIONS = 12
"""Most frames of an object that condition one carry. All of them are attended to on every frame, so
this is what keeps time and memory from growing with the number of corrections."""


class Carry(ModelStep):
    """Carry the masks of objects over a range of frames, from the frames named as conditions.

    The masks of conditioning frames stay as they are, and so does everything that is locked or was
    corrected; other objects are not touched.
    """

    kind: Literal["carry"] = "carry"
    conditions: dict[int, tuple[int, ...]] = Field(
        min_length=1, description="By object id, the frames whose masks are carried."
    )
    span: Span
    direction: Direction = "both"
    only_missing: bool = Field(
        False, description="Leave frames that have a final mask as they are."
    )
    settings: RunSettings

    @property
    def title(self) -> str:
        what = "Continue" if self.only_missing else "Carry"
        return f"{what} over {self.span.words}"

    @property
    def drawn_ids(self) -> tuple[int, ...]:
        return tuple(self.conditions)

    def work(self, state: State) -> Work:
        self.span.frames(state)
        plane = state.plane_of(self.span.first)
        begin = plane * state.frames_per_plane
        prompts = []
        for object_id, frames in self.conditions.items():
            card, found = state.card(object_id), False
            for t in (*frames, self.span.last):
                if state.plane_of(t) != plane:
                    raise RequestError(
                        f"Frames {self.span.first} and {t} lie in two planes.",
                        "Carry masks within one plane.",
                    )
            for t in frames:
                mask = state.mask(object_id, t)
                found = found or bool(mask.any())
                prompts.append(Prompt(object_id, card.name, frame=t - begin, mask=mask))
            if not found:
                raise RequestError(
                    f"{card.name!r} has no mask that could be carried.",
                    "Paint, click or ask for it on a frame first.",
                )
        way = Range(
            first_frame=self.span.first - begin,
            last_frame=self.span.last - begin,
            direction=self.direction,
        )
        tracking = self.settings.tracking.model_copy(update={"propagation": way})
        settings = self.settings.model_copy(update={"tracking": tracking})
        return Work(PromptSet(tuple(prompts)), settings, plane=plane)

    def take(self, edit: Edit, event: FrameMasks, cells: Sequence[Cell]) -> None:
        if isinstance(event, KeyMasks):
            return  # they are what it was given
        for object_id, cell in zip(event.object_ids, cells, strict=True):
            there = edit.cell(object_id, event.frame)
            is_condition = event.frame in self.conditions[object_id]
            if there.corrected or (is_condition and there.final):
                continue
            if not (self.only_missing and there.final):
                edit.offer(object_id, event.frame, cell)


def conditions_of(state: State, object_id: int, span: Span, here: int | None) -> tuple[int, ...]:
    """The frames from which an object is carried over a range.

    Parameters
    ----------
    state : State
    object_id : int
    span : Span
    here : int or None
        A frame whose mask is right, although nobody corrected or locked it: the frame in view.

    Returns
    -------
    tuple of int
        Rising; at most `MOST_CONDITIONS`: this frame, then what was corrected, then what is locked,
        each the nearer to the range the sooner.
    """
    ranked: list[int] = []
    if here is not None and state.cell(object_id, here).code is not None:
        ranked.append(here)
    plane = state.plane_of(span.first)
    for wanted in ({"corrected": True}, {"locked": True}):
        frames = [t for t in state.frames_where(object_id, **wanted) if state.plane_of(t) == plane]
        ranked += sorted(frames, key=lambda t: max(span.first - t, t - span.last, 0))
    return tuple(sorted(list(dict.fromkeys(ranked))[:MOST_CONDITIONS]))
