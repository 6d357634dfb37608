"""`napari-sa2va batch report`: the table of all objects, the report, the log, and how to do it again."""

from __future__ import annotations

from pathlib import Path

import click

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.cli.batch.status import folder_argument
from napari_sa2va.cli.batch.words import number_of
from napari_sa2va.cli.main import DONE
from napari_sa2va.core.shell_line import batch_line


@click.command()
@folder_argument
def report(folder: Path) -> int:
    """Write the table of all objects, the report and the log now.

    A batch does so itself when it ends. This is for one that still runs, and after a review.
    """
    give_account(BatchFolder.open(folder))
    return DONE


def give_account(folder: BatchFolder) -> None:
    """Write all that is made of the units together, and say where it is."""
    from napari_sa2va.batch.accounts import write_accounts
    from napari_sa2va.batch.overlaps import covered

    written = write_accounts(folder)
    joined = written.table
    if overlap := covered(folder.units(), folder.standings()):
        click.echo(f"Overlap: {overlap.message}\n         {overlap.hint}")
    click.echo(f"Objects: {joined.path} ({number_of(joined.rows, 'row')})")
    click.echo(f"Report:  {written.report}")
    click.echo(f"Log:     {written.log}")
    if joined.damaged:
        click.echo(
            f"Note: the tables of {', '.join(joined.damaged)} are damaged and left out; let them be "
            f"done again: {batch_line('retry', folder.path, *joined.damaged)}",
            err=True,
        )
