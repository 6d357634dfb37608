"""The first frames of the clip, as the original Sa2VA code takes them."""

from __future__ import annotations

from typing import Literal

from napari_sa2va.sampling.base import KeyFrames, Sampling, count_field


class First(Sampling):
    """The first frames of the clip; all of them if it is shorter."""

    kind: Literal["first"] = "first"
    num_key_frames: int = count_field(5)

    def __call__(self, num_frames: int) -> KeyFrames:
        count = min(self.num_key_frames, num_frames)
        return KeyFrames.of(range(count), num_frames, f"first {count} frames")
