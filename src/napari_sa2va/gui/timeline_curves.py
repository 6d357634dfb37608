"""The numbers behind the plot: which quantities there are, the axis, and the line as pixels. No Qt."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.gui.timeline_geometry import TimeAxis

if TYPE_CHECKING:
    from napari_sa2va.analysis.timeline import Timeline

SCORE = "Score"
AREA = "Area (px)"
STEADINESS = "Steadiness (J)"
BUILT_IN = (SCORE, AREA, STEADINESS)

_SHARES = frozenset({SCORE, STEADINESS, "J", "F", "J&F", "Dice"})  # always drawn from 0 to 1
_UNIT = re.compile(r"\(([^()]+)\)\s*$")
# Of the range of all curves: below it, the chosen one would be a flat line among the others.
_LEAST_SHARE_OF_RANGE = 0.25


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


def unit_of(title: str) -> str:
    """What stands in brackets at the end of a title; empty for shares.

    Examples
    --------
    >>> unit_of("Speed (µm/s)")
    'µm/s'
    >>> unit_of("J&F")
    ''
    """
    found = _UNIT.search(title)
    return "" if found is None or title in _SHARES else found.group(1)


def number_text(value: float) -> str:
    """A value in three or four digits, as it is written beside the plot.

    Examples
    --------
    >>> number_text(0.93456), number_text(1234.56), number_text(float("nan"))
    ('0.935', '1235', '–')
    """
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1000 <= abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.3g}"


def tick_text(value: float) -> str:
    """A value of the axis, as short as may be.

    Examples
    --------
    >>> tick_text(0.0), tick_text(2.5), tick_text(1500.0)
    ('0', '2.5', '1500')
    """
    return f"{value:g}"


@dataclass(frozen=True)
class ValueAxis:
    """The upright axis.

    Attributes
    ----------
    low, high : float
        Values at its ends.
    ticks : tuple of float
        Two to four round values in between.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def height_of(self, values: np.ndarray) -> np.ndarray:
        """Share of the axis below a value: 0 at `low`, 1 at `high`; NaN stays NaN."""
        return (values - self.low) / (self.high - self.low)


def value_axis(title: str, chosen: np.ndarray | None, others: list[np.ndarray]) -> ValueAxis:
    """Find an axis on which the chosen curve can be read.

    Parameters
    ----------
    title : str
        Shares have the axis from 0 to 1.
    chosen : ndarray or None, shape (T,)
    others : list of ndarray, shape (T,)
        They may run out of the axis where they would squeeze the chosen curve.
    """
    if title in _SHARES:
        return ValueAxis(0.0, 1.0, (0.0, 0.5, 1.0))
    low, high = _range([*others] if chosen is None else [*others, chosen])
    if chosen is not None and np.isfinite(chosen).any():
        own_low, own_high = _range([chosen])
        if own_high - own_low < _LEAST_SHARE_OF_RANGE * (high - low):
            low, high = own_low, own_high
    if low >= 0 and low <= 0.5 * high:
        low = 0.0
    if high - low < 1e-9 * max(abs(high), 1e-9):
        low, high = low - 0.5 * max(abs(low), 1.0), high + 0.5 * max(abs(high), 1.0)
    elif low != 0.0:
        low -= 0.05 * (high - low)
    high += 0.05 * (high - low)
    return ValueAxis(low, high, round_ticks(low, high))


def round_ticks(low: float, high: float) -> tuple[float, ...]:
    """Two to four multiples of 1, 2, 2.5 or 5 times a power of ten between two values.

    Examples
    --------
    >>> round_ticks(0, 1.05)
    (0.0, 0.5, 1.0)
    """
    power = math.floor(math.log10(high - low)) - 1
    for exponent in range(power, power + 3):
        for times in (1, 2, 2.5, 5):
            step = times * 10.0**exponent
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first < 4:
                return tuple(round(k * step, 12 - exponent) for k in range(first, last + 1))
    raise AssertionError("a step of the length of the axis has at most two multiples")


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


def _range(curves: list[np.ndarray]) -> tuple[float, float]:
    finite = [curve[np.isfinite(curve)] for curve in curves]
    values = np.concatenate(finite) if finite else np.empty(0)
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
