"""Units of a batch as people name them: by their ids, by what their movies are called, or by patterns."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.shell_line import batch_line


def units_named(folder: BatchFolder, names: Iterable[str]) -> list[str]:
    """Ids of the units that some names mean; a movie means all units of it.

    Parameters
    ----------
    folder : BatchFolder
    names : iterable of str
        Each is the id of a unit, what a movie is called, or a pattern of either ("*-control-*").

    Returns
    -------
    list of str
        Each once, in the order of the names, and for one name in that of the batch.

    Raises
    ------
    RequestError
        If a name means nothing.
    """
    units = folder.units()
    asked: dict[str, None] = {}
    for name in names:
        found = [i for i, unit in units.items() if name in (i, unit.movie)] or [
            i
            for i, unit in units.items()
            if fnmatchcase(i, name) or (unit.part is None and fnmatchcase(unit.movie, name))
        ]
        if not found:
            raise RequestError(
                f"There is no unit or movie {name!r} in {folder.path}.",
                f"They are listed by: {batch_line('status', folder.path, '--units')}",
            )
        asked |= dict.fromkeys(found)
    return list(asked)
