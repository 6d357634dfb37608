"""Every n-th frame from the start: Long-Interleaved Inference."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_sa2va.core.errors import RequestError
from napari_sa2va.sampling.base import KeyFrames, Sampling, count_field


class Interval(Sampling):
    """Every n-th frame from a start.

    Notes
    -----
    With interval 3 and 5 frames these are frames 1, 4, 7, 10, 13 counted from 1, as the
    Long-Interleaved Inference report gives them. The report does not say what happens in a
    shorter clip; here, frames past the end become the last frame, and doubles are dropped. A start
    past the end is refused.
    """

    kind: Literal["interval"] = "interval"
    num_key_frames: int = count_field(5)
    interval: int = Field(
        3, ge=1, title="Interval", description="Frames from one key frame to the next."
    )
    start: int = Field(0, ge=0, title="Start", description="First key frame, counted from 0.")

    def __call__(self, num_frames: int) -> KeyFrames:
        if self.start >= num_frames:
            raise RequestError(
                f"The first key frame is to be frame {self.start}, but the clip has frames 0 to "
                f"{num_frames - 1}.",
                "Choose a start inside the clip.",
            )
        picked = (self.start + i * self.interval for i in range(self.num_key_frames))
        return KeyFrames.of(
            (min(t, num_frames - 1) for t in picked),
            num_frames,
            f"every {self.interval} frames from {self.start}",
        )
