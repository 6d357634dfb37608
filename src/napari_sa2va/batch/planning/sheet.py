r"""A table of movies: a row per movie, a column per thing that can be said of it.

=====================  =============================================================================
``path``               the movie, from the folder of the table; the only column that must be there
``name``               what people call it
``label``              what results call it, if two may have one name; see `labels`
``series``, ``axes``   and ``time``, ``z``, ``channels``, ``limits``, ``colors``, ``box``: as the
                       flags of `segment`; ``position`` is another word for ``series``. Also
                       ``growing`` and ``rgb``: yes or no
``prompts``            sentences, separated by ``|``; ``\|`` is a ``|`` within one
``output``             names, or patterns of names, of what is written, separated in the same way
``format``             of names whose endings do not say it
``preset``             and every other flag of the settings, without its dashes: ``model``,
                       ``sampling``, ``num-key-frames``, ``hide-absent``, ...
``meta.*``             whatever is to stand in the results
=====================  =============================================================================

An empty cell says nothing. Rows are counted as a spreadsheet does: the names of columns are row 1.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from napari_sa2va.batch.planning.cell import cell_of, texts_in
from napari_sa2va.batch.planning.row import Row, absolute, is_missing, listed, sentences_of
from napari_sa2va.batch.spreadsheet import separator_of
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.extras import need
from napari_sa2va.presets import preset
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings_fields import settings_fields
from napari_sa2va.writers.write import writer_of

ENDINGS = (".csv", ".tsv", ".parquet")
META = "meta."
_OPENING = (
    "series", "axes", "time", "z", "channels", "limits", "colors", "box", "growing", "rgb",
)  # fmt: skip
_SAME_AS = {"position": "series"}
_OWN = ("path", "name", "label", "prompts", "output", "format", "preset")
# In these, a list of a typed table is several texts.
_SEVERAL = ("prompts", "output")
_MOST_NAMED = 20
# How much alike, from 0 to 1, a name and one that is known must be for that one to be meant.
_LIKE = 0.7
# Under Excel's first line that says what stands between cells there are the names of the columns.
_BETWEEN_CELLS = re.compile(r'"?sep=([,;|\t])"?[\r\n]', re.IGNORECASE)
# What pandas calls rows that have no name of their own.
_ROW_NAMES = re.compile(r"__index_level_\d+__")

_Cells = dict[str, str]


def is_sheet(path: str) -> bool:
    """Whether a name says that this is a table of movies."""
    return path.lower().endswith(ENDINGS)


def columns() -> tuple[str, ...]:
    """The names of all columns but those of ``meta.*``."""
    return (*_OWN, *_OPENING, *_SAME_AS, *(field.name for field in settings_fields()))


def read_sheet(path: Path) -> list[Row]:
    """Read a table of movies.

    Parameters
    ----------
    path : Path
        CSV or TSV, with commas, semicolons or tabs, or Parquet. Text is UTF-8.

    Returns
    -------
    list of Row
        Rows without any text are left out. Whether the files are there is not asked.

    Raises
    ------
    RequestError
        If the table cannot be read, or makes no sense: it names all rows and columns that do not.
    MissingPackage
        For a Parquet file, if pyarrow is not installed.
    """
    try:
        table = list(_parquet(path) if path.suffix.lower() == ".parquet" else _text(path))
    except OSError as error:
        raise RequestError(
            f"The table {path} cannot be read ({error.strerror or error})."
        ) from None
    rows: list[Row] = []
    wrong: list[str] = []
    for number, cells in table:
        if not cells:
            continue
        row, errors = _row(cells, path, f"row {number} of {path.name}")
        rows += [row] if row is not None else []
        wrong += [f"row {number}{error}" for error in errors]
    if wrong:
        shown = "\n  ".join(wrong[:_MOST_NAMED])
        more = f"\n  ... and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise RequestError(
            f"{len(wrong)} {'cell' if len(wrong) == 1 else 'cells'} of {path} cannot be used:\n"
            f"  {shown}{more}\n{_also_wrong(table, path.parent)}",
            "Correct the table and try again; nothing was begun.",
        )
    if not rows:
        raise RequestError(f"{path} has no rows.", "Write one row per movie below the columns.")
    return rows


def _also_wrong(table: Iterable[tuple[int, _Cells]], folder: Path) -> str:
    """What else has to be mended in a table that has to be corrected anyway."""
    missing: list[str] = []
    silent: list[str] = []
    for number, cells in table:
        if "path" in cells and is_missing(path := absolute(cells["path"], folder)):
            missing.append(f"{path} (row {number})")
        if cells and "prompts" not in cells:
            silent.append(f"row {number}")
    said = f"  There is no {listed(missing)}.\n" if missing else ""
    if silent:
        said += f"  No sentence stands in {listed(silent)}; one for all movies may be given (-p).\n"
    return said


def _row(cells: _Cells, table: Path, place: str) -> tuple[Row | None, list[str]]:
    """A row, or what is wrong with it, each with its column before it."""
    errors: list[str] = []

    def parsed(column: str, parse: Callable[[str], Any], missing: Any) -> Any:
        if column not in cells:
            return missing
        try:
            return parse(cells[column])
        except RequestError as error:
            errors.append(f", column {column}: {error}")
            return missing

    if "path" not in cells:
        errors.append(", column path: it is empty. Name a file, or leave the whole row empty.")
    for other, usual in _SAME_AS.items():
        if other in cells and usual in cells:
            errors.append(f": there is a {usual} ({cells[usual]!r}) and a {other} "
                          f"({cells[other]!r}), which are the same thing. Write one of them.")  # fmt: skip
    arguments: dict[str, Any] = {}
    for column in (*_OPENING, *_SAME_AS):
        argument = _SAME_AS.get(column, column)
        opened = parsed(column, partial(_argument, argument), None)
        arguments |= {} if opened is None else opened.as_keywords()
    values = {
        field.path: value
        for field in settings_fields()
        if (value := parsed(field.name, field.value_of, None)) is not None
    }
    chosen = parsed("preset", lambda text: preset(text).preset, "")
    sentences = parsed("prompts", lambda text: sentences_of(texts_in(text)), None)
    kind = parsed("format", lambda text: writer_of(Path(), text).FORMAT.kind, "")
    if errors:
        return None, errors
    row = Row(
        absolute(cells["path"], table.parent),
        name=cells.get("name", ""),
        arguments=OpenArguments(**arguments),
        sentences=sentences,
        preset=chosen,
        values=values,
        outputs=texts_in(cells["output"]) if "output" in cells else (),
        kind=kind,
        annotations={name: text for name, text in cells.items() if name.startswith(META)},
        place=place,
        label=cells.get("label", ""),
    )
    return row, []


def _argument(name: str, text: str) -> OpenArguments:
    return OpenArguments.from_texts({name: text})


def _text(path: Path) -> Iterator[tuple[int, _Cells]]:
    """Rows of a CSV or TSV file, counted from 2."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}.",
            'Save it anew; in Excel, as "CSV UTF-8".',
        ) from None
    said = _BETWEEN_CELLS.match(text)
    between = said[1] if said else _between_cells(text.partition("\n")[0], path.suffix.lower())
    lines = csv.reader(StringIO(text, newline=""), delimiter=between, strict=True)
    try:
        if said:
            next(lines)
        names = _checked(path, next(lines, []))
        for number, cells in enumerate(lines, start=2):
            if len(cells) > len(names) and any(cells[len(names) :]):
                raise RequestError(
                    f"Row {number} of {path} has {len(cells)} cells, and there are {len(names)} "
                    "columns.",
                    f'Put a text with {between!r} in it between quotation marks: "...".',
                )
            yield number, _given(zip(names, cells, strict=False))
    except csv.Error as error:
        raise RequestError(
            f"Line {lines.line_num} of {path} is no line of a table ({error}).",
            'A quotation mark within a text is written twice: "".',
        ) from None


