"""Measurements as a Parquet file: the table of `writers.table`, for large ones and for data frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.analysis.measure import Measurements, collect
from napari_sa2va.core.extras import need
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.table import FORMAT as CSV
from napari_sa2va.writers.table import not_measured, tables_of

if TYPE_CHECKING:
    import pyarrow

    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="parquet",
    title="Parquet (table of measurements)",
    suffixes=(".parquet",),
    keeps=CSV.keeps,
    read_back_by="pyarrow and pandas",
    overlaps=True,
    extra="parquet",
    packages=("pyarrow.parquet",),
)
_ROWS = 65_536
"""At least so many rows are in each row group but the last: fewer would be slow to read."""


def write(path: Path, result: Result) -> tuple[str, ...]:
    """Measure frame by frame; rows are written when there are enough for a row group.

    Notes
    -----
    Ids and pixel counts are int64, measures float64, names strings. What is not known is null.
    """
    parquet = need("pyarrow.parquet", FORMAT.extra, "write Parquet files")
    tables = tables_of(result)
    first = next(tables)  # a clip has at least one frame
    with parquet.ParquetWriter(path, _arrow(first).schema) as file:
        for group in _groups(chain((first,), tables)):
            file.write_table(_arrow(group))
    return not_measured(result)


def _groups(tables: Iterable[Measurements]) -> Iterator[Measurements]:
    """Tables of several frames as one, each of at least so many rows, but the last."""
    waiting: list[Measurements] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += len(table["index"])
        if rows >= _ROWS:
            yield collect(waiting)
            waiting, rows = [], 0
    if waiting:
        yield collect(waiting)


def _arrow(table: Measurements) -> pyarrow.Table:
    arrow = need("pyarrow", FORMAT.extra, "write Parquet files")
    return arrow.table(
        {
            # Said, because a column of no texts would be one of nulls.
            name: arrow.array([_text(value) for value in values.tolist()], arrow.string())
            if values.dtype.kind == "U"
            else arrow.array(values, from_pandas=True)  # NaN is null
            for name, values in table.items()
        }
    )


def _text(value: str) -> str:
    """A text as UTF-8 can hold it: half of a surrogate pair becomes a question mark."""
    return value.encode(errors="replace").decode()
