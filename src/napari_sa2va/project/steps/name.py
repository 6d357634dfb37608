"""An object gets another name or colour."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import EditStep

_Level = Annotated[int, Field(ge=0, le=255)]


class Rename(EditStep):
    """Give an object another name."""

    kind: Literal["rename"] = "rename"
    object_id: int
    name: str = Field(min_length=1)

    @property
    def title(self) -> str:
        return f"Rename to {self.name!r}"

    def apply(self, edit: Edit) -> None:
        card = edit.state.card(self.object_id)
        edit.card(self.object_id, replace(card, name=self.name))


class Recolor(EditStep):
    """Give an object another colour."""

    kind: Literal["recolor"] = "recolor"
    object_id: int
    color: tuple[_Level, _Level, _Level]

    @property
    def title(self) -> str:
        return "Change a colour"

    def apply(self, edit: Edit) -> None:
        card = edit.state.card(self.object_id)
        edit.card(self.object_id, replace(card, color=self.color))
