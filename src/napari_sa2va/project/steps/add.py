"""A new object without masks yet, to be painted or clicked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_sa2va.core.errors import RequestError
from napari_sa2va.project.cells import Card
from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import EditStep


class Add(EditStep):
    """Add an object by name."""

    kind: Literal["add"] = "add"
    object_id: int
    name: str = Field(min_length=1)

    @property
    def title(self) -> str:
        return f"Add {self.name!r}"

    def apply(self, edit: Edit) -> None:
        if self.object_id < edit.state.next_id:
            raise RequestError(
                f"The id {self.object_id} has been used.", f"The next is {edit.state.next_id}."
            )
        edit.card(self.object_id, Card.new(self.object_id, self.name))
