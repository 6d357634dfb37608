"""Objects are taken away."""

from __future__ import annotations

from typing import Literal

from napari_sa2va.project.change import Edit, LockedFrame
from napari_sa2va.project.steps.base import EditStep


class Remove(EditStep):
    """Take objects away, on all frames."""

    kind: Literal["remove"] = "remove"
    object_ids: tuple[int, ...]

    @property
    def title(self) -> str:
        return "Remove an object" if len(self.object_ids) == 1 else "Remove objects"

    def apply(self, edit: Edit) -> None:
        for object_id in self.object_ids:
            refuse_locked(edit, object_id, "taken away")
            edit.card(object_id, None)


def refuse_locked(edit: Edit, object_id: int, what: str) -> None:
    """Refuse an object of which frames are locked.

    Raises
    ------
    LockedFrame
    """
    locked = edit.state.frames_where(object_id, locked=True)
    if locked:
        raise LockedFrame(
            f"{edit.state.card(object_id).name!r} cannot be {what}: it is locked on "
            f"{len(locked)} frames, the first is {locked[0]}.",
            "Unlock these frames first.",
        )
