"""Contour accuracy F: how well the outlines of two masks agree."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_sa2va.metrics.region import require_same_shape

TOLERANCE = 0.008


def boundary_f(pred: np.ndarray, true: np.ndarray, *, tolerance: float = TOLERANCE) -> float:
    """Contour accuracy of one mask against the truth.

    Parameters
    ----------
    pred, true : ndarray of bool, shape (Y, X)
    tolerance : float
        Distance allowed between contours, as a share of the frame's diagonal; rounded up to
        whole px. From 1 on it is a distance in px.

    Returns
    -------
    float
        Harmonic mean of precision and recall, in [0, 1]. Two masks without contour score 1, one
        without scores 0. (A mask that fills the frame has no contour either.)

    Raises
    ------
    ShapeMismatch
        If the masks differ in shape.

    Notes
    -----
    F of the DAVIS benchmark (2017 evaluation), same numbers: contours are one px wide and lie to
    the upper left of where the mask changes; near means within a disk.
    """
    require_same_shape(pred, true)
    radius = tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(*pred.shape))
    pred_edge, true_edge = contour(pred), contour(true)
    num_pred, num_true = np.count_nonzero(pred_edge), np.count_nonzero(true_edge)
    if not num_pred or not num_true:
        return 1.0 if num_pred == num_true else 0.0
    window = _around(pred_edge | true_edge)
    pred_edge, true_edge = pred_edge[window], true_edge[window]
    near_true = distance_transform_edt(~true_edge) <= radius
    near_pred = distance_transform_edt(~pred_edge) <= radius
    precision = np.count_nonzero(pred_edge & near_true) / num_pred
    recall = np.count_nonzero(true_edge & near_pred) / num_true
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))


def contour(mask: np.ndarray) -> np.ndarray:
    """One px wide contour of a mask: where it differs from its right, lower or diagonal neighbour.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X)

    Returns
    -------
    ndarray of bool, shape (Y, X)
        The border of the frame is no contour.
    """
    grown = np.pad(mask.astype(bool), ((0, 1), (0, 1)), mode="edge")
    here = grown[:-1, :-1]
    return (here ^ grown[:-1, 1:]) | (here ^ grown[1:, :-1]) | (here ^ grown[1:, 1:])


def _around(edges: np.ndarray) -> tuple[slice, slice]:
    """The smallest window that holds every contour; nothing outside it can match anything."""
    rows, columns = np.flatnonzero(edges.any(1)), np.flatnonzero(edges.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
