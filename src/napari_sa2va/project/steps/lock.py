"""A person says that masks are right, and are to stay; or no longer."""

from __future__ import annotations

from typing import Literal

from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import EditStep
from napari_sa2va.project.steps.spans import Span


class Lock(EditStep):
    """Lock or unlock objects on a range of frames.

    Frames without a result are left out, and so are previews of key frames.
    """

    kind: Literal["lock"] = "lock"
    object_ids: tuple[int, ...]
    span: Span
    locked: bool = True

    @property
    def title(self) -> str:
        return f"{'Lock' if self.locked else 'Unlock'} {self.span.words}"

    @property
    def drawn_ids(self) -> tuple[int, ...]:
        return self.object_ids

    def apply(self, edit: Edit) -> None:
        for object_id in self.object_ids:
            for t in self.span.frames(edit.state):
                if edit.state.cell(object_id, t).final:
                    edit.lock(object_id, t, self.locked)
