"""A person has looked through frames."""

from __future__ import annotations

from typing import Literal

from napari_sa2va.project.change import Edit
from napari_sa2va.project.steps.base import EditStep
from napari_sa2va.project.steps.spans import Span


class Review(EditStep):
    """Set or take away review marks."""

    kind: Literal["review"] = "review"
    span: Span
    reviewed: bool = True

    @property
    def title(self) -> str:
        return f"{'Reviewed' if self.reviewed else 'Not reviewed'}: {self.span.words}"

    def apply(self, edit: Edit) -> None:
        for t in self.span.frames(edit.state):
            edit.review(t, self.reviewed)
