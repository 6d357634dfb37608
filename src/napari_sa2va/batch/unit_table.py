"""``objects.csv`` of one unit: a row per object and frame."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.analysis.measure import INTENSITY, Measurements, measure_all
from napari_sa2va.batch.found import Found
from napari_sa2va.batch.journal import FrameCodes
from napari_sa2va.writers.paths import Ready, replacing

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.writers.result import Shown

Row = dict[str, str | float | None]
"""By column; None where there is nothing to say."""

# As `analysis.measure` calls them, in our order; intensities follow.
_MEASURED = (
    "area_px", "area_um2", "centroid_y_px", "centroid_x_px", "centroid_y_um", "centroid_x_um"
)  # fmt: skip


def write_objects(path: Path, found: Found, clip: Clip, ready: Ready) -> None:
    """Write the table, of all frames of which something is known; for `ready` see `Ready`.

    Raises
    ------
    ClipError
        If a frame of the movie cannot be read.
    OutputError
        If the file cannot be written.
    """
    with (
        replacing(path, overwrite=True, ready=ready) as new,
        new.open("w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        lines = csv.writer(file, lineterminator="\n")
        for number, row in enumerate(rows_of(found, clip)):
            if number == 0:
                lines.writerow(row)
            lines.writerow("" if value is None else value for value in row.values())


def rows_of(found: Found, clip: Clip) -> Iterator[Row]:
    """The rows of the table: frame by frame, objects by id.

    An object has a row on each frame that is done, also where it is absent; one that the model did
    not find is absent on all frames. All rows have the same columns:

    ============================= ===============================================================
    object, name, sentence        id from 1; what it is called; the sentence that asked for it
    frame, time_s                 frame index from 0; its time, where the clip knows it
    area_px, area_um2             number of pixels, 0 where it is absent; the area they cover
    centroid_y_px, ..., _x_um     mean position; the centre of the upper left pixel is (0, 0)
    mean_intensity                of the clip's own values, one column per channel
    score                         how sure the model was that it is there, in [0, 1]
    present                       1 if it has a pixel, else 0
    ============================= ===============================================================

    Raises
    ------
    ClipError
        If a frame of the movie cannot be read; each is read once at most.
    """
    drawn = FrameCodes({}, {})

    def frame(f: int) -> Shown:
        nonlocal drawn
        drawn = found.on(f)
        return drawn.shown

    names = {subject.object_id: subject.name for subject in found.subjects}
    for f, table in enumerate(measure_all(clip, names, frame)):
        measured = {int(i): at for at, i in enumerate(table["index"])}
        for subject in found.subjects:
            i = subject.object_id
            if not found.is_known(i, f):
                continue
            row: Row = {"object": i, "name": subject.name, "sentence": subject.text, "frame": f}
            if clip.frame_interval_s is not None:
                row["time_s"] = f * clip.frame_interval_s
            row |= _measured(table, measured.get(i))
            row |= {"score": drawn.scores.get(i, 0.0), "present": int(i in measured)}
            yield row


def _measured(table: Measurements, at: int | None) -> Mapping[str, float | None]:
    columns = [c for c in _MEASURED if c in table]
    columns += [c for c in table if c.startswith(INTENSITY)]
    if at is None:
        return {c: 0 if c.startswith("area") else None for c in columns}
    values = {c: table[c][at].item() for c in columns}
    return {c: None if np.isnan(value) else value for c, value in values.items()}
