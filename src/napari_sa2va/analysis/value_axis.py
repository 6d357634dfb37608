"""An axis of values that can be read: its ends, its ticks, and numbers as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Always drawn from 0 to 1.
_SHARES = frozenset({"Score", "Steadiness (J)", "J", "F", "J&F", "Dice"})
_UNIT = re.compile(r"\(([^()]+)\)\s*$")
# Of the range of all curves: below it, the chosen one would be a flat line among the others.
_LEAST_SHARE_OF_RANGE = 0.25


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


def value_axis(title: str, chosen: np.ndarray | None, others: Sequence[np.ndarray]) -> ValueAxis:
    """Find an axis on which the chosen curve can be read.

    Parameters
    ----------
    title : str
        Shares have the axis from 0 to 1.
    chosen : ndarray or None, shape (T,)
    others : sequence of ndarray, shape (T,)
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


def _range(curves: Sequence[np.ndarray]) -> tuple[float, float]:
    finite = [curve[np.isfinite(curve)] for curve in curves]
    values = np.concatenate(finite) if finite else np.empty(0)
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