def _between_cells(head: str, suffix: str) -> str:
    """What stands most often between the names of columns; of a .tsv, tabs if there are any."""
    if suffix == ".tsv" and ("\t" in head or not set(",;") & set(head)):
        return "\t"
    return separator_of(head)


def _parquet(path: Path) -> Iterator[tuple[int, _Cells]]:
    """Rows of a Parquet file, counted from 2 as if it were a spreadsheet."""
    purpose = "read a table of movies from a Parquet file"
    arrow = need("pyarrow", "parquet", purpose)
    parquet = need("pyarrow.parquet", "parquet", purpose)
    try:
        with parquet.ParquetFile(path) as file:
            names = _checked(path, [_ROW_NAMES.sub("", n) for n in file.schema_arrow.names])
            number = 1
            for batch in file.iter_batches():
                for record in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                    number += 1
                    texts = map(_as_text, names, record)
                    yield number, _given(zip(names, texts, strict=True))
    # Of damaged texts, dates and footers pyarrow raises what Python says of them.
    except (arrow.ArrowException, ValueError, OverflowError) as error:
        raise RequestError(
            f"{path} cannot be read as a Parquet file: {error}", "Is it complete?"
        ) from None


def _as_text(column: str, value: object) -> str:
    """A cell of a typed table as a person would write it."""
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with a gap
    if isinstance(value, list):
        texts = [_as_text(column, item) for item in value]
        return cell_of(texts) if column in _SEVERAL else ",".join(texts)
    return str(value)


def _given(cells: Iterable[tuple[str, str]]) -> _Cells:
    return {name: text.strip() for name, text in cells if name and text.strip()}


def _checked(path: Path, names: Sequence[str]) -> list[str]:
    """The names of columns, spelled as they are known here; a column without a name is left out."""
    known = columns()
    spelled, wrong = [], []
    for given in map(str.strip, names):
        plain = given.lower().replace("_", "-").replace(" ", "-")
        if given.lower().startswith(META) and len(given) > len(META):
            spelled.append(META + given[len(META) :])
        elif plain in known or not given:
            spelled.append(plain)
        else:
            wrong.append(f"{given!r}{_nearest(plain, known)}")
    has, hints = [], []
    if "path" not in spelled:
        there = ", ".join(name for name in map(str.strip, names) if name)
        has.append(f"no column path; it has {there or 'none'}")
        hints.append("The first line names the columns, and path names the movies.")
    if wrong:
        has.append(f"columns that are not known: {', '.join(wrong)}")
        hints.append(
            f"What is only to stand in the results is called {META}something. There are "
            f"{', '.join(known)}."
        )
    if twice := {name for name in spelled if name and spelled.count(name) > 1}:
        has.append(f"several columns {', '.join(sorted(twice))}")
        hints.append("Leave one.")
    if has:
        raise RequestError(f"{path} has {'; and '.join(has)}.", " ".join(hints))
    return spelled


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=_LIKE)
    return f" (is {near[0]!r} meant?)" if near else ""
