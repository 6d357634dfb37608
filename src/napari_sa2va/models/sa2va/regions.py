"""Marked regions of a picture, as the vision tokens that they cover."""

from __future__ import annotations

import numpy as np

from napari_sa2va.core.errors import RequestError

# Training left out regions that cover fewer vision tokens.
FEWEST_CELLS = 4


def region_cells(region: np.ndarray, side: int) -> np.ndarray:
    """Which cells of the vision tokens' grid a region sets.

    Parameters
    ----------
    region : ndarray of bool, shape (Y, X)
    side : int
        Cells along each side of the grid (16 in the published models).

    Returns
    -------
    ndarray of bool, shape (side, side)
        The region, resized by taking the nearest pixel; the aspect ratio is given up.

    Raises
    ------
    RequestError
        If it sets no cell.
    """
    region = np.asarray(region)
    if region.ndim != 2:
        raise RequestError(
            f"A region has the shape {region.shape}.", "Give a mask (Y, X) of one frame."
        )
    height, width = region.shape
    rows, columns = np.arange(side) * height // side, np.arange(side) * width // side
    cells = region[np.ix_(rows, columns)].astype(bool)
    if not cells.any():
        raise RequestError(
            f"A region of {int(np.count_nonzero(region))} px is too small: it sets none of the "
            f"{side} x {side} cells in which the model sees the picture.",
            "Mark a larger region, or crop the picture around it.",
        )
    return cells
