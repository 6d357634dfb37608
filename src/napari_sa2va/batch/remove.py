"""Units that are taken out of a batch: a sentence had a mistake, or a movie does not belong to it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from napari_sa2va.batch.discard import discard
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.output_log import outputs_of
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.shell_line import batch_line


@dataclass(frozen=True)
class Removed:
    """What was taken out.

    Attributes
    ----------
    units : tuple of str
        Ids; parts of movies are not named.
    deleted : tuple of str
        Paths of outputs that were deleted.
    """

    units: tuple[str, ...]
    deleted: tuple[str, ...] = ()


def remove(folder: BatchFolder, unit_ids: Collection[str], *, results: bool = False) -> Removed:
    """Take units out of a batch: nobody works on them, and no table or report has them.

    What they have in the folder of work stays, so that a command that asks for them again brings them
    back as they were.

    Parameters
    ----------
    folder : BatchFolder
    unit_ids : collection of str
        With a unit that merges parts go its parts.
    results : bool
        Whether to delete the outputs that they have written, too.

    Raises
    ------
    RequestError
        If somebody works on one of them, or one is a part of a unit that stays.
    """
    with folder.planning():
        units, standings = folder.units(), folder.standings()
        wholes = [units[i] for i in unit_ids if units[i].part is None]
        gone = {part for unit in wholes for part in unit.parts}
        for unit_id in unit_ids:
            if units[unit_id].part is not None and unit_id not in gone:
                raise RequestError(
                    f"{unit_id} is a part of a movie that was split.",
                    f"Name the whole: {next(i for i, u in units.items() if unit_id in u.parts)}.",
                )
        gone |= {unit.unit_id for unit in wholes}
        running = [i for i in units if i in gone and standings[i].state == "running"]
        if running:
            raise RequestError(
                f"{running[0]} is being worked on.",
                f"Wait until it is done, or stop the work: {batch_line('pause', folder.path)}",
            )
        folder.add([unit.model_copy(update={"removed": True}) for unit in wholes], {})
    deleted = [
        path
        for unit in wholes
        if results
        for path in discard(folder, unit, outputs_of(folder.work_of(unit.unit_id)))
    ]
    return Removed(tuple(unit.unit_id for unit in wholes), tuple(deleted))
