"""A person painted: the masks of some objects on one frame."""

from __future__ import annotations

from typing import Literal

from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import Code, EditStep


class Paint(EditStep):
    """Masks made by hand, whole, by object id."""

    kind: Literal["paint"] = "paint"
    frame: int
    masks: dict[int, Code]

    @property
    def title(self) -> str:
        return f"Paint on frame {self.frame}"

    def apply(self, edit: Edit) -> None:
        for object_id, code in self.masks.items():
            if object_id not in edit.state.cards:  # a brush with a label that is new
                edit.card(object_id, Card.new(object_id, f"object {object_id}"))
            edit.put(object_id, self.frame, Cell(code, 1.0, "hand"))
