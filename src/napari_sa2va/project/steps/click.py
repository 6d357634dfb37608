"""Clicks or a box on one frame: a new object, or a mask put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.pipeline.events import FrameMasks
from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.change import Edit
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.base import ModelStep, Work
from napari_sa2va.propagation.none import KeyFramesOnly
from napari_sa2va.settings import RunSettings


class Click(ModelStep):
    """Draw an object on one frame from points and a box."""

    kind: Literal["click"] = "click"
    object_id: int
    name: str = Field("", description="Of a new object; empty if there is one with this id.")
    frame: int
    points: tuple[tuple[float, float, bool], ...] = Field(
        (), description="(y, x, whether the object is there) in px."
    )
    box: tuple[float, float, float, float] | None = Field(None, description="(y0, x0, y1, x1).")
    refine: bool = Field(False, description="Begin from the mask that is there.")
    settings: RunSettings

    @property
    def title(self) -> str:
        return f"{'Box' if self.box and not self.points else 'Click'} on frame {self.frame}"

    @property
    def drawn_ids(self) -> tuple[int, ...]:
        return (self.object_id,)

    def prepare(self, edit: Edit) -> None:
        if self.name:
            edit.card(self.object_id, Card.new(self.object_id, self.name))
        # Now, and not when the mask has been drawn, is the time to say that it may not be changed.
        edit.put(self.object_id, self.frame, edit.state.cell(self.object_id, self.frame))

    def work(self, state: State) -> Work:
        mask = state.mask(self.object_id, self.frame) if self.refine else None
        prompt = Prompt(
            self.object_id,
            state.card(self.object_id).name,
            frame=self.frame % state.frames_per_plane,
            points=tuple(Point(*p) for p in self.points),
            box=self.box,
            mask=mask if mask is not None and mask.any() else None,
        )
        plane = state.plane_of(self.frame)
        return Work(PromptSet((prompt,)), only_here(self.settings), plane=plane)

    def take(self, edit: Edit, event: FrameMasks, cells: Sequence[Cell]) -> None:
        for object_id, cell in zip(event.object_ids, cells, strict=True):
            edit.offer(object_id, event.frame, replace(cell, origin="clicks"))


def only_here(settings: RunSettings) -> RunSettings:
    """The same settings, drawing prompted frames only."""
    tracking = settings.tracking.model_copy(update={"propagation": KeyFramesOnly()})
    return settings.model_copy(update={"tracking": tracking})
