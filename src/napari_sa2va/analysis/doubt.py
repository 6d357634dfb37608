"""Which frames a person should look at, and why: the rules that find doubtful masks.

A rule looks at one object's lane, or at the pixels that two objects share. It judges nothing that a
person has vouched for: locked frames of an object, and frames marked as reviewed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_sa2va.core.params import Params

if TYPE_CHECKING:
    from napari_sa2va.analysis.timeline import Lane

Reason = Literal["low score", "area jump", "moved", "appears", "vanishes", "overlap"]

# How doubtful it is that an object appears or vanishes for good: a cell may well leave the picture.
_FOR_GOOD = 0.5
# A factor this near to 2 or 3 is called double or triple.
_ABOUT = 0.1


class Thresholds(Params):
    """What makes a frame doubtful."""

    lowest_score: float = Field(
        0.8,
        ge=0,
        le=1,
        title="Lowest score",
        description="A mask with a lower score is doubtful. 0: none is.",
    )
    area_ratio: float = Field(
        1.5,
        gt=1,
        le=1000,
        title="Area jump",
        description="How many times larger or smaller than just before a mask may become.",
    )
    least_change_px: int = Field(
        10,
        ge=0,
        le=1_000_000,
        title="Least change (px)",
        description="A change of the area by fewer pixels is no jump, however small the object.",
    )
    neighbours: int = Field(
        5,
        ge=1,
        le=100,
        title="Frames compared",
        description="The area is compared with the median of this many frames before.",
    )
    lowest_steadiness: float = Field(
        0.25,
        ge=0,
        le=1,
        title="Lowest steadiness",
        description="A mask that overlaps less (J) with that of the frame before is doubtful. "
        "Choose 0 for objects that move further than their own size.",
    )
    overlap_share: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Overlap",
        description="Two objects may share this much of the smaller one's pixels.",
    )


@dataclass(frozen=True)
class Doubt:
    """A reason to look at an object on a frame.

    Attributes
    ----------
    frame : int
        From 0.
    object_id : int
    reason : str
        One of `Reason`.
    words : str
        The same as a sentence, with the numbers seen.
    severity : float
        In [0, 1]: 0 at the threshold, 1 for the worst that can be.
    """

    frame: int
    object_id: int
    reason: Reason
    words: str
    severity: float


def find_doubts(
    lanes: Sequence[Lane],
    overlaps: Mapping[int, Mapping[tuple[int, int], int]],
    *,
    reviewed: Collection[int] = (),
    thresholds: Thresholds,
) -> tuple[Doubt, ...]:
    """Apply all rules.

    Parameters
    ----------
    lanes : sequence of Lane
    overlaps : mapping
        Frame -> pair of object ids -> pixels in both.
    reviewed : collection of int
        Frames that a person has looked at: not doubtful, whatever the numbers say.
    thresholds : Thresholds

    Returns
    -------
    tuple of Doubt
        By frame, then by falling severity, then by object id.
    """
    found = [doubt for lane in lanes for doubt in _of_lane(lane, thresholds)]
    found += _overlapping(lanes, overlaps, thresholds.overlap_share)
    locked = {lane.object_id: lane.locked for lane in lanes}
    seen = set(reviewed)
    open_ = [d for d in found if d.frame not in seen and not locked[d.object_id][d.frame]]
    return tuple(sorted(open_, key=lambda d: (d.frame, -d.severity, d.object_id, d.reason)))


def _of_lane(lane: Lane, thresholds: Thresholds) -> Iterator[Doubt]:
    if not lane.known.any():
        return
    yield from _unsure(lane, thresholds.lowest_score)
    yield from _jumping(lane, thresholds)
    yield from _moving(lane, thresholds.lowest_steadiness)
    yield from _coming_and_going(lane)


def _unsure(lane: Lane, lowest: float) -> Iterator[Doubt]:
    for t in np.flatnonzero(lane.present & (lane.score < lowest)).tolist():  # NaN is never less
        score = float(lane.score[t])
        words = f"The model is not sure of this mask: score {score:.2f}."
        yield Doubt(t, lane.object_id, "low score", words, _clipped((lowest - score) / lowest))


def _jumping(lane: Lane, thresholds: Thresholds) -> Iterator[Doubt]:
    area = np.where(lane.present, lane.area_px, np.nan)
    usual = _median_before(area, thresholds.neighbours)
    with np.errstate(invalid="ignore"):  # comparisons with NaN are False, which is what is meant
        enough = np.abs(area - usual) >= thresholds.least_change_px
        larger = enough & (area > usual * thresholds.area_ratio)
        smaller = enough & (area * thresholds.area_ratio < usual)
    way = larger.astype(np.int8) - smaller
    # A change that lasts stands out from the median on several frames; it is told on the first.
    first = (way != 0) & (way != np.concatenate(([0], way[:-1])))
    for t in np.flatnonzero(first).tolist():
        now, before = float(area[t]), float(usual[t])
        factor = max(now / before, before / now)
        words = f"The area {_change(now, before)}: {_px(now)}, before {_px(before)}."
        yield Doubt(
            t, lane.object_id, "area jump", words, _clipped(1 - thresholds.area_ratio / factor)
        )


def _median_before(area: np.ndarray, neighbours: int) -> np.ndarray:
    """Median of the frames before each frame, float (T,); NaNs left out, NaN where all are."""
    padded = np.concatenate((np.full(neighbours, np.nan), area))[:-1]
    window = np.sort(np.lib.stride_tricks.sliding_window_view(padded, neighbours), axis=1)
    number = np.count_nonzero(~np.isnan(window), axis=1)  # NaNs are sorted to the end
    rows = np.arange(len(area))
    low, high = np.maximum(number - 1, 0) // 2, number // 2
    # Without a neighbour both places hold NaN; `high` is inside the window even if it is full.
    return np.asarray((window[rows, low] + window[rows, high]) / 2)


def _moving(lane: Lane, lowest: float) -> Iterator[Doubt]:
    for t in np.flatnonzero(lane.steadiness < lowest).tolist():
        j = float(lane.steadiness[t])
        words = (
            f"The mask moves: it overlaps with that of the frame before by {_percent(j)}."
            if j
            else "The mask jumps: it shares no pixel with that of the frame before."
        )
        yield Doubt(t, lane.object_id, "moved", words, _clipped((lowest - j) / lowest))


def _coming_and_going(lane: Lane) -> Iterator[Doubt]:
    frames = np.flatnonzero(lane.known)
    there = lane.present[frames]
    changes = np.flatnonzero(there[1:] != there[:-1]) + 1
    # How many known frames each change lasts; the last one lasts for all that is known.
    lasting = [*np.diff(changes).tolist(), None]
    for place, frames_long in zip(changes.tolist(), lasting[: len(changes)], strict=True):
        t = int(frames[place])
        severity = _FOR_GOOD if frames_long is None else _FOR_GOOD + (1 - _FOR_GOOD) / frames_long
        if there[place]:
            words = f"The object appears: {_px(lane.area_px[t])}, before nothing."
            yield Doubt(t, lane.object_id, "appears", words, severity)
        else:
            before = lane.area_px[frames[place - 1]]
            words = f"The object vanishes: nothing is left, before {_px(before)}."
            yield Doubt(t, lane.object_id, "vanishes", words, severity)


def _overlapping(
    lanes: Sequence[Lane],
    overlaps: Mapping[int, Mapping[tuple[int, int], int]],
    allowed: float,
) -> Iterator[Doubt]:
    """One doubt per object and frame: about the other object of which it shares most."""
    names = {lane.object_id: lane.name for lane in lanes}
    areas = {lane.object_id: lane.area_px.tolist() for lane in lanes}  # lists: read one by one
    for t, pairs in overlaps.items():
        worst: dict[int, tuple[float, int, int]] = {}  # object -> share, px, other object
        for (a, b), shared in pairs.items():
            share = shared / min(areas[a][t], areas[b][t])
            if share > allowed:
                worst[a] = max(worst.get(a, (0.0, 0, 0)), (share, shared, b))
                worst[b] = max(worst.get(b, (0.0, 0, 0)), (share, shared, a))
        for object_id, (share, shared, other) in worst.items():
            words = (
                f"It overlaps with {names[other]!r}: {_px(shared)}, {_percent(share)} of the "
                "smaller of the two."
            )
            severity = _clipped((share - allowed) / (1 - allowed))
            yield Doubt(t, object_id, "overlap", words, severity)


def _change(now: float, before: float) -> str:
    factor = now / before
    for times, grown, shrunk in ((2, "doubles", "halves"), (3, "triples", "falls to a third")):
        if abs(factor / times - 1) < _ABOUT:
            return grown
        if abs(factor * times - 1) < _ABOUT:
            return shrunk
    return f"becomes {factor:.1f} times as large" if factor > 1 else f"falls to {_percent(factor)}"


def _px(area: float) -> str:
    return f"{area:,.0f} px"


def _percent(share: float) -> str:
    return "less than 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _clipped(severity: float) -> float:
    return float(min(1.0, max(0.0, severity)))
