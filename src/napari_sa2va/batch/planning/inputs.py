"""What people name on a command line, or drop into a window, as rows: one movie each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.folder_of_movies import (
    is_one_movie,
    is_store,
    movies_in,
    reader_of_file,
)
from napari_sa2va.batch.planning.pattern import is_pattern, matching
from napari_sa2va.batch.planning.positions import positions_of
from napari_sa2va.batch.planning.row import Row, absolute, is_missing, listed
from napari_sa2va.batch.planning.sheet import is_sheet, read_sheet
from napari_sa2va.core.errors import ClipError, RequestError
from napari_sa2va.readers.open import is_url, reader_of
from napari_sa2va.readers.opening import OpenArguments

AS_IT_IS = OpenArguments()


@dataclass(frozen=True)
class Rows:
    """The movies that were asked for.

    Attributes
    ----------
    rows : tuple of Row
        In the order in which they were named; each movie once.
    notes : tuple of str
        What was left out, in full sentences.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def rows_of(
    inputs: Sequence[str],
    *,
    arguments: OpenArguments = AS_IT_IS,
    recursive: bool = False,
    every_series: bool = False,
    leave_out: Collection[str] = (),
) -> Rows:
    """Find all movies that some texts name, field by field of plates.

    Parameters
    ----------
    inputs, arguments, recursive, leave_out
        See `movies_of`.
    every_series : bool
        Whether a file with several series or positions is as many movies; such files are opened.
        Without it they stay one row, and it is found when they are looked at.

    Raises
    ------
    RequestError
        See `movies_of`.
    """
    found = movies_of(inputs, arguments=arguments, recursive=recursive, leave_out=leave_out)
    parts = (part for row in found.rows for part in positions_of(row, every_series=every_series))
    return Rows(_each_once(parts), found.notes)


def movies_of(
    inputs: Sequence[str],
    *,
    arguments: OpenArguments = AS_IT_IS,
    recursive: bool = False,
    leave_out: Collection[str] = (),
    coming: bool = False,
) -> Rows:
    """Find all files, and folders that are one movie, that some texts name; opens next to none.

    Parameters
    ----------
    inputs : sequence of str
        Each is a file; a folder that is a movie; a folder of movies; a pattern such as
        "day*/**/*.tif", every match of which is a movie; an address; or a table of movies (.csv,
        .tsv, .parquet; see `sheet`), whose paths may be any of these but a table.
    arguments : OpenArguments
        How movies are opened, as far as a table does not say it.
    recursive : bool
        Whether to look for movies in all folders below those that are named.
    leave_out : collection of str
        Absolute paths, as of earlier results, that are not taken unless they are named themselves.
    coming : bool
        Whether movies may still come: what is not there is left out, and a folder that is named is
        one of movies, whatever is in it so far.

    Raises
    ------
    RequestError
        If something is not there, is of no known format or holds no movie, or a table makes no sense.
        What a table names is a movie all the same; when they are looked at, it is told.
    """
    named = [_opened(row, arguments) for text in inputs for row in _named(text)]
    if not named:
        raise RequestError("No input was given.", "Name files, folders, patterns or tables.")
    absent = [row for row in named if is_missing(row.path) and (coming or not row.place)]
    if absent and not coming:
        raise RequestError(
            f"There is no {listed([row.path for row in absent])}.", "Check the spelling."
        )
    unknown = [] if coming else [r.path for r in named if not r.place and _is_unknown(r.path)]
    if unknown:
        raise RequestError(
            f"No format is known of {listed(unknown)}.",
            "Name the movies only (`napari-sa2va formats` lists what is read).",
        )
    search = _Search(recursive, leave_out, coming, [])
    rows = _each_once(search.expanded(row for row in named if row not in absent))
    return Rows(rows, tuple(dict.fromkeys(search.notes)))


def _each_once(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Two inputs may name one movie: a folder, and a pattern of files in it."""
    return tuple({_asked(row): row for row in rows}.values())


def _named(text: str) -> Iterable[Row]:
    if not text.strip():
        raise RequestError("An input is an empty text.", "Name a file or a folder.")
    path = absolute(text)
    return read_sheet(Path(path)) if is_sheet(path) and not is_pattern(path) else [Row(path)]


def _opened(row: Row, arguments: OpenArguments) -> Row:
    own = row.arguments.as_keywords()
    return replace(row, arguments=OpenArguments(**(arguments.as_keywords() | own)))


def _asked(row: Row) -> tuple[object, ...]:
    """What makes two rows the same one: everything but where they were asked for."""
    return (
        row.path, row.name, row.arguments.model_dump_json(), row.sentences, row.preset,
        tuple(sorted(row.values.items())), row.outputs, row.kind,
        tuple(sorted(row.annotations.items())),
    )  # fmt: skip


def _is_unknown(path: str) -> bool:
    """Whether a path is one of a file that no reader knows."""
    file = Path(path)
    if is_url(path) or not file.is_file() or reader_of_file(file) is not None:
        return False
    try:
        reader_of(file)
    except ClipError:
        return True
    return False


@dataclass(frozen=True)
class _Search:
    recursive: bool
    leave_out: Collection[str]
    coming: bool
    notes: list[str]

    def expanded(self, rows: Iterable[Row]) -> Iterator[Row]:
        """All movies that rows stand for; each has what was said of its row."""
        for row in rows:
            try:
                paths = self._paths(row)
            except RequestError as error:
                if not row.place:
                    raise
                raise RequestError(f"{row.place}: {error.message}", error.hint) from None
            yield from (replace(row, path=path) for path in paths)

    def _paths(self, row: Row) -> list[str]:
        if is_pattern(row.path):
            return self._matches(row.path)
        if is_url(row.path) or not Path(row.path).is_dir():
            return [row.path]
        folder = Path(row.path)
        if BatchFolder.is_one(folder):
            raise RequestError(
                f"{folder} is a batch, and no movie.",
                "Name it alone to go on with it (--into adds to it).",
            )
        # A series, or a video of a folder of videos, was chosen by a person.
        if row.arguments.series is not None:
            return [row.path]
        is_one = is_store(folder) if self.coming else is_one_movie(folder, self.leave_out)
        return [row.path] if is_one else self._in_folder(folder)

    def _in_folder(self, folder: Path) -> list[str]:
        found = movies_in(folder, recursive=self.recursive, leave_out=self.leave_out)
        self.notes.extend(found.notes)
        if not (found.paths or self.coming):
            deeper = "" if self.recursive else "; --recursive looks into the folders in it"
            left = f" {' '.join(found.notes)}" if found.notes else ""
            raise RequestError(
                f"{folder} holds no movie that can be read.{left}",
                "Name the movies, or another folder (`napari-sa2va formats` lists what is "
                f"read{deeper}).",
            )
        return [str(path) for path in found.paths]

    def _matches(self, pattern: str) -> list[str]:
        found = matching(pattern, recursive=self.recursive, leave_out=self.leave_out)
        self.notes.extend(found.notes)
        if not (found.paths or self.coming):
            left = f" {' '.join(found.notes)}" if found.notes else ""
            raise RequestError(
                f"{pattern} names no movie that can be read.{left}",
                "Check the spelling (`napari-sa2va formats` lists what is read; patterns stand in "
                "quotation marks).",
            )
        return [str(path) for path in found.paths]
