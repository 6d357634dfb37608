"""The pixels of a project: one clip, or one clip for each of several planes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.region_box import Box


@dataclass(frozen=True, eq=False)
class Footage:
    """What plays, on as many planes as are followed each on its own.

    Attributes
    ----------
    planes : int
        1 for an ordinary clip.
    open_plane : callable
        From a plane, counted from 0, to its clip. All clips are of one size and length.
    open_across : callable or None
        From a frame to a clip that plays the planes of that frame; None if there is one plane.
    """

    planes: int
    open_plane: Callable[[int], Clip]
    open_across: Callable[[int], Clip] | None = None

    @classmethod
    def of(cls, clip: Clip) -> Footage:
        """An ordinary clip."""
        return cls(1, lambda plane: clip)

    @cached_property
    def first(self) -> Clip:
        """The clip of the first plane, which knows sizes and physical facts for all."""
        return self.open_plane(0)

    def clip_of(self, plane: int) -> Clip:
        """The clip of a plane."""
        return self.first if plane == 0 else self.open_plane(plane)

    def at(self, frame: int) -> tuple[Clip, int]:
        """The clip of a frame counted over all planes, and its number in that clip."""
        plane, t = divmod(frame, self.first.num_frames)
        return self.clip_of(plane), t

    def across(self, frame: int) -> Clip:
        """A clip that plays the planes of one frame.

        Raises
        ------
        RequestError
            If there is one plane only.
        """
        if self.open_across is None:
            raise RequestError("There is one plane only.", "Nothing plays across it.")
        return self.open_across(frame)

    def crop(self, box: Box) -> Footage:
        """The same, of a part of every frame."""
        across = self.open_across
        return Footage(
            self.planes,
            lambda plane: self.clip_of(plane).crop(*box.to_json()),
            None if across is None else lambda t: across(t).crop(*box.to_json()),
        )
