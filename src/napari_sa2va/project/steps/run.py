"""Sentences are asked of the clip; each becomes an object on every frame."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params
from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.pipeline.events import Answered, FrameMasks, KeyMasks
from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.change import Edit
from napari_sa2va.project.state import State
from napari_sa2va.project.steps.base import ModelStep, Work
from napari_sa2va.settings import RunSettings


class Sentence(Params):
    """One object that is asked for."""

    object_id: int = Field(ge=1)
    name: str
    text: str = Field(min_length=1)


class Run(ModelStep):
    """Find what sentences name, through the whole clip.

    Of several planes, the sentences are asked of the one in view, and what is found there is carried
    to the others.
    """

    kind: Literal["run"] = "run"
    sentences: tuple[Sentence, ...] = Field(min_length=1)
    settings: RunSettings
    begin_near: int = Field(-1, description="Frame in view when it began; -1 if none was.")
    only_missing: bool = Field(
        False, description="The objects are there: fill the frames that have no final mask."
    )

    @property
    def title(self) -> str:
        first, *more = self.sentences
        if self.only_missing:
            return f"Continue to find {first.name!r}" + (f" and {len(more)} more" if more else "")
        return f"Find {first.name!r}" + (f" and {len(more)} more" if more else "")

    @property
    def drawn_ids(self) -> tuple[int, ...]:
        return tuple(sentence.object_id for sentence in self.sentences)

    def without(self, object_ids: Collection[int]) -> Run:
        kept = tuple(s for s in self.sentences if s.object_id not in object_ids)
        return self.model_copy(update={"sentences": kept})

    def prepare(self, edit: Edit) -> None:
        if self.only_missing:
            for object_id in self.drawn_ids:
                edit.state.card(object_id)
            return
        for sentence in self.sentences:
            if sentence.object_id < edit.state.next_id:
                raise RequestError(
                    f"The id {sentence.object_id} has been used.",
                    f"The next is {edit.state.next_id}.",
                )
            card = Card.new(sentence.object_id, sentence.name, sentence.text)
            edit.card(sentence.object_id, card)

    def work(self, state: State) -> Work:
        prompts = [Prompt(s.object_id, s.name, s.text) for s in self.sentences]
        plane, near = divmod(max(self.begin_near, 0), state.frames_per_plane)
        return Work(
            PromptSet(tuple(prompts)),
            self.settings,
            near if self.begin_near >= 0 else None,
            plane,
            through_planes=state.planes > 1,
        )

    def hear(self, edit: Edit, answered: Answered) -> None:
        edit.answer(answered.object_id, answered.answer, found=answered.found)
        if not answered.found:
            nothing = Cell(rle.empty(*edit.state.shape[1:]), 0.0, "model")
            for t in range(edit.state.num_frames):
                if not (self.only_missing and edit.cell(answered.object_id, t).final):
                    edit.offer(answered.object_id, t, nothing)

    def take(self, edit: Edit, event: FrameMasks, cells: Sequence[Cell]) -> None:
        for object_id, cell in zip(event.object_ids, cells, strict=True):
            there = edit.cell(object_id, event.frame)
            if isinstance(event, KeyMasks):
                if not there.final:
                    edit.offer(object_id, event.frame, replace(cell, origin="key"))
            elif not (self.only_missing and there.final):
                edit.offer(object_id, event.frame, cell)
