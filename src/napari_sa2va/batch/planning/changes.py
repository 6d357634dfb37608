"""Units that were planned, put into a batch folder that may have some of them already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.known_units import movie_key
from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.errors import BatchError
from napari_sa2va.settings import RunSettings


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
    folder: BatchFolder, units: Iterable[Unit], settings: Mapping[str, RunSettings]
) -> Changes:
    """Put units into a batch folder, in place of those that it has under the same ids.

    What nobody asks for any more stays as it is; see `batch.remove`.

    Parameters
    ----------
    folder : BatchFolder
    units : iterable of Unit
        Planned with the folder's units as the `known` ones; movies may have been split since.
    settings : mapping of str to RunSettings
        By digest.

    Raises
    ------
    BatchError
        If somebody else has added units meanwhile, so that ids mean others, or goes on doing so.
    """
    new: list[str] = []
    changed: list[str] = []
    same: list[str] = []
    written: list[Unit] = []
    with folder.planning():
        there = folder.units_ever()
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
    return movie_key(unit.path, unit.arguments), unit.sentences
