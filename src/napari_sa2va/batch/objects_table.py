"""The table of all objects over all movies, joined from the tables of the units.

Long format: a row per unit, object and frame. Which units finished first does not matter; the rows
are in the order of the units. Nothing but a row is in memory at a time, so a study of any length fits.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.batch.spreadsheet import cell
from napari_sa2va.batch.work_files import TABLE
from napari_sa2va.core.extras import need
from napari_sa2va.writers.paths import replacing

if TYPE_CHECKING:
    import pyarrow

    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.batch.unit import Unit

TABLE_FORMATS = ("csv", "parquet")
"""Of the table of all objects."""

_OF_UNIT = ("movie", "unit", "series")
# The order of the columns that a unit's table may have; those that are not named here (intensities of
# each channel) come between the two groups.
_FIRST = (
    "object", "name", "sentence", "frame", "time_s", "area_px", "area_um2",
    "centroid_y_px", "centroid_x_px", "centroid_y_um", "centroid_x_um",
)  # fmt: skip
_LAST = ("score", "present")
_TEXTS = frozenset({*_OF_UNIT, "name", "sentence"})
_WHOLE = frozenset({"object", "frame", "area_px", "present"})
# Each table of a unit has these.
_ALWAYS = frozenset({"object", "frame", "area_px"})
# Cells as `unit_table` writes them, each with a comma behind it; int64 has room for 18 digits.
_WHOLE_CELLS = re.compile(r"(?:(?:-?[0-9]{1,18})?,)*")
_CELLS = re.compile(r"(?:(?:-?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|inf)|nan)?,)*")
_META = "meta."
_ROWS = 16_384
"""Of a row group of a Parquet file: fewer would be slow to read, more would fill the memory."""


@dataclass(frozen=True)
class Joined:
    """What came of joining.

    Attributes
    ----------
    path : Path
        The table.
    units, rows : int
        How many are in it.
    damaged : tuple of str
        Units that are done and whose table is not whole any more, or gone.
    """

    path: Path
    units: int
    rows: int
    damaged: tuple[str, ...]


def join_objects(folder: BatchFolder) -> Joined:
    """Write the table of all objects of the units that are done, as it is now.

    Parameters
    ----------
    folder : BatchFolder
        Its head says in which format: objects.csv or objects.parquet. One that is there is replaced
        when the new one is complete.

    Returns
    -------
    Joined

    Raises
    ------
    OutputError
        If it cannot be written.
    MissingPackage
        For Parquet, if pyarrow is not installed.

    Notes
    -----
    What a movie has not (a size in um, an intensity of another's channel) is an empty cell. In a CSV
    file, texts that a spreadsheet would take for a formula are marked: see `batch.spreadsheet`.
    """
    units = folder.units()
    done = [
        units[unit_id]
        for unit_id, standing in folder.standings().items()
        if standing.state in ("done", "nothing") and units[unit_id].part is None
    ]
    tables = {unit.unit_id: folder.work_of(unit.unit_id) / TABLE for unit in done}
    heads = {unit_id: head for unit_id, path in tables.items() if (head := _head(path))}
    there = [unit for unit in done if unit.unit_id in heads]
    columns = _columns(there, heads.values())
    damaged = [unit_id for unit_id in tables if unit_id not in heads]
    rows = (row for unit in there for row in _rows(unit, tables[unit.unit_id], damaged))
    path = folder.path / f"objects.{folder.head.table_format}"
    write = _write_parquet if folder.head.table_format == "parquet" else _write_csv
    with replacing(path, overwrite=True) as new:
        number = write(new, columns, rows)
    for other in set(TABLE_FORMATS) - {folder.head.table_format}:
        # One that was written before another format was asked for would grow old.
        (folder.path / f"objects.{other}").unlink(missing_ok=True)
    return Joined(path, len(there), number, tuple(damaged))


_Row = dict[str, str]
_DAMAGES = (OSError, ValueError, csv.Error)


def _head(path: Path) -> list[str]:
    """Names of the columns of a unit's table; none if there is no table, or it is damaged there."""
    with suppress(*_DAMAGES), path.open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file), [])
        if _ALWAYS.issubset(names):
            return names
    return []


def _columns(units: Iterable[Unit], heads: Iterable[Sequence[str]]) -> list[str]:
    given = {name for head in heads for name in head}
    # In the order of the table of movies.
    said = dict.fromkeys(name for unit in units for name in unit.annotations)
    return [
        *_OF_UNIT,
        *said,
        *(name for name in _FIRST if name in given or name in _WHOLE),
        *sorted(given.difference(_FIRST, _LAST)),
        *(name for name in _LAST if name in given),
    ]


def _rows(unit: Unit, table: Path, damaged: list[str]) -> Iterator[_Row]:
    """The rows of a unit, up to the first that is none; then the unit is among the damaged ones."""
    series = unit.arguments.series
    own = {
        "movie": unit.movie,
        "unit": unit.unit_id,
        "series": "" if series is None else str(series),
        **unit.annotations,
    }
    try:
        with table.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            names = next(lines)
            whole = [at for at, name in enumerate(names) if name in _WHOLE]
            numbers = [at for at, name in enumerate(names) if name not in _WHOLE | _TEXTS]
            for line in lines:
                cells = dict(zip(names, line, strict=True))
                if not (_match(_WHOLE_CELLS, line, whole) and _match(_CELLS, line, numbers)):
                    break
                yield own | cells
            else:
                return
    except _DAMAGES:
        pass
    damaged.append(unit.unit_id)


def _match(pattern: re.Pattern[str], line: Sequence[str], places: Iterable[int]) -> bool:
    return pattern.fullmatch("".join([f"{line[at]}," for at in places])) is not None


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[_Row]) -> int:
    number = 0
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(columns)
        for row in rows:
            lines.writerow(cell(row.get(name, "")) for name in columns)
            number += 1
    return number


def _write_parquet(path: Path, columns: Sequence[str], rows: Iterable[_Row]) -> int:
    parquet = need("pyarrow.parquet", "parquet", "write Parquet files")
    number = 0
    schema = _schema(columns)
    with parquet.ParquetWriter(path, schema) as file:
        waiting = iter(rows)
        while group := list(islice(waiting, _ROWS)):
            number += len(group)
            file.write_table(_arrow(group, schema))
    return number


def _schema(columns: Sequence[str]) -> pyarrow.Schema:
    arrow = need("pyarrow", "parquet", "write Parquet files")
    types = dict.fromkeys(_TEXTS, arrow.string()) | dict.fromkeys(_WHOLE, arrow.int64())
    return arrow.schema(
        [
            (name, arrow.string() if name.startswith(_META) else types.get(name, arrow.float64()))
            for name in columns
        ]
    )


def _arrow(rows: Sequence[_Row], schema: pyarrow.Schema) -> pyarrow.Table:
    """Rows of texts as a table of values; an empty cell is null, unless the column is of texts."""
    arrow = need("pyarrow", "parquet", "write Parquet files")
    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        texts = arrow.array([row.get(name, "") for row in rows], arrow.string())
        if kind != arrow.string():
            empty = arrow.compute.equal(texts, "")
            texts = arrow.compute.if_else(empty, arrow.scalar(None, arrow.string()), texts)
        columns.append(texts.cast(kind))
    return arrow.table(columns, schema=schema)
