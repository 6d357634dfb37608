"""Scores of a whole video: per-frame J and F, and their mean, recall and decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_sa2va.metrics.boundary import TOLERANCE, boundary_f
from napari_sa2va.metrics.region import region_j, require_same_shape


@dataclass(frozen=True)
class VideoScore:
    """Scores of one object over a video.

    Attributes
    ----------
    j, f : ndarray of float64, shape (T,)
        Region similarity and contour accuracy per frame.
    """

    j: np.ndarray
    f: np.ndarray

    @property
    def j_mean(self) -> float:
        """Mean region similarity."""
        return float(self.j.mean())

    @property
    def f_mean(self) -> float:
        """Mean contour accuracy."""
        return float(self.f.mean())

    @property
    def j_and_f(self) -> float:
        """J&F, the mean of both means."""
        return (self.j_mean + self.f_mean) / 2


def score_video(pred: np.ndarray, true: np.ndarray, *, tolerance: float = TOLERANCE) -> VideoScore:
    """Compare the masks of one object with the truth, frame by frame.

    Parameters
    ----------
    pred, true : ndarray of bool, shape (T, Y, X)
    tolerance : float
        See `boundary_f`.

    Raises
    ------
    ShapeMismatch
        If the arrays differ in shape.
    """
    require_same_shape(pred, true)
    pairs = list(zip(pred, true, strict=True))
    return VideoScore(
        np.array([region_j(p, t) for p, t in pairs]),
        np.array([boundary_f(p, t, tolerance=tolerance) for p, t in pairs]),
    )


def recall(scores: Sequence[float], *, above: float = 0.5) -> float:
    """Share of frames that score more than `above`."""
    return float(np.mean(np.asarray(scores) > above))


def decay(scores: Sequence[float]) -> float:
    """How much worse the last quarter of the frames is than the first.

    Notes
    -----
    As the DAVIS evaluation cuts the quarters: at rounded positions, ends included, so neighbouring
    quarters share a frame. Needs at least four frames to mean anything.
    """
    values = np.asarray(scores, float)
    cuts = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[cuts[0] : cuts[1] + 1], values[cuts[3] : cuts[4] + 1]
    return float(first.mean() - last.mean())
