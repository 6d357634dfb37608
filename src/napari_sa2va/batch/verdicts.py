"""What people say of the results of a batch: accepted, to be done again, edited; or only a note.

``verdicts.csv`` lies beside the results, a line per unit, to be read by people and programs. Several
people may review at the same time; each verdict is put into the file as it is then. Columns that
somebody has added stay.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from getpass import getuser
from io import StringIO
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.spreadsheet import cell, plain
from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.file_lock import alone
from napari_sa2va.core.params import Params
from napari_sa2va.writers.paths import replacing

Word = Literal["accept", "redo", "edit"]
"""accept: it can be used. redo: it is to be done again. edit: a person has corrected the masks."""

NAME = "verdicts.csv"
EDITS = "edits"
"""Folder, in that of the batch, of the projects that hold edited masks."""


class Verdict(Params):
    """What somebody says of the result of a unit."""

    unit: str
    movie: str = ""
    verdict: Word | Literal[""] = Field("", description="Empty where there is a note only.")
    note: str = ""
    who: str = ""
    when: str = Field("", description="ISO 8601, UTC.")
    key: str = Field("", description="Of the unit that was looked at.")
    project: str = Field(
        "", description="The project that holds the edited masks, if any, from the batch folder."
    )

    def is_about(self, unit: Unit, outcome: Outcome | None) -> bool:
        """Whether it was said of the result that is there now, and not of one before it."""
        if self.key != unit.key:
            return False
        if outcome is None or not outcome.ended or not self.when:
            return True
        return datetime.fromisoformat(outcome.ended) <= datetime.fromisoformat(self.when)


class Verdicts:
    """The verdicts of a batch.

    Parameters
    ----------
    folder : BatchFolder

    Attributes
    ----------
    path : Path
    """

    def __init__(self, folder: BatchFolder) -> None:
        self._folder = folder
        self.path = folder.path / NAME

    def read(self) -> dict[str, Verdict]:
        """All verdicts, by unit.

        Raises
        ------
        BatchError
            If a line makes no sense; programs that changed the file may have broken it.
        """
        return {verdict.unit: verdict for verdict in map(self._verdict, self._lines()[1])}

    def current(self, unit_id: str) -> Verdict | None:
        """What was said of the result of a unit that is there now; None if nothing was.

        Raises
        ------
        BatchError
            If there is no such unit, or its line makes no sense.
        """
        unit = self._unit(unit_id)
        said = [self._verdict(line) for line in self._lines()[1] if line.get("unit") == unit_id]
        history = self._folder.runs.scan().get(unit_id)
        outcome = None if history is None else history.outcome
        return said[-1] if said and said[-1].is_about(unit, outcome) else None

    def set(self, unit_id: str, word: Word, note: str = "", *, who: str = "") -> Verdict:
        """Say something of a unit, in place of what was said before.

        "redo" lets workers take the unit up again. "edit" names the project (`project_of`) that
        holds the edited masks; it is not made here. Who accepts edited masks accepts that project.

        Parameters
        ----------
        unit_id : str
        word : {"accept", "redo", "edit"}
        note : str
        who : str
            By default whoever is logged in.

        Raises
        ------
        BatchError
            If there is no such unit, or the file cannot be written.
        """
        with self._alone():
            before = self.current(unit_id)
            project = ""
            if word == "edit":
                project = self.project_of(unit_id).relative_to(self._folder.path).as_posix()
            elif word == "accept" and before is not None:
                project = before.project
            said = self._new(unit_id, who)
            said = said.model_copy(update={"verdict": word, "note": note, "project": project})
            self._put(said)
        if word == "redo":
            self._folder.retry([unit_id])
        return said

    def note(self, unit_id: str, note: str, *, who: str = "") -> Verdict:
        """Note something of a unit; a verdict on its result stays as it is.

        Parameters
        ----------
        unit_id : str
        note : str
        who : str
            By default whoever is logged in.

        Raises
        ------
        BatchError
            If there is no such unit, or the file cannot be written.
        """
        with self._alone():
            before = self.current(unit_id) or self._new(unit_id, who)
            said = before.model_copy(update={"note": note})
            self._put(said)
        return said

    def project_of(self, unit_id: str) -> Path:
        """Where the masks of a unit are, or will be, that a person has edited."""
        return self._folder.path / EDITS / f"{unit_id}.sa2va"

    def _unit(self, unit_id: str) -> Unit:
        unit = self._folder.units().get(unit_id)
        if unit is None:
            raise BatchError(f"There is no unit {unit_id!r} in {self._folder.path.name}.")
        return unit

    def _new(self, unit_id: str, who: str) -> Verdict:
        unit = self._unit(unit_id)
        when = datetime.now(UTC).isoformat(timespec="microseconds")
        return Verdict(unit=unit_id, movie=unit.movie, who=who or _user(), when=when, key=unit.key)

    def _put(self, said: Verdict) -> None:
        """Write the line of a unit anew."""
        names, lines = self._lines()
        columns = [*names, *(name for name in Verdict.model_fields if name not in names)]
        text = _table(columns, _with(lines, said))
        with replacing(self.path, overwrite=True) as new:
            new.write_bytes(text.encode(errors="replace"))

    def _lines(self) -> tuple[list[str], list[dict[str, str]]]:
        """Names of the columns, and the lines by them."""
        try:
            text = self.path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return [], []
        except (OSError, UnicodeDecodeError) as error:
            raise BatchError(f"{self.path} cannot be read ({error}).", _MEND) from error
        # Spreadsheets write it anew with what separates cells in the user's country.
        head = text.partition("\n")[0]
        lines = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
        names = next(lines, [])
        return names, [dict(zip(names, map(plain, line), strict=False)) for line in lines if line]

    def _verdict(self, line: Mapping[str, str]) -> Verdict:
        try:
            return Verdict.model_validate({n: line[n] for n in Verdict.model_fields if n in line})
        except ValidationError as error:
            first = error.errors()[0]
            raise BatchError(
                f"{self.path} has the line {dict(line)}: {first['loc'][0]}: {first['msg']}.",
                f"A verdict is one of {', '.join(get_args(Word))}. {_MEND}",
            ) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with alone(self.path, BatchError):
                yield
        except OSError as error:
            raise BatchError(
                f"{self.path} cannot be written ({error.strerror or error}).",
                "May you write into the batch folder?",
            ) from error


_MEND = "Mend it, or put it away; verdicts are then given anew."


def _with(lines: Iterable[dict[str, str]], said: Verdict) -> list[dict[str, str]]:
    """The lines with that of a unit replaced, or added at the end."""
    new = said.model_dump()
    known = {line.get("unit", ""): line for line in lines}
    known[said.unit] = known.get(said.unit, {}) | new
    return list(known.values())


def _table(names: Iterable[str], lines: Iterable[Mapping[str, str]]) -> str:
    columns = list(names)
    file = StringIO(newline="")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(columns)
    table.writerows([cell(line.get(name, "")) for name in columns] for line in lines)
    return file.getvalue()


def _user() -> str:
    """Who is logged in; empty where nobody is, as in some containers."""
    try:
        return getuser()
    except (OSError, KeyError, ImportError):  # what is raised depends on Python and system
        return ""
