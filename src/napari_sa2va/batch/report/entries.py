"""What a report says of each unit, without words about a person and in the order of the units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.standing import Standing
from napari_sa2va.batch.unit import Unit
from napari_sa2va.batch.verdicts import Verdict, Verdicts
from napari_sa2va.batch.wholes import wholes
from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.privacy import NOBODY, Private
from napari_sa2va.readers.person import person_at

THE_MOVIE = "[movie]"
"""Stands in a cause for the path of the movie, where several have the same one."""


@dataclass(frozen=True)
class Entry:
    """One unit of a report.

    Attributes
    ----------
    unit : Unit
    standing : Standing
    outcome : Outcome or None
        Of the latest generation.
    verdict : Verdict or None
        What was said of the result that is there now.
    private : Private
        Words that may not be shown.
    work : Path
        Where its table and its sheet are.
    """

    unit: Unit
    standing: Standing
    verdict: Verdict | None
    private: Private
    work: Path

    @property
    def outcome(self) -> Outcome | None:
        """What came of it when it was taken up the last time."""
        return self.standing.outcome

    @property
    def is_complete(self) -> bool:
        """Whether there are results to show."""
        return self.standing.state in ("done", "nothing")

    @property
    def movie(self) -> str:
        """What people call the movie."""
        return self.private.redact(self.unit.movie)

    @property
    def unit_id(self) -> str:
        """As it is shown."""
        return self.private.redact(self.unit.unit_id)

    @property
    def cause(self) -> str:
        """Why there is no result, as it was said."""
        return self.private.redact(self.standing.cause)

    @property
    def hint(self) -> str:
        """What to do about it."""
        return self.private.redact(self.outcome.hint) if self.outcome and self.cause else ""


@dataclass(frozen=True)
class Group:
    """Units that failed for the same cause, but for paths and numbers in it."""

    cause: str
    hint: str
    are_alike: bool
    entries: tuple[Entry, ...]


def entries_of(folder: BatchFolder) -> list[Entry]:
    """All units; a movie that was split stands for its parts."""
    units = folder.units()
    verdicts = _verdicts(folder)
    return [
        Entry(
            units[unit_id],
            standing,
            _current(verdicts.get(unit_id), units[unit_id], standing),
            _private(folder, units[unit_id]),
            folder.work_of(unit_id),
        )
        for unit_id, standing in wholes(units, folder.standings()).items()
    ]


def by_cause(entries: Iterable[Entry]) -> list[Group]:
    """Entries that have a cause, those of the same one together; the most frequent first."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.cause:
            said = _without_path(entry)
            found.setdefault((re.sub(r"\d+", "#", said), entry.hint), []).append(entry)
    groups = []
    for (_, hint), same in found.items():
        causes = {_without_path(entry) for entry in same}
        cause = same[0].cause if len(same) == 1 else min(causes)
        groups.append(Group(cause, hint, len(causes) == 1, tuple(same)))
    return sorted(groups, key=lambda group: -len(group.entries))


def _without_path(entry: Entry) -> str:
    said = entry.cause
    for path in (entry.unit.path, Path(entry.unit.path).name):
        if path:
            said = said.replace(entry.private.redact(path), THE_MOVIE)
    return said


def _verdicts(folder: BatchFolder) -> Mapping[str, Verdict]:
    """What people said; a file that somebody has broken leaves the rest of the report as it is."""
    try:
        return Verdicts(folder).read()
    except BatchError:
        return {}


def _current(verdict: Verdict | None, unit: Unit, standing: Standing) -> Verdict | None:
    if verdict is None or not verdict.is_about(unit, standing.outcome):
        return None
    return verdict


def _private(folder: BatchFolder, unit: Unit) -> Private:
    try:
        told = folder.settings_of(unit).output.patient_data
    except BatchError:
        told = False
    return NOBODY if told else person_at(unit.path)
