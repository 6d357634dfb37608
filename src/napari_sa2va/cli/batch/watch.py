"""`napari-sa2va batch --watch`: movies become units of a batch while a microscope writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

import click

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.outlook import still_to_do
from napari_sa2va.batch.planning.changes import bring_up_to_date
from napari_sa2va.batch.planning.row import listed
from napari_sa2va.batch.planning.watch import Watch
from napari_sa2va.batch.room import require_room
from napari_sa2va.core.errors import Sa2vaError

if TYPE_CHECKING:
    from napari_sa2va.batch.unit import Unit
    from napari_sa2va.cli.batch.request import BatchRequest

# How often it is looked for new movies, in s.
_LOOK_S = 2.0


@contextmanager
def taking_up(request: BatchRequest) -> Iterator[None]:
    """Add new movies that are finished to a batch, as long as the block lasts.

    Its workers wait for more meanwhile. Looking takes long on a network drive, so that it has a
    thread of its own, and its own view of the folder.

    Parameters
    ----------
    request : BatchRequest
        Its folder is there.
    """
    folder = BatchFolder.open(request.place)
    stop = Event()
    thread = Thread(target=_take_up, args=(request, folder, stop), name="watch", daemon=True)
    with folder.watching():
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _take_up(request: BatchRequest, folder: BatchFolder, stop: Event) -> None:
    outputs: set[str] = set()
    watch = Watch(
        request.inputs,
        arguments=request.arguments,
        recursive=request.recursive,
        every_series=request.every_series,
        leave_out=outputs,
    )
    told, stuck = "", set[str]()
    while True:
        try:
            known = folder.units_ever()
            outputs.update(output.path for unit in known.values() for output in unit.outputs)
            _add_new(request, folder, watch, known.values())
            told = ""
            for path in set(watch.stuck) - stuck:
                stuck.add(path)
                click.echo(f"Note: {path} is not taken up: it is still empty.", err=True)
        # A table that is being written may be right later, and a drive that is away come back.
        except (Sa2vaError, OSError) as error:
            if str(error) != told:
                click.echo(f"Note: No new movies could be taken up for now: {error}", err=True)
            told = str(error)
        if stop.wait(_LOOK_S):
            if left := watch.waiting:
                click.echo(f"Not finished, and not taken up: {listed(left)}.", err=True)
            return


def _add_new(
    request: BatchRequest, folder: BatchFolder, watch: Watch, known: Iterable[Unit]
) -> None:
    """Look once; if what was found could not be added, the next look finds it again."""
    try:
        rows = watch.look().rows
        if not rows:
            return
        planned = request.planned_of(rows, known)
        require_room(still_to_do(folder, {**folder.units(), **planned.units}), folder.path)
        folder.change_head(weights={**folder.head.weights, **planned.weights})
        changes = bring_up_to_date(folder, planned.units.values(), planned.settings)
    except (Sa2vaError, OSError):
        watch.put_back()
        raise
    for unit_id in changes.new:
        click.echo(f"new      {unit_id}", err=True)
