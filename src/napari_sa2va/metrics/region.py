"""Region similarity J: how much two masks overlap."""

from __future__ import annotations

import numpy as np

from napari_sa2va.core.errors import ShapeMismatch


def region_j(pred: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union of one mask with the truth.

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
    J of the DAVIS benchmark.

    Examples
    --------
    >>> import numpy as np
    >>> region_j(np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool))
    0.3333333333333333
    """
    require_same_shape(pred, true)
    union = np.count_nonzero(pred | true)
    return float(np.count_nonzero(pred & true) / union) if union else 1.0


def require_same_shape(pred: np.ndarray, true: np.ndarray) -> None:
    """Raise `ShapeMismatch` unless both arrays have the same shape."""
    if pred.shape != true.shape:
        raise ShapeMismatch(
            f"the masks to compare have shapes {pred.shape} and {true.shape}.",
            "Bring both to the same frame size first.",
        )
