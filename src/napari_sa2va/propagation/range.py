"""A part of the clip: what was corrected there is carried through it, and the rest stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from napari_sa2va.core.errors import RequestError
from napari_sa2va.propagation.base import Pass, Propagation


class Range(Propagation):
    """Only the frames from first to last: from the first prompted frame among them on to the last,
    then back from it to the first.

    Objects may be prompted outside of the range too: those frames are remembered, and get no masks
    of the run. If all prompted frames lie after the range, it is tracked from its end back; if none
    lies in it, and not all after it, from its start on. A frame to begin at goes before all that:
    so a range can be tracked the way in which a longer run comes through it.
    """

    kind: Literal["range"] = "range"
    first_frame: int = Field(
        0, ge=0, title="First frame", description="First frame to get masks, from 0."
    )
    last_frame: int = Field(
        -1, ge=-1, title="Last frame", description="Last frame to get masks; -1 is the last."
    )
    direction: Literal["both", "forward", "backward"] = Field(
        "both",
        title="Way",
        description="both: to all frames of the range. forward: from the first prompted frame in "
        "it to its end. backward: from the last prompted frame in it to its start. With no "
        "prompted frame in it, the whole range is tracked that way.",
    )
    start_frame: int = Field(
        -1,
        ge=-1,
        title="Begin at",
        description="Frame of the range at which tracking begins; -1 is a prompted one, as the way "
        "says.",
    )

    def __call__(self, num_frames: int, prompted: Sequence[int]) -> list[Pass]:
        first = self.first_frame
        last = num_frames - 1 if self.last_frame == -1 else self.last_frame
        if not first <= last < num_frames:
            raise RequestError(
                f"The range from frame {first} to {last} does not fit a clip with frames "
                f"0 to {num_frames - 1}.",
                "Choose a first frame that is not after the last, both inside the clip.",
            )
        if self.start_frame != -1 and not first <= self.start_frame <= last:
            raise RequestError(
                f"Tracking was to begin at frame {self.start_frame}, outside of the range from "
                f"frame {first} to {last}.",
                "Choose a frame of the range.",
            )
        begins = prompted if self.start_frame == -1 else [self.start_frame]
        inside = [t for t in begins if first <= t <= last]
        direction = self.direction
        if direction == "both" and not inside:
            direction = "backward" if prompted[0] > last else "forward"
        if direction == "forward":
            return [Pass(range(inside[0] if inside else first, last + 1))]
        if direction == "backward":
            return [Pass(range(inside[-1] if inside else last, first - 1, -1), reverse=True)]
        start = inside[0]
        passes = [Pass(range(start, last + 1))]
        if start > first:
            passes.append(Pass(range(start - 1, first - 1, -1), reverse=True))
        return passes
