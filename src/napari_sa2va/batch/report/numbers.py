"""What the table of a unit says of its objects over time, as a report shows it."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_sa2va.analysis.doubt import Doubt, Thresholds, find_doubts
from napari_sa2va.analysis.timeline import Lane
from napari_sa2va.core.palette import color_of

THRESHOLDS = Thresholds()

# No movie has so many; a table that says so is damaged, and its lanes would fill the memory.
_MOST_FRAMES = 10_000_000
_DAMAGES = (OSError, ValueError, TypeError, KeyError, OverflowError, csv.Error)


@dataclass(frozen=True, eq=False)
class Numbers:
    """The objects of a unit over time.

    Attributes
    ----------
    lanes : tuple of Lane
        By object id, of T frames each. How much a mask moved, and which masks overlap, is not in
        the table, so it is in no lane.
    doubts : tuple of Doubt
        By frame: what the rules of `analysis.doubt` say of scores, areas, coming and going.
    um2_per_px : float or None
        Area of a pixel, where the movie knows it.
    interval_s : float or None
        From one frame to the next, where the movie knows it.
    """

    lanes: tuple[Lane, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    um2_per_px: float | None = None
    interval_s: float | None = None

    @property
    def scores(self) -> dict[int, float]:
        """Mean score over the frames on which an object is, by its id, where it is known."""
        shown = {lane.object_id: lane.score[lane.present] for lane in self.lanes}
        known = {i: score[np.isfinite(score)] for i, score in shown.items()}
        return {i: float(score.mean()) for i, score in known.items() if score.size}

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.lanes[0].known) if self.lanes else 0


@dataclass
class _Rows:
    name: str
    frames: array[int] = field(default_factory=lambda: array("q"))
    areas: array[float] = field(default_factory=lambda: array("d"))
    scores: array[float] = field(default_factory=lambda: array("d"))


def read_numbers(table: Path) -> Numbers:
    """Read the objects.csv of a unit.

    Parameters
    ----------
    table : Path

    Returns
    -------
    Numbers
        Without a lane if there is no table. One that is damaged is read up to where it is.
    """
    rows: dict[int, _Rows] = {}
    scale: dict[str, float] = {}
    with suppress(*_DAMAGES), table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            _take(row, rows, scale)
    if not rows:
        return Numbers()
    num_frames = max(max(r.frames) for r in rows.values()) + 1
    lanes = tuple(_lane(i, rows[i], num_frames) for i in sorted(rows))
    doubts = find_doubts(lanes, {}, thresholds=THRESHOLDS)
    return Numbers(lanes, doubts, scale.get("um2_per_px"), scale.get("interval_s"))


def _take(row: Mapping[str, str], rows: dict[int, _Rows], scale: dict[str, float]) -> None:
    object_id, frame, area = int(row["object"]), int(row["frame"]), float(row["area_px"])
    score = float(row.get("score") or "nan")
    if object_id < 1 or not 0 <= frame < _MOST_FRAMES or not 0 <= area < np.inf:
        raise ValueError(f"Object {object_id} has {area} px on frame {frame}.")
    mine = rows.get(object_id)
    if mine is None:
        mine = rows[object_id] = _Rows(row.get("name", ""))
    mine.frames.append(frame)
    mine.areas.append(area)
    mine.scores.append(score)
    if area and "um2_per_px" not in scale and (um2 := row.get("area_um2")):
        scale["um2_per_px"] = _positive(float(um2) / area)
    if frame and "interval_s" not in scale and (time_s := row.get("time_s")):
        scale["interval_s"] = _positive(float(time_s) / frame)


def _positive(value: float) -> float:
    if not 0 < value < np.inf:
        raise ValueError(f"{value} cannot be a size or a duration.")
    return value


def _lane(object_id: int, rows: _Rows, num_frames: int) -> Lane:
    frames = np.array(rows.frames, np.intp)
    known = np.zeros(num_frames, bool)
    known[frames] = True
    area, score = np.full(num_frames, np.nan), np.full(num_frames, np.nan)
    area[frames], score[frames] = rows.areas, rows.scores
    nobody = np.zeros(num_frames, bool)
    return Lane(
        object_id=object_id,
        name=rows.name,
        color=color_of(object_id),
        known=known,
        present=known & (area > 0),
        score=score,
        area_px=area,
        steadiness=np.full(num_frames, np.nan),
        corrected=nobody,
        locked=nobody,
    )


def doubtful_frames(doubts: Sequence[Doubt], object_id: int | None = None) -> list[int]:
    """Frames with a doubt, of one object or of any; each once, rising."""
    return sorted({d.frame for d in doubts if object_id in (None, d.object_id)})
