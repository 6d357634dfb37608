"""The lines of verdicts.csv, which people and spreadsheets may write as well."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

from napari_sa2va.batch.spreadsheet import cell, plain, separator_of
from napari_sa2va.core.errors import BatchError
from napari_sa2va.writers.paths import replacing

MEND = "Mend it, or put it away; verdicts are then given anew."
"""What to do about a file that makes no sense."""


def lines_of(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the columns, and the lines by them; nothing of a file that is not there.

    Raises
    ------
    BatchError
        If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [], []
    except (OSError, UnicodeDecodeError) as error:
        raise BatchError(f"{path} cannot be read ({error}).", MEND) from error
    between = separator_of(text.partition("\n")[0])
    lines = csv.reader(StringIO(text, newline=""), delimiter=between)
    try:
        names = next(lines, [])
        return names, [dict(zip(names, map(plain, line), strict=False)) for line in lines if line]
    except csv.Error as error:
        raise BatchError(f"{path} cannot be read ({error}).", MEND) from error


def put_line(path: Path, said: Mapping[str, str]) -> None:
    """Write the line of a unit anew, or add it at the end; columns of others stay.

    Parameters
    ----------
    path : Path
    said : mapping of str to str
        Cells by column, "unit" among them.

    Raises
    ------
    BatchError
        If the file cannot be read.
    OutputError
        If it cannot be written.
    """
    names, lines = lines_of(path)
    known = {line.get("unit", ""): line for line in lines}
    known[said["unit"]] = known.get(said["unit"], {}) | dict(said)
    text = _table([*names, *(name for name in said if name not in names)], known.values())
    with replacing(path, overwrite=True) as new:
        new.write_bytes(text.encode(errors="replace"))


def _table(columns: list[str], lines: Iterable[Mapping[str, str]]) -> str:
    file = StringIO(newline="")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(columns)
    table.writerows([cell(line.get(name, "")) for name in columns] for line in lines)
    return file.getvalue()
