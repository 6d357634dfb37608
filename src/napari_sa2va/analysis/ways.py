"""Objects on their way through a clip: where each of them was seen last."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sa2va.analysis.shape import shapes_of
from napari_sa2va.core import rle

if TYPE_CHECKING:
    from napari_sa2va.core.masklet import Masklet
    from napari_sa2va.core.rle import Rle


class Way:
    """An object on its way through the clip, and where it was seen last."""

    def __init__(self, object_id: int, name: str) -> None:
        self.object_id, self.name = object_id, name
        self.seen: tuple[int, np.ndarray] | None = None

    def move(self, t: int, centroid_yx_px: np.ndarray) -> tuple[int, np.ndarray]:
        """Frames since the object was last present, and its way (y, x) in px since then.

        Frames 1 and NaN if it was not present before.
        """
        before = self.last_before(t)
        self.seen = (t, centroid_yx_px)
        if before is None:
            return 1, np.full(2, np.nan)
        return t - before[0], centroid_yx_px - before[1]

    def last_before(self, t: int) -> tuple[int, np.ndarray] | None:
        """Frame and centroid where it was before."""
        return self.seen


class Followed(Way):
    """One whose masks on other frames are at hand."""

    def __init__(self, masklet: Masklet) -> None:
        super().__init__(masklet.object_id, masklet.name)
        self.codes, self.scores = list(masklet.codes), list(masklet.scores)
        self._size = (masklet.height, masklet.width)

    def on(self, t: int) -> There | None:
        """What is there on a frame; None if the mask is empty or not known."""
        code = self.codes[t]
        if code is None or not rle.area(code):
            return None
        return There(self, code, self.scores[t])

    def last_before(self, t: int) -> tuple[int, np.ndarray] | None:
        """Frame and centroid; frames that were not asked for count too."""
        known = -1 if self.seen is None else self.seen[0]
        for earlier in range(t - 1, known, -1):
            there = self.on(earlier)
            if there is not None:
                return earlier, shapes_of([there.code], *self._size).centroid_yx_px[0]
        return self.seen


class There(NamedTuple):
    """An object that is present on a frame."""

    way: Way
    code: Rle
    score: float
