"""Another sentence for an object, asked of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.pipeline.events import Answered, FrameMasks
from napari_sa2va.project.cells import Cell
from napari_sa2va.project.change import Edit
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.base import ModelStep, Work
from napari_sa2va.project.steps.click import only_here
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import RunSettings


class Reword(ModelStep):
    """Draw an object anew on one frame, by another sentence about that frame.

    If the model says that it is not there, the mask stays as it was.
    """

    kind: Literal["reword"] = "reword"
    object_id: int
    frame: int
    text: str = Field(min_length=1)
    settings: RunSettings

    @property
    def title(self) -> str:
        return f"{self.text!r} on frame {self.frame}"

    @property
    def drawn_ids(self) -> tuple[int, ...]:
        return (self.object_id,)

    def prepare(self, edit: Edit) -> None:
        # Now, and not when the mask has been drawn, is the time to say that it may not be changed.
        edit.put(self.object_id, self.frame, edit.state.cell(self.object_id, self.frame))

    def work(self, state: State) -> Work:
        state.check_frame(self.frame)
        prompt = Prompt(self.object_id, state.card(self.object_id).name, self.text)
        settings = only_here(self.settings).model_copy(
            update={"sampling": Manual(frames=(self.frame % state.frames_per_plane,))}
        )
        return Work(PromptSet((prompt,)), settings, plane=state.plane_of(self.frame))

    def hear(self, edit: Edit, answered: Answered) -> None:
        if answered.found:
            edit.answer(answered.object_id, answered.answer, found=True)

    def take(self, edit: Edit, event: FrameMasks, cells: Sequence[Cell]) -> None:
        for object_id, cell in zip(event.object_ids, cells, strict=True):
            edit.offer(object_id, event.frame, replace(cell, origin="words"))
