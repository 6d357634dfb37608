"""Several objects turn out to be one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.project.cells import Cell
from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import EditStep
from napari_sa2va.project.steps.remove import refuse_locked


class Merge(EditStep):
    """Join objects into the first: on every frame, the pixels of any of them."""

    kind: Literal["merge"] = "merge"
    object_ids: tuple[int, ...] = Field(min_length=2)

    @property
    def title(self) -> str:
        return f"Merge {len(self.object_ids)} objects"

    @property
    def drawn_ids(self) -> tuple[int, ...]:
        return self.object_ids

    def apply(self, edit: Edit) -> None:
        state, (into, *others) = edit.state, self.object_ids
        if len(set(self.object_ids)) < len(self.object_ids):
            raise RequestError("An object cannot be merged with itself.", "Choose others.")
        for object_id in self.object_ids:
            refuse_locked(edit, object_id, "merged")
        for t in range(state.num_frames):
            cells = [c for i in self.object_ids if (c := state.cell(i, t)).code is not None]
            if not cells or (len(cells) == 1 and cells[0] is state.cell(into, t)):
                continue
            surest = max(cells, key=lambda c: (c.corrected, c.score if c.score == c.score else -1))
            code = rle.union([c.code for c in cells if c.code is not None])
            edit.put(into, t, Cell(code, surest.score, surest.origin))
        for object_id in others:
            edit.card(object_id, None)
