"""All that can be said of a batch before it begins: what is wrong, and what it will take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_sa2va.batch.disk import free_bytes, places_of, shortage
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.forecast import Forecast, forecast
from napari_sa2va.batch.output_log import paths_written
from napari_sa2va.batch.preflight import preflight
from napari_sa2va.batch.problem import Problem, gathered
from napari_sa2va.batch.standing import Standing
from napari_sa2va.batch.survey import shortages, survey
from napari_sa2va.batch.unit import Facts, Unit
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.settings import RunSettings


@dataclass(frozen=True)
class Outlook:
    """What is known before a batch begins.

    Attributes
    ----------
    problems : tuple of Problem
        Each once.
    facts : mapping of str to Facts
        Of the units that are to be done.
    left : Forecast
    downloads : mapping of str to int
        Models that are not on this machine, and their bytes at most; 0 where that is not known.
    free_bytes : int
        On the disk, or the fullest of the disks, to which it will write.
    """

    problems: tuple[Problem, ...]
    facts: Mapping[str, Facts]
    left: Forecast
    downloads: Mapping[str, int]
    free_bytes: int


def outlook(
    units: Mapping[str, Unit],
    settings: Mapping[str, RunSettings],
    place: Path,
    *,
    overwrite: bool = False,
    is_here: bool = True,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Outlook:
    """Open the headers of all movies that are to be done, and find out all that would go wrong.

    Nothing is written: what a batch folder knows of its movies is used, and not added to.

    Parameters
    ----------
    units : mapping of str to Unit
    settings : mapping of str to RunSettings
        By digest.
    place : Path
        The batch folder, which need not be there yet.
    overwrite : bool
        Whether files of others may be replaced.
    is_here : bool
        Whether the work is to be done on this machine, whose memory then counts.
    tell : callable
        Told how many movies were looked at, and of how many.
    """
    folder = BatchFolder.open(place) if BatchFolder.is_one(place) else None
    standings = _standings(folder, units)
    todo = _not_at_end(units, standings)

    def settings_of(unit: Unit) -> RunSettings:
        return settings[unit.settings]

    facts: dict[str, Facts] = {}
    for one in survey(todo, settings_of, thorough=True):
        facts[one.unit_id] = one
        tell(len(facts), len(todo))
    left = forecast(units, facts, standings, folder)
    free = free_bytes(places_of(place, todo))
    problems = [
        *preflight(todo, settings, written_by(folder), place=place, overwrite=overwrite),
        *(
            Problem(f.problem, f.hint, (i,), fails_alone=True)
            for i, f in facts.items()
            if f.problem
        ),
        *(shortages(todo, settings_of, facts) if is_here else ()),
        *shortage(left.disk_bytes, free),
    ]
    return Outlook(tuple(gathered(problems)), facts, left, _downloads(todo, settings), free)


def still_to_do(folder: BatchFolder | None, units: Mapping[str, Unit]) -> list[Unit]:
    """The units that a batch would do, or do again, if it were asked for these.

    Parameters
    ----------
    folder : BatchFolder or None
        None before there is one.
    units : mapping of str to Unit
    """
    return _not_at_end(units, _standings(folder, units))


def written_by(folder: BatchFolder | None) -> Callable[[Unit], frozenset[str]]:
    """From a unit to the outputs that it has written before, and may write again."""
    if folder is None:
        return lambda unit: frozenset()
    return lambda unit: paths_written(folder.work_of(unit.unit_id))


def _standings(folder: BatchFolder | None, units: Mapping[str, Unit]) -> dict[str, Standing]:
    """Where units stand, as far as the folder knows them just as they are now."""
    if folder is None:
        return {}
    known = folder.units()
    return {
        i: standing
        for i, standing in folder.standings().items()
        if i in units and (known[i].key, known[i].outputs) == (units[i].key, units[i].outputs)
    }


def _not_at_end(units: Mapping[str, Unit], standings: Mapping[str, Standing]) -> list[Unit]:
    return [u for i, u in units.items() if i not in standings or not standings[i].is_at_end]


def _downloads(units: list[Unit], settings: Mapping[str, RunSettings]) -> dict[str, int]:
    from napari_sa2va.models.zoo import find

    missing = {}
    for name in {settings[unit.settings].model.name for unit in units}:
        try:
            entry = find(name)
        except Sa2vaError:  # is among the problems
            continue
        if entry.folder is None:
            missing[entry.name] = entry.download_bytes or 0
    return missing
