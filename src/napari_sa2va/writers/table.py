"""Measurements as a CSV file, for spreadsheets and statistics."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from os import PathLike

import numpy as np

from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers.paths import replacing


def write_csv(
    path: str | PathLike[str], measurements: Mapping[str, np.ndarray], overwrite: bool = False
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
    columns = [np.asarray(values).tolist() for values in measurements.values()]
    with (
        replacing(path, overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(measurements)
        table.writerows([_field(value) for value in row] for row in zip(*columns, strict=True))


def _field(value: object) -> object:
    return "" if isinstance(value, float) and math.isnan(value) else value
