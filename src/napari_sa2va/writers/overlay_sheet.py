"""A picture of a result: up to eight frames with their masks, and a legend. One look tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.intensity import sample_indices
from napari_sa2va.core.palette import color_of
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.paint import faded, font, paint, scaled_size, wrapped

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from napari_sa2va.core.clip import Clip
    from napari_sa2va.writers.result import Result, Subject

FORMAT = WriteFormat(
    kind="overlay-sheet",
    title="PNG (overlay sheet)",
    suffixes=(".png",),
    keeps="up to eight frames with contours and a light fill in the objects' colours, names, on "
    "which frames each object is, a scale bar; a picture to look at, no masks to measure",
    read_back_by="Pillow",
    overlaps=True,
    shows_movie=True,
)
_MOST_FRAMES, _MOST_ROWS = 8, 40
_TILE_PX = 400
_MARGIN, _GAP, _CAPTION = 28, 14, 30
_GROUND, _TEXT, _QUIET, _TRACK = (18, 20, 25), (240, 242, 245), (150, 156, 166), (44, 48, 56)
_LEAST_WIDTH = 860
_NICE = (1, 2, 5)


def write(path: Path, result: Result) -> None:
    """Draw the sheet and save it as PNG."""
    draw_sheet(result).save(path)


def draw_sheet(result: Result) -> Image:
    """Draw up to eight evenly spaced frames with masks, captions and a legend.

    Parameters
    ----------
    result : Result

    Returns
    -------
    PIL.Image.Image
        RGB. Frames carry their number and, if known, their time; the first one a scale bar. Each
        object has a bar in the legend that shows on which frames it is present; of more than 40
        objects the first have.
    """
    from PIL import Image, ImageDraw

    clip = result.clip
    shown = sample_indices(clip.num_frames, _MOST_FRAMES)
    tile = scaled_size(clip.height, clip.width, _TILE_PX)
    columns = _columns(len(shown), tile)
    rows = math.ceil(len(shown) / columns)
    grid_width = columns * tile[1] + (columns - 1) * _GAP
    width = max(_LEAST_WIDTH, grid_width + 2 * _MARGIN)
    top = _MARGIN + 76
    bottom = top + rows * (tile[0] + _CAPTION + _GAP)
    named = result.subjects[:_MOST_ROWS]
    legend = [_entry(subject, width) for subject in named]
    more = len(result.subjects) - len(named)
    height = bottom + 12 + sum(h for _, h in legend) + 26 * bool(more) + _MARGIN

    sheet = Image.new("RGB", (width, height), _GROUND)
    pen = ImageDraw.Draw(sheet)
    _header(pen, clip, width)
    left = (width - grid_width) // 2
    for place, t in enumerate(shown):
        row, column = divmod(place, columns)
        x = left + column * (tile[1] + _GAP)
        y = top + row * (tile[0] + _CAPTION + _GAP)
        sheet.paste(Image.fromarray(paint(clip.rgb(t), result.frame(t).codes, tile)), (x, y))
        _caption(pen, clip, t, (x, y + tile[0] + 6), tile[1])
        if place == 0:
            _scale_bar(pen, clip, (x, y), tile)
    y = bottom + 12
    presence = _presence(result, named)
    for subject, present, (lines, row_height) in zip(named, presence, legend, strict=True):
        _legend_row(pen, subject, present, lines, y, width, shown)
        y += row_height
    if more:
        pen.text((_MARGIN + 34, y), f"and {more} more", _QUIET, font(18))
    return sheet


def num_tile_pixels(num_frames: int, height: int, width: int) -> int:
    """How many pixels of a sheet show frames, of a movie of a size in px."""
    tile_height, tile_width = scaled_size(height, width, _TILE_PX)
    return min(num_frames, _MOST_FRAMES) * tile_height * tile_width


def _presence(result: Result, subjects: Sequence[Subject]) -> np.ndarray:
    """On which frames objects are, bool (N, T)."""
    row_of = {subject.object_id: row for row, subject in enumerate(subjects)}
    present = np.zeros((len(subjects), result.num_frames), bool)
    for t in range(result.num_frames):
        present[[row_of[i] for i in result.frame(t).codes if i in row_of], t] = True
    return present


def _columns(count: int, tile: tuple[int, int]) -> int:
    """Number of columns whose sheet comes nearest to a page of 1.6 : 1, without a lonely tile."""

    def badness(columns: int) -> float:
        rows = math.ceil(count / columns)
        shape = columns * tile[1] / (rows * (tile[0] + _CAPTION))
        return abs(math.log(shape / 1.6)) + 0.5 * (rows * columns - count)

    return min(range(1, count + 1), key=badness)


def _header(pen: ImageDraw, clip: Clip, width: int) -> None:
    room = width - 2 * _MARGIN
    title = wrapped(clip.name, font(26, bold=True), room, 1)
    pen.text((_MARGIN, _MARGIN - 4), title[0] if title else "", _TEXT, font(26, bold=True))
    facts = [f"{clip.num_frames} frames" if clip.num_frames != 1 else "1 frame"]
    facts.append(f"{clip.height} x {clip.width} px")
    if clip.pixel_size_um is not None:
        facts.append(f"{clip.pixel_size_um[1]:.3g} \u00b5m per px")
    if clip.frame_interval_s is not None:
        facts.append(f"{_duration(clip.frame_interval_s)} per frame")
    pen.text((_MARGIN, _MARGIN + 34), "   |   ".join(facts), _QUIET, font(16))


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"


def _caption(pen: ImageDraw, clip: Clip, t: int, place: tuple[int, int], width: int) -> None:
    x, y = place
    pen.text((x, y), f"frame {t}", _TEXT, font(15))
    if clip.frame_interval_s is not None and t > 0:
        time = _duration(t * clip.frame_interval_s)
        pen.text((x + width, y), time, _QUIET, font(15), anchor="ra")


def _scale_bar(pen: ImageDraw, clip: Clip, place: tuple[int, int], tile: tuple[int, int]) -> None:
    """A bar of a round length, between a sixth and a third of the tile's width."""
    if clip.pixel_size_um is None:
        return
    um_per_px = clip.pixel_size_um[1] * clip.width / tile[1]
    most = um_per_px * tile[1] / 3
    decade = 10 ** math.floor(math.log10(most))
    length = max(n * decade for n in _NICE if n * decade <= most)
    pixels = round(length / um_per_px)
    text = f"{length / 1e3:g} mm" if length >= 1e3 else f"{length:g} \u00b5m"
    if length >= 1e4:
        text = f"{length / 1e4:g} cm"
    x, y = place[0] + 14, place[1] + tile[0] - 16
    pen.rectangle((x - 2, y - 2, x + pixels + 2, y + 6), (0, 0, 0))
    pen.rectangle((x, y, x + pixels, y + 4), (255, 255, 255))
    pen.text(
        (x, y - 6), text, (255, 255, 255), font(15), anchor="ls", stroke_width=2, stroke_fill=0
    )


