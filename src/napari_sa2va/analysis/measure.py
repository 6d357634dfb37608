"""A table of measurements: one row per object and frame on which it is present.

The table is a plain dict of columns, as layer features and data frames take it. Columns carry their
units in their names; those in um or s are there only where the clip knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_sa2va.analysis.checks import check_frames, check_masklets, shape_of
from napari_sa2va.analysis.shape import Shapes, cut_out, elongation, shapes_of
from napari_sa2va.analysis.ways import Followed, There, Way
from napari_sa2va.core.errors import RequestError, ShapeMismatch

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.masklet import Masklet
    from napari_sa2va.core.rle import Rle

Measurements = dict[str, np.ndarray]
"""Column name -> values, all of one length: see `measure`."""

_BOX = ("bbox_y0_px", "bbox_x0_px", "bbox_y1_px", "bbox_x1_px")
INTENSITY = "mean_intensity"
"""Column of a grey clip; of several channels, each column is this, "_" and the channel's name."""


def measure(
    clip: Clip,
    masklets: Sequence[Masklet],
    frames: Iterable[int] | None = None,
    *,
    channels: Sequence[int] | None = None,
) -> Generator[Measurements, None, None]:
    """Measure objects frame by frame; closing the generator is how to stop it.

    Parameters
    ----------
    clip : Clip
        Gives the intensities, the pixel size and the frame interval. A frame is read once, when its
        turn comes, and only if an object is present on it.
    masklets : sequence of Masklet
        Taken as they are at the call: what changes afterwards is not seen.
    frames : iterable of int, optional
        Frames to measure, in rising order whatever the order given; by default all.
    channels : sequence of int, optional
        Positions among the clip's channels of which to measure the intensity; by default all. With
        none, no frame is read.

    Yields
    ------
    Measurements
        The table of one frame, rows in the order of the masklets; without a row where no object is
        present. `collect` joins such tables.

    Raises
    ------
    RequestError
        At the call: two objects share an id, or there is no such frame or channel.
    ShapeMismatch
        At the call: the masklets are not of this clip.
    ClipError
        On the way: a frame cannot be read.

    Notes
    -----
    An object has no row on a frame where it is absent or nothing is known of it. The columns:

    ============================= ===============================================================
    index                         object id, from 1
    name                          what the object is called
    frame, time_s                 frame index from 0; its time, the first frame's being 0
    area_px, area_um2             number of pixels; the area they cover
    centroid_y_px, ..., _x_um     mean position; the centre of the upper left pixel is (0, 0)
    bbox_y0_px, ..., bbox_x1_px   first row and column, and those after the last
    mean_intensity                of the clip's own values, not of those shown; NaN if one is NaN
    speed_px_frame                way of the centroid from the last frame before on which the
                                  object was present, measured or not, by the frames in between;
                                  NaN on its first
    speed_um_s                    the same in um by s (speed_um_frame where no time is known)
    elongation                    long by short axis of the ellipse with the same second moments, in
                                  um if known: see `shape.elongation`
    score                         how sure the model was, in [0, 1]; NaN where unknown
    ============================= ===============================================================
    """
    check_masklets(masklets)
    expected = (clip.num_frames, clip.height, clip.width)
    for masklet in masklets:
        if shape_of(masklet) != expected:
            raise ShapeMismatch(
                f"Object {masklet.object_id} has the shape {shape_of(masklet)} (T, Y, X), "
                f"the clip {expected}.",
                "Measure a result on the clip it was made from.",
            )
    chosen = range(clip.num_frames) if frames is None else check_frames(frames, clip.num_frames)
    intensities = _intensity_columns(clip, channels)
    return _tables(clip, [Followed(m) for m in masklets], chosen, intensities)


def collect(tables: Iterable[Measurements]) -> Measurements:
    """Join tables with the same columns, one after the other; a dict without columns if there is none.

    Raises
    ------
    RequestError
        If the tables differ in their columns.
    """
    parts = list(tables)
    if not parts:
        return {}
    for part in parts:
        if list(part) != list(parts[0]):
            raise RequestError(
                f"Tables with the columns {list(parts[0])} and {list(part)} cannot be joined.",
                "Join tables of the same clip.",
            )
    return {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}


class Shown(Protocol):
    """What is on a frame: masks that have a pixel, and how sure the model was, by object id."""

    @property
    def codes(self) -> Mapping[int, Rle]:
        """Masks."""

    @property
    def scores(self) -> Mapping[int, float]:
        """In [0, 1]; NaN, or left out, where it is not known."""


