"""One lane of the timeline as pixels, drawn by NumPy. No Qt.

A column of pixels that stands for several frames shows the worst of them: any doubt, any frame
without a result, the lowest score.

From top to bottom: doubts, the strip, locks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.gui.timeline_geometry import TimeAxis

if TYPE_CHECKING:
    from napari_sa2va.analysis.timeline import Lane
    from napari_sa2va.gui.timeline_look import Look, Rgb

Shapes = Callable[[str], np.ndarray]
"""Coverage of a mark by its name: float32 in [0, 1], square."""

DOUBTS_PX = 10  # above the strip
STRIP_PX = 14
LOCKS_PX = 5  # below the strip
LANE_PX = DOUBTS_PX + STRIP_PX + LOCKS_PX

_LEAST_HEIGHT = 0.22  # of a frame with score 0, as a share of the strip
_LEAST_OPACITY = 0.40
_HATCH_PX = 6
_FRAME_WITH_GAP_PX = 7  # frames at least so wide are set apart from each other
_LEAST_BAR_PX = 3


@dataclass(frozen=True)
class LaneColumns:
    """What every column of pixels of a lane has to show.

    Attributes
    ----------
    unknown, absent, present, corrected, locked, doubtful : ndarray of bool, shape (columns,)
        Whether this holds for any frame of the column.
    score : ndarray of float, shape (columns,)
        The lowest; 1 where none is known.
    seams : ndarray of bool, shape (columns,)
        Last columns of frames that are wide enough to be set apart.
    """

    unknown: np.ndarray
    absent: np.ndarray
    present: np.ndarray
    corrected: np.ndarray
    locked: np.ndarray
    doubtful: np.ndarray
    score: np.ndarray
    seams: np.ndarray


def columns_of(lane: Lane, doubtful: np.ndarray, axis: TimeAxis, columns: int) -> LaneColumns:
    """Sum up the frames of a lane by columns.

    Parameters
    ----------
    lane : Lane
    doubtful : ndarray of bool, shape (T,)
    axis : TimeAxis
    columns : int
        Width in device px.
    """
    starts, stop = axis.column_starts(columns)

    def any_of(mask: np.ndarray) -> np.ndarray:
        return np.logical_or.reduceat(mask[:stop], starts)

    score = np.where(lane.present, lane.score, np.nan)
    lowest = np.fmin.reduceat(score[:stop], starts)
    wide = columns / axis.span >= _FRAME_WITH_GAP_PX
    return LaneColumns(
        unknown=any_of(~lane.known),
        absent=any_of(lane.known & ~lane.present),
        present=any_of(lane.known & lane.present),
        corrected=any_of(lane.corrected),
        locked=any_of(lane.locked),
        doubtful=any_of(doubtful),
        score=np.clip(np.where(np.isnan(lowest), 1.0, lowest), 0, 1),
        seams=np.diff(starts, append=starts[-1]) > 0 if wide else np.zeros(columns, dtype=bool),
    )


def paint_lane(
    columns: LaneColumns,
    color: Rgb,
    look: Look,
    *,
    ground: Rgb,
    dpr: float,
    shapes: Shapes,
    axis: TimeAxis,
) -> np.ndarray:
    """Draw one lane.

    Parameters
    ----------
    columns : LaneColumns
    color : tuple of int
        Of the object.
    look : Look
    ground : tuple of int
        Colour above and below the strip.
    dpr : float
        Device px per logical px.
    shapes : callable
        Gives the marks.
    axis : TimeAxis
        As in `columns_of`.

    Returns
    -------
    ndarray of uint8, shape (height, columns, 4)
        Red, green, blue, 255 for opaque; `LANE_PX` logical px high.
    """
    top, strip, bottom = (round(px * dpr) for px in (DOUBTS_PX, STRIP_PX, LOCKS_PX))
    thin = max(round(dpr), 1)
    width = len(columns.present)
    pixels = np.empty((top + strip + bottom, width), dtype=np.uint32)  # one number per pixel
    pixels[:] = _packed(ground)
    _fill_strip(pixels[top : top + strip], columns, color, look, dpr)

    ink, paper, warning = _packed(look.ink), _packed(look.paper), _packed(look.warning)
    mark = shapes("corrected").shape[0]
    per_frame = width / axis.span
    # Every column keeps a sign of its own, for the marks need more room than a column has.
    pixels[top - 2 * thin : top - thin, columns.doubtful] = warning
    if per_frame < mark:
        pixels[top : top + 2 * thin, columns.corrected] = ink
    bar = top + strip + thin
    pixels[bar : bar + 2 * thin, _widened(columns.locked, _LEAST_BAR_PX * thin)] = ink

    channels = pixels.view(np.uint8).reshape(*pixels.shape, 4)

    def put(name: str, places: np.ndarray, y: int, fill: np.uint32, halo: bool) -> None:
        if not places.size:
            return
        shape = shapes(name)
        if halo:
            _stamp(channels, _grown(shape, thin), places, y, paper)
        _stamp(channels, shape, places, y, fill)

    above = top - thin - mark // 2
    edge = top + round(4 * dpr)  # both marks of one frame have room above each other
    below = top + strip + bottom - mark // 2
    put("warning", mark_places(columns.doubtful, mark, per_frame), above, warning, halo=False)
    put("corrected", mark_places(columns.corrected, mark, per_frame), edge, ink, halo=True)
    put("locked", mark_places(columns.locked, mark), below, ink, halo=True)
    return channels


def _fill_strip(
    strip: np.ndarray, columns: LaneColumns, color: Rgb, look: Look, dpr: float
) -> None:
    """Paint presence and score; `strip` is a view of packed pixels, shape (height, columns)."""
    height, width = strip.shape
    thin = max(round(dpr), 1)
    rows = np.arange(height)[:, None]
    track, ink, tint = (np.asarray(rgb) for rgb in (look.track, look.ink, color))
    paper = _packed(look.paper)
    only_unknown = columns.unknown & ~columns.present
    ground = np.where(only_unknown, paper, _packed(look.track))

    fill = np.rint(height * (_LEAST_HEIGHT + (1 - _LEAST_HEIGHT) * columns.score))
    edge = height - np.where(columns.present, fill, -thin)  # (columns,) first row that is filled
    opacity = (_LEAST_OPACITY + (1 - _LEAST_OPACITY) * columns.score)[:, None]
    body = track + opacity * (tint - track)  # (columns, 3)
    # A dark object on a dark ground would not be seen without a lighter edge.
    skyline = _packed_rows(0.45 * body + 0.55 * ink)
    strip[:] = np.where(
        rows < edge, ground, np.where(rows < edge + thin, skyline, _packed_rows(body))
    )
    middle = height // 2
    line = _packed_rows(0.45 * track + 0.55 * ink[None])
    strip[middle : middle + thin, columns.absent] = line
    if columns.unknown.any():
        period = max(round(_HATCH_PX * dpr), 2)
        hatched = ((rows + np.arange(width)) % period < thin) & columns.unknown
        strip[:] = np.where(hatched, np.where(columns.present, paper, _packed(look.hatch)), strip)
    strip[:, columns.seams & ~columns.unknown] = paper


def _packed(rgb: Rgb) -> np.uint32:
    """A colour as the number whose bytes in memory are red, green, blue, 255."""
    return np.array([*rgb, 255], dtype=np.uint8).view(np.uint32)[0]


def _packed_rows(colors: np.ndarray) -> np.ndarray:
    """Colours (N, 3) as numbers, uint32 (N,)."""
    packed = np.full((len(colors), 4), 255, dtype=np.uint8)
    packed[:, :3] = np.rint(colors)
    return packed.view(np.uint32)[:, 0]


def _widened(mask: np.ndarray, least: int) -> np.ndarray:
    """Marks made at least so many columns wide."""
    wide = mask.copy()
    for shift in range(1, least // 2 + 1):
        wide[shift:] |= mask[:-shift]
        wide[:-shift] |= mask[shift:]
    return wide


def mark_places(mask: np.ndarray, apart: int, per_frame: float = 0.0) -> np.ndarray:
    """Choose where marks stand: never two so close that they would overlap.

    Parameters
    ----------
    mask : ndarray of bool, shape (columns,)
        Columns that have something to be marked.
    apart : int
        Least distance of two marks.
    per_frame : float
        Columns per frame. Frames with room for a mark have one each; else, and by default, a run
        of columns has one in its middle.

    Returns
    -------
    ndarray of int
        Columns, rising.
    """
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    centers: list[int] = []
    for start, end in edges.reshape(-1, 2).tolist():
        marks = max(round((end - start) / per_frame), 1) if per_frame >= apart else 1
        width = (end - start) / marks
        for number in range(marks):
            center = start + int((number + 0.5) * width)
            if not centers or center - centers[-1] >= apart:
                centers.append(center)
    return np.asarray(centers, dtype=np.intp)


def _grown(shape: np.ndarray, by: int) -> np.ndarray:
    """A shape with a rim, to set it off from what is behind."""
    side = shape.shape[0]
    padded = np.pad(shape, 2 * by)
    shifts = range(2 * by + 1)
    grown = [padded[y : y + side + 2 * by, x : x + side + 2 * by] for y in shifts for x in shifts]
    return np.asarray(np.max(grown, axis=0))


def _stamp(
    pixels: np.ndarray, shape: np.ndarray, centers: np.ndarray, y: int, color: np.uint32
) -> None:
    """Draw a mark at several places of one height, cut off at the borders.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, columns, 4)
    shape : ndarray of float32, shape (side, side)
    centers : ndarray of int
        Columns.
    y : int
        Row of the middle.
    color : uint32
    """
    side = shape.shape[0]
    top = y - side // 2
    rows = np.arange(max(top, 0), min(top + side, pixels.shape[0]))
    columns = centers[:, None] - side // 2 + np.arange(side)  # (N, side)
    mark, offset = np.nonzero((columns >= 0) & (columns < pixels.shape[1]))
    across = columns[mark, offset]
    cover = shape[rows - top][:, offset][..., None]  # (rows, places, 1)
    behind = pixels[rows[:, None], across]
    fill = np.array([color]).view(np.uint8).astype(np.float32)
    pixels[rows[:, None], across] = np.rint(behind + cover * (fill - behind)).astype(np.uint8)
