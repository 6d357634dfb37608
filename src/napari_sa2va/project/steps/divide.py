"""An object divides into others."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from napari_sa2va.core.errors import RequestError
from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import EditStep


class Divide(EditStep):
    """Link daughters to the object they came from; no daughters takes the links away."""

    kind: Literal["divide"] = "divide"
    parent: int
    daughters: tuple[int, ...] = Field(description="Object ids; empty to undo a division.")

    @property
    def title(self) -> str:
        return "Mark a division" if self.daughters else "Remove a division"

    def apply(self, edit: Edit) -> None:
        state = edit.state
        state.card(self.parent)
        for daughter in self.daughters:
            self._refuse_circles(edit, daughter)
        for object_id, card in list(state.cards.items()):
            others = tuple(p for p in card.parents if p != self.parent)
            parents = (*others, self.parent) if object_id in self.daughters else others
            if parents != card.parents:
                edit.card(object_id, replace(card, parents=parents))

    def _refuse_circles(self, edit: Edit, daughter: int) -> None:
        """Refuse that an object comes from itself, over however many generations."""
        ahead, seen = [self.parent], set()
        while ahead:
            object_id = ahead.pop()
            if object_id == daughter:
                name = edit.state.card(daughter).name
                raise RequestError(
                    f"{name!r} cannot come from itself.", "Choose what it divided into."
                )
            if object_id not in seen:
                seen.add(object_id)
                ahead += (
                    edit.state.cards[object_id].parents if object_id in edit.state.cards else ()
                )
