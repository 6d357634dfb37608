"""Curves over time out of a table of measurements, and what a person calls its columns."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from napari_sa2va.analysis.measure import INTENSITY, Measurements
from napari_sa2va.core.errors import RequestError

TITLES: dict[str, str] = {
    "index": "Object",
    "name": "Name",
    "frame": "Frame",
    "time_s": "Time (s)",
    "area_px": "Area (px)",
    "area_um2": "Area (µm²)",
    "centroid_y_px": "Position y (px)",
    "centroid_x_px": "Position x (px)",
    "centroid_y_um": "Position y (µm)",
    "centroid_x_um": "Position x (µm)",
    "bbox_y0_px": "Box top (px)",
    "bbox_x0_px": "Box left (px)",
    "bbox_y1_px": "Box bottom (px)",
    "bbox_x1_px": "Box right (px)",
    INTENSITY: "Mean intensity",
    "speed_px_frame": "Speed (px/frame)",
    "speed_um_s": "Speed (µm/s)",
    "speed_um_frame": "Speed (µm/frame)",
    "elongation": "Elongation",
    "score": "Score",
}
"""Column -> title with unit; `title_of` also knows the intensities of several channels."""


def title_of(column: str) -> str:
    """What a person calls a column, with its unit.

    Raises
    ------
    RequestError
        If `measure` makes no such column.

    Examples
    --------
    >>> title_of("area_um2")
    'Area (µm²)'
    >>> title_of("mean_intensity_GFP")
    'Mean intensity, GFP'
    """
    title = TITLES.get(column)
    if title is None and column.startswith(f"{INTENSITY}_"):
        title = f"{TITLES[INTENSITY]}, {column.removeprefix(f'{INTENSITY}_')}"
    if title is None:
        raise RequestError(f"No measurement is called {column!r}.", f"There are {list(TITLES)}.")
    return title


def curve(measurements: Measurements, column: str, object_id: int, num_frames: int) -> np.ndarray:
    """One column of one object over time.

    Parameters
    ----------
    measurements : Measurements
    column : str
    object_id : int
        An object without rows has a curve without values.
    num_frames : int
        Length of the clip.

    Returns
    -------
    ndarray of float64, shape (T,)
        NaN on frames without a row.

    Raises
    ------
    RequestError
        If there is no such column, if it holds no numbers, or the table has frames that the clip
        has not.
    """
    if column not in measurements:
        raise RequestError(
            f"The table has no column {column!r}.", f"It has {', '.join(measurements) or 'none'}."
        )
    values = measurements[column]
    if values.dtype.kind not in "iuf":
        raise RequestError(f"The column {column!r} holds no numbers.", "Choose another.")
    mine = measurements["index"] == object_id
    frames = measurements["frame"][mine]
    if len(frames) and int(frames.max()) >= num_frames:
        raise RequestError(
            f"The table has frame {frames.max()}, the clip has {num_frames} frames.",
            "Take the measurements of this clip.",
        )
    line = np.full(num_frames, np.nan)
    line[frames] = values[mine]
    return line


def curves_of(
    measurements: Measurements, columns: Iterable[str], num_frames: int
) -> dict[str, dict[int, np.ndarray]]:
    """Columns of all objects as `Timeline.curves` takes them: title -> object id -> float (T,).

    Raises
    ------
    RequestError
        As `title_of` and `curve`.
    """
    ids = np.unique(measurements["index"]).tolist() if measurements else []
    return {
        title_of(column): {i: curve(measurements, column, i, num_frames) for i in ids}
        for column in columns
    }
