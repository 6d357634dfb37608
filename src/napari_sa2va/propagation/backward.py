"""From the last prompted frame back to the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from napari_sa2va.propagation.base import Pass, Propagation


class Backward(Propagation):
    """From the last prompted frame back to frame 0; later frames stay empty."""

    kind: Literal["backward"] = "backward"

    def __call__(self, num_frames: int, prompted: Sequence[int]) -> list[Pass]:
        return [Pass(range(prompted[-1], -1, -1), reverse=True)]
