"""What is made of all units together: the log, the table of all objects, the report, how to repeat it.

The client of a batch writes it at the end. Where no client is left, the last worker does: the client
was killed, or there never was one, as with an array job.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.batch import report
from napari_sa2va.batch.logs import merge
from napari_sa2va.batch.objects_table import Joined, join_objects
from napari_sa2va.batch.repeat import write_repeat
from napari_sa2va.core.errors import BatchError, Sa2vaError
from napari_sa2va.core.file_lock import locked

if TYPE_CHECKING:
    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.batch.standing import Standing

_log = logging.getLogger(__name__)

# Says of which state of the units they are.
_MARK = ".accounts"
# The report of a large study takes some seconds, on a slow drive a minute.
_TURN_S = 60.0


@dataclass(frozen=True)
class Accounts:
    """Where it is.

    Attributes
    ----------
    table : Joined
    report, log : Path
    """

    table: Joined
    report: Path
    log: Path


def write_accounts(folder: BatchFolder) -> Accounts:
    """Write everything as the batch stands now.

    Raises
    ------
    OutputError
        If something cannot be written.
    MissingPackage
        If the table is to be of a kind that needs a package which is not there.
    """
    with locked(folder.path / _MARK, wait_s=_TURN_S):  # two at once would do no harm
        return _write(folder)


def are_up_to_date(folder: BatchFolder, standings: Mapping[str, Standing]) -> bool:
    """Whether what is written is of the units as they stand."""
    try:
        return (folder.path / _MARK).read_bytes() == _state_of(standings).encode()
    except FileNotFoundError:
        return False


def write_at_the_end(folder: BatchFolder) -> bool:
    """Write everything if nothing is left to be done, and nobody else does it.

    For a worker that leaves: many may leave at once, of which one writes. What goes wrong is logged,
    for the units are done.

    Returns
    -------
    bool
        Whether it was written here.
    """
    try:
        if not _is_wanted(folder):
            return False
        with locked(folder.path / _MARK, wait_s=0.0) as is_ours:
            if not is_ours or not _is_wanted(folder):
                return False
            damaged = _write(folder).table.damaged
    except (OSError, Sa2vaError) as error:
        _log.warning("The table of all objects and the report could not be written: %s", error)
        return False
    if damaged:
        _log.warning("The tables of %s are damaged and left out.", ", ".join(damaged))
    return True


def _is_wanted(folder: BatchFolder) -> bool:
    standings = folder.standings()
    return (
        all(standing.is_at_end for standing in standings.values())
        and not folder.is_watching
        and not folder.is_tended
        and not are_up_to_date(folder, standings)
    )


def _write(folder: BatchFolder) -> Accounts:
    state = _state_of(folder.standings())  # what ends meanwhile is not in all of it
    units = folder.units()
    merge(folder.path, ((units[o.unit_id], o) for o in folder.runs.ends() if o.unit_id in units))
    table = join_objects(folder)
    try:
        write_repeat(folder)
    except BatchError as error:  # the report says so in its place
        _log.warning("How to do the batch again cannot be written: %s", error)
    page = report.write_report(folder)
    with suppress(OSError):
        (folder.path / _MARK).write_text(state, encoding="utf-8")
    return Accounts(table, page, folder.path / "log.txt")


def _state_of(standings: Mapping[str, Standing]) -> str:
    """A digest of where the units stand."""
    said = hashlib.sha256()
    for unit_id, standing in standings.items():
        said.update(f"{unit_id} {standing.generation} {standing.state}\n".encode())
    return said.hexdigest()
