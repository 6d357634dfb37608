"""`napari-sa2va batch work`: one worker, here, for a batch that somebody has made."""

from __future__ import annotations

from pathlib import Path

import click

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.wholes import wholes
from napari_sa2va.cli.batch.status import folder_argument
from napari_sa2va.cli.batch.words import counted, counts_in_words
from napari_sa2va.cli.interrupt import signals_cancel
from napari_sa2va.cli.main import DONE, INTERRUPTED
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.shell_line import batch_line


@click.command()
@folder_argument
@click.option("--device", default="", help="Instead of what the settings of the units say.")
@click.option("--name", default="", help="Of the worker, in logs.  [default: made up]")
def work(folder: Path, device: str, name: str) -> int:
    """Do units of the batch in FOLDER here, until none is left.

    Any number of workers can do so at the same time, on all machines that see the folder and the
    movies under the same paths and have the same versions and models. Ctrl-C, and the end of a job's
    time (SIGTERM), stop it after the frame in work; others go on from there.

    \b
    napari-sa2va batch work /data/night
    napari-sa2va batch work /data/night --device cuda:1
    """  # fmt: skip
    from napari_sa2va.batch.engines.engine import new_name
    from napari_sa2va.batch.worker import work_through

    opened = BatchFolder.open(folder)
    if opened.is_cancelled:
        raise RequestError(
            f"{folder} is cancelled: no worker takes anything up.",
            f"Take that back: {batch_line('resume', folder)}",
        )
    with signals_cancel() as stop:
        work_through(str(opened.path), name or new_name("hand"), device=device, stop=stop)
    click.echo(f"{folder}: {counts_in_words(counted(wholes(opened.units(), opened.standings())))}.")
    return INTERRUPTED if stop.cancelled or opened.is_cancelled else DONE