def measure_all(
    clip: Clip,
    names: Mapping[int, str],
    frame: Callable[[int], Shown],
    *,
    channels: Sequence[int] | None = None,
) -> Generator[Measurements, None, None]:
    """Measure what is on each frame, where masks are had one frame at a time.

    Parameters
    ----------
    clip : Clip
        Read as by `measure`.
    names : mapping of int to str
        By object id, of all objects.
    frame : callable
        From a frame index to what is shown there; called once for each, in rising order.
    channels : sequence of int, optional
        As for `measure`.

    Yields
    ------
    Measurements
        The tables that `measure` gives of the same masks.

    Raises
    ------
    ClipError
        If a frame cannot be read.
    """
    intensities = _intensity_columns(clip, channels)
    ways = {object_id: Way(object_id, name) for object_id, name in names.items()}
    for t in range(clip.num_frames):
        shown = frame(t)
        there = [
            There(ways[i], code, shown.scores.get(i, np.nan)) for i, code in shown.codes.items()
        ]
        yield _table(clip, t, there, intensities)


def _tables(
    clip: Clip, objects: Sequence[Followed], frames: Iterable[int], intensities: dict[str, int]
) -> Generator[Measurements, None, None]:
    for t in frames:
        there = [found for one in objects if (found := one.on(t)) is not None]
        yield _table(clip, t, there, intensities)


def _table(clip: Clip, t: int, there: Sequence[There], intensities: dict[str, int]) -> Measurements:
    ways, codes = [one.way for one in there], [one.code for one in there]
    shapes = shapes_of(codes, clip.height, clip.width)
    table: Measurements = {
        "index": np.array([way.object_id for way in ways], np.int64),
        "name": np.array([way.name for way in ways], np.str_),
        "frame": np.full(len(there), t, np.int64),
    }
    if clip.frame_interval_s is not None:
        table["time_s"] = np.full(len(there), t * clip.frame_interval_s)
    table |= _places(shapes, clip.pixel_size_um)
    table |= _intensities(clip, t, codes, shapes, intensities)
    table |= _speeds(clip, t, ways, shapes)
    size = clip.pixel_size_um or (1.0, 1.0)
    table["elongation"] = elongation(shapes.covariance_yx_px2, size)
    table["score"] = np.array([one.score for one in there], float)
    return table


def _places(shapes: Shapes, pixel_size_um: tuple[float, float] | None) -> Measurements:
    centroid = shapes.centroid_yx_px
    places: Measurements = {"area_px": shapes.area_px}
    if pixel_size_um is not None:
        places["area_um2"] = shapes.area_px * (pixel_size_um[0] * pixel_size_um[1])
    places |= {"centroid_y_px": centroid[:, 0], "centroid_x_px": centroid[:, 1]}
    if pixel_size_um is not None:
        y_um, x_um = (centroid * pixel_size_um).T
        places |= {"centroid_y_um": y_um, "centroid_x_um": x_um}
    return places | dict(zip(_BOX, shapes.box_px.T, strict=True))


def _intensities(
    clip: Clip, t: int, codes: Sequence[Rle], shapes: Shapes, columns: dict[str, int]
) -> Measurements:
    means = np.empty((len(codes), clip.num_channels))
    if len(codes) and columns:
        frame = clip.frame(t).reshape(clip.height, clip.width, clip.num_channels)
        for place, code in enumerate(codes):
            y0, x0, y1, x1 = shapes.box_px[place].tolist()
            inside = cut_out(code, (y0, x0, y1, x1))
            means[place] = frame[y0:y1, x0:x1][inside].mean(axis=0, dtype=np.float64)
    return {column: means[:, channel] for column, channel in columns.items()}


def _speeds(clip: Clip, t: int, ways: Sequence[Way], shapes: Shapes) -> Measurements:
    moves = [
        way.move(t, centroid) for way, centroid in zip(ways, shapes.centroid_yx_px, strict=True)
    ]
    elapsed = np.array([frames for frames, _ in moves], float)
    way_px = np.array([way for _, way in moves]).reshape(-1, 2)
    speeds = {"speed_px_frame": np.hypot(*way_px.T) / elapsed}
    if clip.pixel_size_um is not None:
        way_um = np.hypot(*(way_px * clip.pixel_size_um).T)
        if clip.frame_interval_s is not None:
            speeds["speed_um_s"] = way_um / (elapsed * clip.frame_interval_s)
        else:
            speeds["speed_um_frame"] = way_um / elapsed
    return speeds


def _intensity_columns(clip: Clip, channels: Sequence[int] | None) -> dict[str, int]:
    """Column -> position among the clip's channels."""
    number = clip.num_channels
    chosen = range(number) if channels is None else [int(c) for c in channels]
    for channel in chosen:
        if not 0 <= channel < number:
            raise RequestError(
                f"There is no channel {channel} in a clip of {number}.",
                f"Choose channels from 0 to {number - 1}.",
            )
    if number == 1:
        return {INTENSITY: 0} if len(chosen) else {}
    # Names that are missing or stand for two channels would hide a column: then it is numbered.
    names = clip.channel_names
    clear = len(names) == number and all(names) and len(set(names)) == number
    return {f"{INTENSITY}_{names[c] if clear else c}": c for c in chosen}
