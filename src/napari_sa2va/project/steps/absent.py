"""A person says that an object is not there."""

from __future__ import annotations

from typing import Literal

from napari_sa2va.core import rle
from napari_sa2va.project.cells import Cell
from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import EditStep
from napari_sa2va.project.steps.spans import Span


class Absent(EditStep):
    """Declare objects absent from a range of frames; locked frames stay as they are."""

    kind: Literal["absent"] = "absent"
    object_ids: tuple[int, ...]
    span: Span

    @property
    def title(self) -> str:
        return f"Not there on {self.span.words}"

    def apply(self, edit: Edit) -> None:
        nothing = Cell(rle.empty(*edit.state.shape[1:]), 0.0, "absent")
        for object_id in self.object_ids:
            for t in self.span.frames(edit.state):
                edit.offer(object_id, t, nothing)
