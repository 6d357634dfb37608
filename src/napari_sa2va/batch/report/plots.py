"""Plots of a report as inline SVG: nothing to load, as sharp in print as on a screen.

Colours are classes (``o3`` is object 3), so that the page can give them another brightness on dark
paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_sa2va.analysis.value_axis import ValueAxis, round_ticks, tick_text, value_axis
from napari_sa2va.batch.report.numbers import Numbers, doubtful_frames
from napari_sa2va.batch.report.page import color_class, text

MOST_CURVES = 12
"""So many objects of a movie are drawn."""

_WIDTH, _HEIGHT = 560, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 36
# Frames that share a place on the paper: of them the lowest and the highest value are drawn.
_BINS = 160


@dataclass(frozen=True)
class _Sheet:
    """Where values come to lie on the paper."""

    x_low: float
    x_high: float
    y: ValueAxis

    def x_of(self, value: float) -> float:
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y_of(self, value: float) -> float:
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def area_plot(numbers: Numbers, title: str) -> str:
    """Areas of the objects of a movie over time, with a gap where an object is absent.

    Parameters
    ----------
    numbers : Numbers
        With at least one lane. Of more than 12 objects the first are drawn.
    title : str
        What a screen reader says.

    Notes
    -----
    Marks at the top are at frames that deserve a look.
    """
    lanes = numbers.lanes[:MOST_CURVES]
    per_px = numbers.um2_per_px or 1.0
    curves = [np.where(lane.present, lane.area_px, np.nan) * per_px for lane in lanes]
    x_title, per_frame = _time_axis(numbers)
    last = max(numbers.num_frames - 1, 1) * per_frame
    axis = value_axis("Area", None, curves)
    sheet = _Sheet(0.0, last, ValueAxis(0.0, axis.high, round_ticks(0.0, axis.high)))
    lines = [
        f'<path class="line {color_class(lane.object_id)}" d="{_path(curve, per_frame, sheet)}"/>'
        for lane, curve in zip(lanes, curves, strict=True)
    ]
    marks = {
        f"M{sheet.x_of(t * per_frame):.1f} {_TOP - 8}v6" for t in doubtful_frames(numbers.doubts)
    }
    if marks:
        lines.append(f'<path class="doubt" d="{"".join(sorted(marks))}"/>')
    y_title = "Area (µm²)" if numbers.um2_per_px else "Area (px)"
    return _svg(
        sheet, title, x_title=x_title, y_title=y_title, inside=lines, whole_x=x_title == "Frame"
    )


def progress_plot(ended_s: Sequence[float], title: str) -> str:
    """How many units were done after what time: a staircase.

    Parameters
    ----------
    ended_s : sequence of float
        When each was done, in s since the first began; rising.
    title : str
    """
    x_title, per_unit = _time_unit(ended_s[-1])
    times = [seconds / per_unit for seconds in ended_s]
    number = len(times)
    sheet = _Sheet(
        0.0, times[-1] or 1.0, ValueAxis(0.0, number * 1.05, _whole(round_ticks(0, number * 1.05)))
    )
    kept = sorted({round(i) for i in np.linspace(0, number - 1, min(number, 400))})
    steps = "".join(f"H{sheet.x_of(times[i]):.1f}V{sheet.y_of(i + 1):.1f}" for i in kept)
    start = f"M{sheet.x_of(0):.1f} {sheet.y_of(0):.1f}"
    inside = [f'<path class="line plain" d="{start}{steps}"/>']
    return _svg(sheet, title, x_title=x_title, y_title="Movies done", inside=inside)


def _time_axis(numbers: Numbers) -> tuple[str, float]:
    """Title of the axis of time, and how far it is from one frame to the next."""
    interval = numbers.interval_s
    if interval is None:
        return "Frame", 1.0
    title, per_unit = _time_unit(interval * (numbers.num_frames - 1))
    return title, interval / per_unit


def _time_unit(length_s: float) -> tuple[str, float]:
    """Title of an axis of that length, and the seconds that its unit has."""
    if length_s < 180:
        return "Time (s)", 1.0
    return ("Time (min)", 60.0) if length_s < 10_800 else ("Time (h)", 3600.0)


def _path(curve: np.ndarray, per_frame: float, sheet: _Sheet) -> str:
    """Commands of an SVG path through the values; a new piece behind each gap."""
    low, high, at = _binned(curve)
    parts: list[str] = []
    drawing = False
    for place, least, most in zip(at.tolist(), low.tolist(), high.tolist(), strict=True):
        if math.isnan(least):
            drawing = False
            continue
        x = sheet.x_of(place * per_frame)
        # A piece of no length has a round end on either side, which makes a dot of it.
        parts.append(f"{'L' if drawing else 'M'}{x:.1f} {sheet.y_of(least):.1f}")
        if most > least:
            parts.append(f"V{sheet.y_of(most):.1f}")
        elif not drawing:
            parts.append("h0")
        drawing = True
    return "".join(parts)


def _binned(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest and highest value of neighbouring frames, and where they are; NaN where all are."""
    number = len(curve)
    if number <= _BINS:
        return curve, curve, np.arange(number)
    starts = np.linspace(0, number, _BINS + 1).astype(int)[:-1]
    middle = (starts + np.append(starts[1:], number) - 1) / 2
    return np.fmin.reduceat(curve, starts), np.fmax.reduceat(curve, starts), middle


def _whole(ticks: Sequence[float]) -> tuple[float, ...]:
    return tuple(tick for tick in ticks if tick == round(tick))


def _svg(
    sheet: _Sheet,
    title: str,
    *,
    x_title: str,
    y_title: str,
    inside: Sequence[str],
    whole_x: bool = False,
) -> str:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    x_ticks = round_ticks(sheet.x_low, sheet.x_high)
    parts = [
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{text(title)}</title>",
    ]
    for tick in sheet.y.ticks:
        y = sheet.y_of(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text class="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{tick_text(tick)}</text>')
    for tick in _whole(x_ticks) if whole_x else x_ticks:
        x = sheet.x_of(tick)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        parts.append(f'<text class="mid" x="{x:.1f}" y="{bottom + 16}">{tick_text(tick)}</text>')
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    middle_y, middle_x = (_TOP + bottom) / 2, (_LEFT + right) / 2
    parts.append(
        f'<text class="mid" transform="translate(12 {middle_y:.0f}) rotate(-90)">'
        f"{text(y_title)}</text>"
    )
    parts.append(f'<text class="mid" x="{middle_x:.0f}" y="{_HEIGHT - 5}">{text(x_title)}</text>')
    return "".join([*parts, *inside, "</svg>"])