def _entry(subject: Subject, width: int) -> tuple[list[str], int]:
    """Lines of an object's name, and the height of its row in the legend."""
    lines = wrapped(subject.name, font(18), _name_room(width), 2)
    return lines, 18 + 24 * max(1, len(lines))


def _name_room(width: int) -> int:
    return round((width - 2 * _MARGIN) * 0.5) - 40


def _legend_row(
    pen: ImageDraw,
    subject: Subject,
    present: np.ndarray,
    lines: list[str],
    y: int,
    width: int,
    shown: list[int],
) -> None:
    """A chip in the object's colour, its name, and a bar of the frames it is on."""
    color = color_of(subject.object_id)
    pen.rounded_rectangle(
        (_MARGIN, y + 2, _MARGIN + 20, y + 22), 5, faded(color, 0.55, _GROUND), color, 3
    )
    for i, line in enumerate(lines):
        pen.text((_MARGIN + 34, y + 24 * i), line, _TEXT, font(18))
    count = int(present.sum())
    said = f"on {count} of {present.size}" if count else "not found"
    x0 = _MARGIN + round((width - 2 * _MARGIN) * 0.5)
    x1 = width - _MARGIN - 130
    pen.rounded_rectangle((x0, y + 6, x1, y + 18), 3, _TRACK)
    edges = np.linspace(x0, x1, present.size + 1).round().astype(int).tolist()
    for t in np.flatnonzero(present).tolist():
        pen.rectangle((edges[t], y + 6, max(edges[t], edges[t + 1] - 1), y + 18), color)
    for t in shown:  # ticks where the frames above were taken
        middle = (edges[t] + edges[t + 1]) // 2
        pen.line((middle, y + 21, middle, y + 24), _QUIET)
    pen.text((width - _MARGIN, y + 2), said, _QUIET, font(16), anchor="ra")
