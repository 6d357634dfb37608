"""The numbers behind the plot: which quantities there are, and the line as pixels. No Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.gui.timeline_geometry import TimeAxis

if TYPE_CHECKING:
    from napari_sa2va.analysis.timeline import Timeline

SCORE = "Score"
AREA = "Area (px)"
STEADINESS = "Steadiness (J)"
BUILT_IN = (SCORE, AREA, STEADINESS)


def titles_of(timeline: Timeline | None) -> list[str]:
    """Quantities that can be drawn: first those of every timeline, then its own curves."""
    own = [] if timeline is None else [title for title in timeline.curves if title not in BUILT_IN]
    return [*BUILT_IN, *own]


def curves_of(timeline: Timeline, title: str) -> Mapping[int, np.ndarray]:
    """One quantity by object id, float (T,); empty where the timeline has no such curves."""
    if title in timeline.curves:
        return timeline.curves[title]
    names = {SCORE: "score", AREA: "area_px", STEADINESS: "steadiness"}
    if title not in names:
        return {}
    return {lane.object_id: getattr(lane, names[title]) for lane in timeline.lanes}


def line_cover(
    values: np.ndarray, axis: TimeAxis, columns: int, rows: int, thickness: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a curve through the middles of the frames.

    A column that stands for several frames covers all their values, the lowest one too. There is
    no line from or to a NaN; a value between two NaNs is a short dash.

    Parameters
    ----------
    values : ndarray of float, shape (T,)
        Heights as shares of the axis: 0 at the bottom, 1 at the top.
    axis : TimeAxis
    columns, rows : int
        Size in device px.
    thickness : float
        Of the line in device px.

    Returns
    -------
    places : ndarray of int, shape (N,)
        Pixels that the line touches, each once: row times `columns` plus column.
    cover : ndarray of float32, shape (N,)
        Their coverage in (0, 1].
    """
    low, high = _spans(values, axis, columns, thickness)
    drawn = np.flatnonzero(np.isfinite(low))
    # From the top, in px; a level line has its full thickness.
    upper = np.clip((1 - high[drawn]) * (rows - 1) + 0.5 - thickness / 2, 0, rows)
    lower = np.clip((1 - low[drawn]) * (rows - 1) + 0.5 + thickness / 2, 0, rows)
    first = np.floor(upper).astype(np.intp)
    counts = np.ceil(lower).astype(np.intp) - first
    # One entry per pixel: the columns one after another, each from its first row on.
    before = np.cumsum(counts) - counts
    row = np.arange(counts.sum()) - np.repeat(before - first, counts)
    cover = np.minimum(row + 1, np.repeat(lower, counts)) - np.maximum(
        row, np.repeat(upper, counts)
    )
    return row * columns + np.repeat(drawn, counts), cover.astype(np.float32)


def _spans(
    values: np.ndarray, axis: TimeAxis, columns: int, thickness: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of the line in every column; NaN where there is no line."""
    frames = len(values)
    per_column = axis.span / columns
    spread = (thickness - 1) / 2 * per_column
    # Frame t has its middle at t + 0.5.
    left = axis.first - 0.5 + np.arange(columns) * per_column - spread
    right = left + per_column + 2 * spread
    # A hair inside the column, else a line that ends at its edge would reach into it.
    hair = 1e-6 * per_column
    at_left, at_right = _between(values, left + hair), _between(values, right - hair)
    low, high = np.fmin(at_left, at_right), np.fmax(at_left, at_right)
    first = np.clip(np.ceil(left), 0, frames).astype(np.intp)
    stop = np.clip(np.ceil(right), 0, frames).astype(np.intp)
    padded = np.append(values, np.nan)
    pairs = np.stack([first, np.maximum(stop, first)], axis=1).ravel()
    within = stop > first
    low = np.fmin(low, np.where(within, np.fmin.reduceat(padded, pairs)[::2], np.nan))
    high = np.fmax(high, np.where(within, np.fmax.reduceat(padded, pairs)[::2], np.nan))
    return _with_dashes(values, low, high, axis.first, per_column)


def _with_dashes(
    values: np.ndarray, low: np.ndarray, high: np.ndarray, first: float, per_column: float
) -> tuple[np.ndarray, np.ndarray]:
    """Widen values that have no neighbour to three columns, that they be seen."""
    finite = np.isfinite(values)
    lonely = finite & ~np.append(finite[1:], False) & ~np.append(False, finite[:-1])
    for frame in np.flatnonzero(lonely):
        column = math.floor((frame + 0.5 - first) / per_column)
        for place in range(max(column - 1, 0), min(column + 2, len(low))):
            low[place] = np.fmin(low[place], values[frame])
            high[place] = np.fmax(high[place], values[frame])
    return low, high


def _between(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values on the straight lines between frames; NaN beyond the ends and beside a NaN."""
    start = np.floor(places).astype(np.intp)
    share = places - start
    inside = (start >= 0) & (start < len(values) - 1)
    here = values[np.clip(start, 0, len(values) - 1)]
    there = values[np.clip(start + 1, 0, len(values) - 1)]
    return np.where(inside, here + share * (there - here), np.nan)
