"""Outputs of a unit that are not its results any more."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.output_log import Writing
from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.writers.delete import delete_result


def discard(folder: BatchFolder, unit: Unit, written: Iterable[Writing]) -> list[str]:
    """Delete outputs that a unit has written.

    Parameters
    ----------
    folder : BatchFolder
    unit : Unit
    written : iterable of Writing
        Of its log. What another unit of the batch writes as well is not deleted.

    Returns
    -------
    list of str
        Paths of those that were there, and are gone.
    """
    there = {w.path: w.kind for w in written if Path(w.path).exists()}
    if not there:
        return []
    others = {
        output.path
        for other in folder.units().values()
        if other.unit_id != unit.unit_id
        for output in other.outputs
    }
    gone = []
    for path, kind in there.items():
        # What cannot be deleted, on a drive that is away say, is found again by who looks.
        with suppress(OSError, Sa2vaError):
            if path not in others and delete_result(Path(path), kind):
                gone.append(path)
    return gone
