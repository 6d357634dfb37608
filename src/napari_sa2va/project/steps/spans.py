"""A range of frames, ends included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params

if TYPE_CHECKING:
    from napari_sa2va.project.state import State


class Span(Params):
    """Frames from first to last, both included."""

    first: int
    last: int

    @classmethod
    def of(cls, frame: int) -> Span:
        """A single frame."""
        return cls(first=frame, last=frame)

    @property
    def words(self) -> str:
        """The range, for titles."""
        if self.first == self.last:
            return f"frame {self.first}"
        return f"frames {self.first} to {self.last}"

    def frames(self, state: State) -> range:
        """The frames of the range.

        Raises
        ------
        RequestError
            If it is empty or lies outside the clip.
        """
        if not 0 <= self.first <= self.last < state.num_frames:
            raise RequestError(
                f"{self.words.capitalize()} is no range of frames here.",
                f"Choose a range within 0 to {state.num_frames - 1}.",
            )
        return range(self.first, self.last + 1)
