"""A person painted through several frames at once."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import EditStep
from napari_sa2va.project.steps.paint import Paint


class Strokes(EditStep):
    """Masks made by hand on several frames, undone as one."""

    kind: Literal["strokes"] = "strokes"
    strokes: tuple[Paint, ...] = Field(min_length=1)

    @property
    def title(self) -> str:
        return f"Paint on {len(self.strokes)} frames"

    def apply(self, edit: Edit) -> None:
        for stroke in self.strokes:
            stroke.apply(edit)
