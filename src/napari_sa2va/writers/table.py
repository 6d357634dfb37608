"""Measurements as a CSV file, for spreadsheets and statistics."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from napari_sa2va.analysis.measure import Measurements, measure_all
from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.paths import replacing

if TYPE_CHECKING:
    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="table",
    title="CSV (table of measurements)",
    suffixes=(".csv",),
    keeps="a row per object and frame: index (the id of the object), name, time, area, place, box, "
    "intensity of each channel, speed, elongation, score, with units in the names of the columns; no "
    "masks",
    read_back_by="pandas",
    overlaps=True,
)


def write(path: Path, result: Result) -> tuple[str, ...]:
    """Measure and write frame by frame; the columns are those of `analysis.measure`."""
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        for t, table in enumerate(tables_of(result)):
            _append(file, table, with_names=t == 0)
    return not_measured(result)


def tables_of(result: Result) -> Iterator[Measurements]:
    """The measurements of each frame, also of those without a row: all have the same columns.

    Without the pixels of the movie there are none of intensities.

    Raises
    ------
    ClipError
        If a frame of the movie cannot be read.
    """
    names = {subject.object_id: subject.name for subject in result.subjects}
    channels = None if result.clip.has_pixels else ()
    return measure_all(result.clip, names, result.frame, channels=channels)


def not_measured(result: Result) -> tuple[str, ...]:
    """What such a table lacks, in full sentences."""
    if result.clip.has_pixels:
        return ()
    return ("The movie is not at hand, so intensities were not measured.",)


def write_csv(
    path: str | PathLike[str], measurements: Measurements, overwrite: bool = False
) -> None:
    """Write a table with one line of column names, UTF-8, fields separated by commas.

    Parameters
    ----------
    path : path
    measurements : mapping of str to ndarray, shape (N,)
        Columns in their order. Numbers are written so that reading gives the same ones back, with
        a point; NaN is an empty field.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    OutputError
        If the path cannot be written, or there is nothing to write.
    """
    if not measurements:
        raise OutputError("There are no measurements to write.", "Measure something first.")
    with (
        replacing(path, overwrite) as temporary,
        temporary.open("w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        _append(file, measurements, with_names=True)


def _append(file: TextIO, table: Mapping[str, np.ndarray], *, with_names: bool) -> None:
    lines = csv.writer(file, lineterminator="\n")
    if with_names:
        lines.writerow(table)
    columns = [np.asarray(values).tolist() for values in table.values()]
    lines.writerows([_field(value) for value in row] for row in zip(*columns, strict=True))


def _field(value: object) -> object:
    return "" if isinstance(value, float) and math.isnan(value) else value
