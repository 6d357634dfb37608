"""From the first prompted frame to the end, as all published systems do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from napari_sa2va.propagation.base import Pass, Propagation


class Forward(Propagation):
    """From the first prompted frame to the end; earlier frames stay empty."""

    kind: Literal["forward"] = "forward"

    def __call__(self, num_frames: int, prompted: Sequence[int]) -> list[Pass]:
        return [Pass(range(prompted[0], num_frames))]
