"""Evenly spaced frames inside a part of the clip."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_sa2va.core.errors import RequestError
from napari_sa2va.sampling.base import KeyFrames, Sampling, count_field
from napari_sa2va.sampling.uniform import evenly_spaced


class Window(Sampling):
    """Evenly spaced inside a part of the clip, both ends included.

    Use it where the object is seen in a part of the clip only.
    """

    kind: Literal["window"] = "window"
    num_key_frames: int = count_field(5)
    start: int = Field(0, ge=0, title="Start", description="First frame of the window, from 0.")
    stop: int = Field(
        -1, ge=-1, title="Stop", description="Last frame of the window; -1 is the last."
    )

    def __call__(self, num_frames: int) -> KeyFrames:
        last = num_frames - 1 if self.stop == -1 else self.stop
        if not self.start <= last < num_frames:
            raise RequestError(
                f"The window from frame {self.start} to {last} does not fit a clip with frames "
                f"0 to {num_frames - 1}.",
                "Choose a start before the stop, both inside the clip.",
            )
        return KeyFrames.of(
            evenly_spaced(self.start, last, self.num_key_frames),
            num_frames,
            f"evenly spaced from {self.start} to {last}",
        )
