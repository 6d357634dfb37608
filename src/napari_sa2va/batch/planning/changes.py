"""Units that were planned, put into a batch folder that may have some of them already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.known_units import movie_key
from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.errors import BatchError
from napari_sa2va.settings import RunSettings


class OutdatedPlan(BatchError):
    """Somebody has added units since others were planned: their numbers and names may be the same."""


@dataclass(frozen=True)
class Changes:
    """What was new to a batch folder.

    Attributes
    ----------
    new : tuple of str
        Ids of units that it did not have.
    changed : tuple of str
        Of those that have to be done again, or whose results have to be written anew: the movie, the
        settings, the weights or the outputs are others.
    same : tuple of str
        Of those that stay as they are, whether they are finished or not.
    others : tuple of str
        Of those that the folder has and that nobody asked for now; parts of movies are not named.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def bring_up_to_date(
    folder: BatchFolder,
    units: Collection[Unit],
    settings: Mapping[str, RunSettings],
    *,
    known: Collection[str],
) -> Changes:
    """Put units into a batch folder, in place of those that it has under the same ids.

    What nobody asks for any more stays as it is; see `batch.remove`.

    Parameters
    ----------
    folder : BatchFolder
    units : collection of Unit
        Movies may have been split since they were planned.
    settings : mapping of str to RunSettings
        By digest.
    known : collection of str
        Ids of the folder's units (`units_ever`) with which these were planned.

    Raises
    ------
    OutdatedPlan
        If some of these are new, and somebody else has added units meanwhile.
    BatchError
        If ids mean other units than those that were planned, or somebody goes on adding units.
    """
    new: list[str] = []
    changed: list[str] = []
    same: list[str] = []
    written: list[Unit] = []
    with folder.planning():
        there = folder.units_ever()
        if there.keys() - known and any(unit.unit_id not in known for unit in units):
            raise OutdatedPlan(
                f"Somebody has added movies to {folder.path} since these were planned.",
                "Ask for the same once more.",
            )
        for unit in units:
            old = there.get(unit.unit_id)
            if old is not None and _asks(old) != _asks(unit):
                raise BatchError(
                    f"{unit.unit_id} is another unit in {folder.path} than when this was planned: "
                    f"{old.movie}, and not {unit.movie}.",
                    "Somebody has added to the batch meanwhile. Ask for the same once more.",
                )
            if old is None or old.removed:
                new.append(unit.unit_id)
            elif (old.key, old.outputs) != (unit.key, unit.outputs):
                changed.append(unit.unit_id)
            else:
                same.append(unit.unit_id)
            if old != unit:
                written.append(unit)
        folder.add(written, settings)
    others = there.keys() - {*new, *changed, *same}
    stay = tuple(i for i, u in there.items() if i in others and u.part is None and not u.removed)
    return Changes(tuple(new), tuple(changed), tuple(same), stay)


def _asks(unit: Unit) -> tuple[object, ...]:
    """What stays the same of a unit as long as it has its id."""
    arguments = unit.arguments
    if unit.part is not None:  # its limits are those that were found in the movie as it was then
        arguments = arguments.model_copy(update={"limits": None})
    return movie_key(unit.path, arguments), unit.sentences
