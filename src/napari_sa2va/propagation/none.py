"""Only the prompted frames: no tracking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from napari_sa2va.propagation.base import Pass, Propagation


class KeyFramesOnly(Propagation):
    """The prompted frames alone, each as the sentence drew it."""

    kind: Literal["none"] = "none"

    def __call__(self, num_frames: int, prompted: Sequence[int]) -> list[Pass]:
        return [Pass(range(t, t + 1)) for t in prompted]
