"""Only the prompted frames: the others are not visited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from napari_sa2va.propagation.base import Pass, Propagation


class KeyFramesOnly(Propagation):
    """The prompted frames alone; other frames stay empty.

    An object is drawn where it was prompted, and tracked on the frames where only others were, from
    its prompts alone. With sentences alone, all are prompted on the same frames and nothing is
    tracked.
    """

    kind: Literal["none"] = "none"

    def __call__(self, num_frames: int, prompted: Sequence[int]) -> list[Pass]:
        return [Pass(range(t, t + 1), alone=True) for t in prompted]
