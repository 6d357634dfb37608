"""Masks that came from elsewhere: a label image, or an answer in a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from napari_sa2va.core.params import Params
from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import Code, EditStep


class GivenObject(Params):
    """One object, with its masks by frame; frames that are left out are not known."""

    object_id: int = Field(ge=1)
    name: str
    text: str = ""
    masks: Mapping[int, Code]
    scores: Mapping[int, float] = Field({}, description="By frame; unknown where left out.")


class Given(EditStep):
    """Take objects over with their masks."""

    kind: Literal["given"] = "given"
    source: str = Field(description="Where they come from, in words.")
    objects: tuple[GivenObject, ...]

    @property
    def title(self) -> str:
        return f"Take over {self.source}"

    def apply(self, edit: Edit) -> None:
        for given in self.objects:
            edit.card(given.object_id, Card.new(given.object_id, given.name, given.text))
            for t, code in given.masks.items():
                score = given.scores.get(t, float("nan"))
                edit.put(given.object_id, t, Cell(code, score, "given"))
