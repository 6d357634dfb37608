"""Forward from the first prompted frame, then back from it: every frame is reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from napari_sa2va.propagation.base import Pass, Propagation


class Both(Propagation):
    """Forward from the first prompted frame to the end, then backward from it to frame 0."""

    kind: Literal["both"] = "both"

    def __call__(self, num_frames: int, prompted: Sequence[int]) -> list[Pass]:
        first = prompted[0]
        passes = [Pass(range(first, num_frames))]
        if first > 0:
            passes.append(Pass(range(first - 1, -1, -1), reverse=True))
        return passes
