"""What people say of the results of a batch: accepted, to be done again, edited; or only a note.

``verdicts.csv`` lies beside the results, a line per unit, to be read by people and programs. Several
people may review at the same time; each verdict is put into the file as it is then. Columns that
somebody has added stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError, field_validator

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.history import History
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.unit import Unit
from napari_sa2va.batch.verdict_lines import MEND, lines_of, put_line
from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.file_lock import alone
from napari_sa2va.core.params import Params

Word = Literal["accept", "redo", "edit"]
"""accept: it can be used. redo: it is to be done again. edit: a person has corrected the masks."""

# What a spreadsheet may have made of a number.
_WHOLE = re.compile(r"(\d+)(?:[.,]0*)?")

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
    when: str = Field("", description="ISO 8601, UTC, unless somebody has written it otherwise.")
    key: str = Field("", description="Of the unit that was looked at.")
    generation: int | None = Field(
        None,
        ge=0,
        description="Of the result that was looked at; empty for the newest of this key.",
    )
    project: str = Field(
        "", description="The project that holds the edited masks, if any, from the batch folder."
    )

    @field_validator("generation", mode="before")
    @classmethod
    def _typed(cls, said: object) -> object:
        if not isinstance(said, str):
            return said
        number = _WHOLE.fullmatch(said.strip())
        return number[1] if number else said.strip() or None

    def is_about(self, unit: Unit, outcome: Outcome | None) -> bool:
        """Whether it was said of the result that is there now, and not of one before it.

        Parameters
        ----------
        unit : Unit
        outcome : Outcome or None
            What came of the unit the last time; None if that is not known yet.
        """
        if self.key != unit.key:
            return False
        if outcome is None or self.generation is None:
            return True
        return outcome.generation == self.generation


@dataclass(frozen=True)
class Seen:
    """The result of a unit as a person sees it, who may say something of this one and of no other.

    Attributes
    ----------
    unit : Unit
    outcome : Outcome
    verdict : Verdict or None
        What was said of it before.
    """

    unit: Unit
    outcome: Outcome
    verdict: Verdict | None = None

    @property
    def project(self) -> str:
        """The project with the edited masks, as `Verdict` has it; empty if they were not edited."""
        return "" if self.verdict is None else self.verdict.project


class ResultChanged(BatchError):
    """What was said is of a result that is not there any more, and was not written down."""


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
        return {verdict.unit: verdict for verdict in map(self._verdict, lines_of(self.path)[1])}

    def current(self, unit_id: str) -> Verdict | None:
        """What was said of the result of a unit that is there now; None if nothing was.

        Raises
        ------
        BatchError
            If there is no such unit, or its line makes no sense.
        """
        unit = self._unit(unit_id)
        said = [
            self._verdict(line) for line in lines_of(self.path)[1] if line.get("unit") == unit_id
        ]
        return said[-1] if said and said[-1].is_about(unit, self._newest(unit_id)) else None

    def seen(self, unit_id: str) -> Seen:
        """The result of a unit that is there now, for who is about to look at it.

        Raises
        ------
        BatchError
            If there is none, or no such unit, or its line makes no sense.
        """
        unit, outcome = self._unit(unit_id), self._newest(unit_id)
        if outcome is None or not outcome.is_complete or outcome.key != unit.key:
            raise BatchError(
                f"There is no result of {unit.movie} now: it is to be done again.",
                "Look at it when it is done.",
            )
        return Seen(unit, outcome, self.current(unit_id))

    def check(self, seen: Seen, *, edits: bool = True) -> None:
        """Find out whether a result is still the one that is there.

        Parameters
        ----------
        seen : Seen
        edits : bool
            Whether it is another one, too, after somebody has edited its masks.

        Raises
        ------
        ResultChanged
            If it is not.
        """
        unit_id = seen.unit.unit_id
        unit, newest = self._unit(unit_id), self._newest(unit_id)
        same = newest is not None and newest.generation == seen.outcome.generation
        now = self.current(unit_id)
        is_edited = edits and ("" if now is None else now.project) != seen.project
        if unit.key != seen.unit.key or not same or is_edited:
            raise ResultChanged(
                f"{unit.movie} has changed since it was shown: it was done again or is about to be, "
                "or somebody has edited its masks.",
                "What you said of it does not count. Look at it as it is now.",
            )

    def set(
        self, unit_id: str, word: Word, note: str = "", *, who: str = "", seen: Seen | None = None
    ) -> Verdict:
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
        seen : Seen, optional
            The result that was looked at. By default the one that is there now.

        Raises
        ------
        ResultChanged
            If that was another one; edited masks count only where they are not replaced ("edit").
        BatchError
            If there is no such unit, or the file cannot be written.
        """
        with self._alone(seen, edits=word != "edit"):
            before = self.current(unit_id)
            project = ""
            if word == "edit":
                project = self.project_of(unit_id).relative_to(self._folder.path).as_posix()
            elif word == "accept" and before is not None:
                project = before.project
            said = self._new(unit_id, who, seen)
            said = said.model_copy(update={"verdict": word, "note": note, "project": project})
            self._put(said)
        if word == "redo":
            self._folder.retry([unit_id])
        return said

    def note(self, unit_id: str, note: str, *, who: str = "", seen: Seen | None = None) -> Verdict:
        """Note something of a unit; a verdict on its result stays as it is.

        Parameters
        ----------
        unit_id : str
        note : str
        who : str
            By default whoever is logged in.
        seen : Seen, optional
            The result that was looked at. By default the one that is there now.

        Raises
        ------
        ResultChanged
            If that was another one.
        BatchError
            If there is no such unit, or the file cannot be written.
        """
        with self._alone(seen, edits=False):
            before = self.current(unit_id) or self._new(unit_id, who, seen)
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

    def _newest(self, unit_id: str) -> Outcome | None:
        """What came of a unit the last time, also while it is done again."""
        outcomes = self._folder.runs.scan().get(unit_id, History()).outcomes
        return outcomes[max(outcomes)] if outcomes else None

    def _new(self, unit_id: str, who: str, seen: Seen | None) -> Verdict:
        unit = self._unit(unit_id) if seen is None else seen.unit
        newest = self._newest(unit_id) if seen is None else seen.outcome
        return Verdict(
            unit=unit_id,
            movie=unit.movie,
            who=who or _user(),
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            key=unit.key,
            generation=0 if newest is None else newest.generation,
        )

    def _put(self, said: Verdict) -> None:
        """Write the line of a unit anew."""
        fields = said.model_dump().items()
        put_line(self.path, {name: "" if it is None else str(it) for name, it in fields})

    def _verdict(self, line: Mapping[str, str]) -> Verdict:
        try:
            return Verdict.model_validate({n: line[n] for n in Verdict.model_fields if n in line})
        except ValidationError as error:
            first = error.errors()[0]
            raise BatchError(
                f"{self.path} has the line {dict(line)}: {first['loc'][0]}: {first['msg']}.",
                f"A verdict is one of {', '.join(get_args(Word))}. {MEND}",
            ) from None

    @contextmanager
    def _alone(self, seen: Seen | None, *, edits: bool) -> Iterator[None]:
        """While nobody else changes the file, and after a `check` of what was seen, if that is known."""
        try:
            with alone(self.path, BatchError):
                if seen is not None:
                    self.check(seen, edits=edits)
                yield
        except OSError as error:
            raise BatchError(
                f"{self.path} cannot be written ({error.strerror or error}).",
                "May you write into the batch folder?",
            ) from error


def _user() -> str:
    """Who is logged in; empty where nobody is, as in some containers."""
    try:
        return getuser()
    except (OSError, KeyError, ImportError):  # what is raised depends on Python and system
        return ""
