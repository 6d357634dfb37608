"""Where masks are and how long they are: centroid, box and second moments, from run-length codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_sa2va.analysis.runs import Runs
from napari_sa2va.core.rle import Rle


@dataclass(frozen=True, eq=False)
class Shapes:
    """Shapes of K masks of one size, all in px; NaN for a mask without a pixel.

    Attributes
    ----------
    area_px : ndarray of int64, shape (K,)
    centroid_yx_px : ndarray of float64, shape (K, 2)
        Mean position; the centre of the upper left pixel is (0, 0).
    box_px : ndarray of int64, shape (K, 4)
        y0, x0, y1, x1; the last row and column are not included. All 0 without a pixel.
    covariance_yx_px2 : ndarray of float64, shape (K, 2, 2)
        Variance of position within the mask. A pixel is a square and no point: it adds 1/12 px²,
        the variance within a square, to that along y and to that along x.

    Notes
    -----
    The 1/12 is that of Haralick and Shapiro, Computer and Robot Vision I (1992), appendix A, and of
    MATLAB's `regionprops`; scikit-image leaves it out. With it, a bar of 1 x 9 px is 9 times as
    long as wide, and without it infinitely.
    """

    area_px: np.ndarray
    centroid_yx_px: np.ndarray
    box_px: np.ndarray
    covariance_yx_px2: np.ndarray


def shapes_of(codes: Sequence[Rle], height: int, width: int) -> Shapes:
    """Measure the shapes of masks without decoding them.

    Parameters
    ----------
    codes : sequence of Rle
    height, width : int
        Size of every mask in px.

    Raises
    ------
    ShapeMismatch
        If a code is of another size, or its runs do not add up to it.
    """
    runs = Runs.of(codes, height, width)
    pieces = Pieces.of(runs)
    owner, x, y, length = pieces.owner, pieces.x, pieces.y, pieces.length

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, weights=values, minlength=len(codes))

    area = sums(length)
    with np.errstate(invalid="ignore"):  # 0 / 0 where there is no pixel: NaN is meant
        mean_y, mean_x = sums(_sum(y, length)) / area, sums(x * length) / area
        # Squares are summed around a pixel near the centre: around (0, 0) they would grow so large
        # that subtracting the mean's square left nothing but rounding.
        near_y, near_x = (np.nan_to_num(np.rint(m)).astype(np.int64) for m in (mean_y, mean_x))
        dy, dx = y - near_y[owner], x - near_x[owner]
        off_y, off_x = mean_y - near_y, mean_x - near_x
        covariance = np.empty((len(codes), 2, 2))
        covariance[:, 0, 0] = sums(_sum_of_squares(dy, length)) / area - off_y**2 + 1 / 12
        covariance[:, 1, 1] = sums(dx**2 * length) / area - off_x**2 + 1 / 12
        mixed = sums(dx * _sum(dy, length)) / area - off_y * off_x
    covariance[:, 0, 1] = covariance[:, 1, 0] = mixed
    return Shapes(
        area.astype(np.int64), np.stack([mean_y, mean_x], axis=1), runs.boxes(), covariance
    )


@dataclass(frozen=True, eq=False)
class Pieces:
    """Runs cut where they go on in the next column; one row per piece.

    Attributes
    ----------
    owner, x, y, length : ndarray of int64, shape (P,)
        Which mask, column, first row, and number of px downwards.
    """

    owner: np.ndarray
    x: np.ndarray
    y: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, runs: Runs) -> Pieces:
        """Cut the runs of some masks."""
        first, last = runs.starts // runs.height, (runs.ends - 1) // runs.height
        number = last - first + 1
        place = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        column = np.repeat(first, number) + place  # counted through all masks
        top = column * runs.height
        start = np.maximum(np.repeat(runs.starts, number), top)
        end = np.minimum(np.repeat(runs.ends, number), top + runs.height)
        owner = np.repeat(runs.owner, number)
        return cls(owner, column - owner * runs.width, start - top, end - start)


def cut_out(code: Rle, box_px: Sequence[int]) -> np.ndarray:
    """Decode only what lies in a box that holds the whole mask.

    Parameters
    ----------
    code : Rle
    box_px : sequence of int
        y0, x0, y1, x1, as in `Shapes.box_px`.

    Returns
    -------
    ndarray of bool, shape (y1 - y0, x1 - x0)
    """
    y0, x0, y1, x1 = box_px
    pieces = Pieces.of(Runs.of([code], *code["size"]))
    # Where a mask begins and ends along each column; a running sum is 1 in between.
    steps = np.zeros((x1 - x0, y1 - y0 + 1), np.int8)
    steps[pieces.x - x0, pieces.y - y0] += 1
    steps[pieces.x - x0, pieces.y - y0 + pieces.length] -= 1
    inside: np.ndarray = np.cumsum(steps, axis=1, dtype=np.int8)[:, :-1].T.astype(bool)
    return inside


def elongation(
    covariance: np.ndarray, pixel_size_yx: tuple[float, float] = (1.0, 1.0)
) -> np.ndarray:
    """Ratio of the axes of the ellipse with the same second moments.

    Parameters
    ----------
    covariance : ndarray of float, shape (K, 2, 2)
        `Shapes.covariance_yx_px2`.
    pixel_size_yx : tuple of float
        Height and width of a pixel, in any unit.

    Returns
    -------
    ndarray of float64, shape (K,)
        At least 1; 1 for a disk and for a square. NaN where the covariance is.
    """
    scale = np.array(pixel_size_yx)
    scaled = covariance * scale[:, np.newaxis] * scale
    yy, xx, yx = scaled[:, 0, 0], scaled[:, 1, 1], scaled[:, 0, 1]
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    # The smaller eigenvalue as determinant / larger: the difference would lose digits on long bars.
    larger = middle + half
    return np.asarray(larger / np.sqrt(yy * xx - yx**2))


def _sum(first: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Sum of `length` whole numbers from `first` on."""
    return length * (2 * first + length - 1) // 2


def _sum_of_squares(first: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Sum of the squares of `length` whole numbers from `first` on."""
    steps = length - 1
    return length * first**2 + first * length * steps + length * steps * (2 * length - 1) // 6
