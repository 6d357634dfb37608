"""Evenly spaced frames over the whole clip, as Sa2VA-i takes them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from napari_sa2va.sampling.base import KeyFrames, Sampling, count_field


def evenly_spaced(first: int, last: int, count: int) -> list[int]:
    """Return `count` evenly spaced indices from `first` to `last`, both included, truncated.

    Notes
    -----
    Sa2VA-i truncates `numpy.linspace(0, N - 1, K)` to whole numbers and does not round. The float
    arithmetic is kept on purpose: for a few (N, K) it falls just below a whole number, and exact
    integers would pick the next frame.
    """
    return np.linspace(first, last, count, dtype=int).tolist()


class Uniform(Sampling):
    """Evenly spaced over the whole clip, first and last frame included."""

    kind: Literal["uniform"] = "uniform"
    num_key_frames: int = count_field(5)

    def __call__(self, num_frames: int) -> KeyFrames:
        return KeyFrames.of(
            evenly_spaced(0, num_frames - 1, self.num_key_frames),
            num_frames,
            f"{self.num_key_frames} evenly spaced",
        )
