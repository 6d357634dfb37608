"""Dice: the overlap of two masks, as medical imaging reports it."""

from __future__ import annotations

import numpy as np

from napari_sa2va.metrics.region import require_same_shape


def dice(pred: np.ndarray, true: np.ndarray) -> float:
    """Twice the overlap of one mask with the truth, by the sum of both areas.

    Parameters
    ----------
    pred, true : ndarray of bool, shape (Y, X)

    Returns
    -------
    float
        In [0, 1]. Two empty masks score 1.

    Raises
    ------
    ShapeMismatch
        If the masks differ in shape.

    Notes
    -----
    Dice (1945), Ecology 26, 297-302; of one mask it is 2 J / (1 + J).

    Examples
    --------
    >>> import numpy as np
    >>> dice(np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool))
    0.5
    """
    require_same_shape(pred, true)
    both = np.count_nonzero(pred) + np.count_nonzero(true)
    return float(2 * np.count_nonzero(pred & true) / both) if both else 1.0
