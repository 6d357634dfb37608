"""`napari-sa2va batch --watch`: movies become units of a batch while a microscope writes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from traceback import format_tb
from typing import TYPE_CHECKING

import click

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.outlook import still_to_do
from napari_sa2va.batch.planning.changes import OutdatedPlan, bring_up_to_date
from napari_sa2va.batch.planning.plan import Planned
from napari_sa2va.batch.planning.row import listed
from napari_sa2va.batch.planning.watch import Watch
from napari_sa2va.batch.planning.wrong_rows import RowsError
from napari_sa2va.batch.room import require_room
from napari_sa2va.core.errors import Sa2vaError

if TYPE_CHECKING:
    from napari_sa2va.batch.planning.row import Row
    from napari_sa2va.batch.unit import Unit
    from napari_sa2va.cli.batch.request import BatchRequest

# How often it is looked for new movies, in s.
_LOOK_S = 2.0


@contextmanager
def taking_up(request: BatchRequest) -> Iterator[list[str]]:
    """Add new movies that are finished to a batch, as long as the block lasts.

    Its workers wait for more meanwhile. Looking takes long on a network drive, so that it has a
    thread of its own, and its own view of the folder.

    Parameters
    ----------
    request : BatchRequest
        Its folder is there.

    Yields
    ------
    list of str
        Empty. When the block has ended, the movies that were finished and could not be taken up; the
        inputs if the last look at them went wrong.
    """
    untaken: list[str] = []
    folder = BatchFolder.open(request.place)
    stop = Event()
    thread = Thread(
        target=_take_up, args=(request, folder, stop, untaken), name="watch", daemon=True
    )
    with folder.watching():
        thread.start()
        try:
            yield untaken
        finally:
            stop.set()
            thread.join()


def _take_up(request: BatchRequest, folder: BatchFolder, stop: Event, untaken: list[str]) -> None:
    outputs: set[str] = set()
    watch = Watch(
        request.inputs,
        arguments=request.arguments,
        recursive=request.recursive,
        every_series=request.every_series,
        leave_out=outputs,
    )
    told, stuck, refused = "", set[str](), set[tuple[str, str]]()
    while True:
        try:
            known = folder.units_ever()
            outputs.update(output.path for unit in known.values() for output in unit.outputs)
            before, refused = refused, _add_new(request, folder, watch, known.values())
            told = ""
            _tell_of(refused - before)
            for path in set(watch.stuck) - stuck:
                stuck.add(path)
                _tell(f"Note: {path} is not taken up: it is still empty.")
        # A table that is being written may be right later, and a drive that is away come back. The
        # command goes on for days, so that what nobody foresaw must not end the looking either.
        except Exception as error:
            why = _words(error)
            if why != told:
                _tell(f"Note: No new movies could be taken up for now: {why}")
            told = why
        if stop.wait(_LOOK_S):
            if left := watch.waiting:
                _tell(f"Not finished, and not taken up: {listed(left)}.")
            untaken += watch.untaken
            if untaken:
                _tell(f"Finished, and could not be taken up: {listed(untaken)}.")
            if told:
                _tell(f"The last look for new movies went wrong: {told}")
                untaken += request.inputs
            return


def _add_new(
    request: BatchRequest, folder: BatchFolder, watch: Watch, known: Collection[Unit]
) -> set[tuple[str, str]]:
    """Look once; what was found and could not be added, the next look finds again.

    Returns
    -------
    set of (str, str)
        Where movies of which no unit can be made were asked for, and why none can.
    """
    try:
        planned, wrong = _planned(request, watch.look().rows, list(known))
        watch.put_back(row for row, _ in wrong)
        refused = {(row.place or row.path, reason) for row, reason in wrong}
        if not planned.units:
            return refused
        require_room(still_to_do(folder, {**folder.units(), **planned.units}), folder.path)
        folder.change_head(weights=planned.weights)
        changes = bring_up_to_date(
            folder, planned.units.values(), planned.settings, known={unit.unit_id for unit in known}
        )
    except OutdatedPlan:  # the next look plans with what others have added
        watch.put_back()
        return refused
    except Exception:
        watch.put_back()
        raise
    for unit_id in changes.new:
        _tell(f"new      {unit_id}")
    return refused


def _planned(
    request: BatchRequest, rows: Sequence[Row], known: Sequence[Unit]
) -> tuple[Planned, list[tuple[Row, str]]]:
    """The units of those movies of which some can be made; the others, and why."""
    wrong: list[tuple[Row, str]] = []
    while rows:
        try:
            return request.planned_of(rows, known), wrong
        except RowsError as error:
            wrong += error.reasons
            those = {id(row) for row, _ in wrong}
            rows = [row for row in rows if id(row) not in those]
    return Planned({}, {}, {}), wrong


def _words(error: Exception) -> str:
    """What went wrong; of what nobody foresaw, where as well."""
    if isinstance(error, Sa2vaError | OSError):
        return str(error)
    calls = "".join(format_tb(error.__traceback__))
    return f"{type(error).__name__}: {error}\n{calls}This should not happen. Please report it."


def _tell_of(refused: Collection[tuple[str, str]]) -> None:
    for reason in sorted({why for _, why in refused}):
        places = sorted(place for place, why in refused if why == reason)
        _tell(f"Note: {listed(places)} cannot be taken up for now: {reason}")


def _tell(text: str) -> None:
    with suppress(OSError):  # as where a file of what is told is on a disk that is full for now
        click.echo(text, err=True)
