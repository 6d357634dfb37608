"""Frames that the user names."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_sa2va.sampling.base import KeyFrames, Sampling


class Manual(Sampling):
    """Exactly the frames named, in any order."""

    kind: Literal["manual"] = "manual"
    frames: tuple[int, ...] = Field(
        (0,), min_length=1, title="Frames", description="Key frames, counted from 0."
    )

    def __call__(self, num_frames: int) -> KeyFrames:
        return KeyFrames.of(self.frames, num_frames, "as given")
