"""`napari-sa2va batch pause`, `resume`, `cancel`, `retry`, `remove`: what is asked of a batch as it is."""

from __future__ import annotations

from pathlib import Path

import click

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.remove import remove as remove_units
from napari_sa2va.cli.batch.names import units_named
from napari_sa2va.cli.batch.status import folder_argument
from napari_sa2va.cli.batch.words import named, number_of
from napari_sa2va.cli.main import DONE
from napari_sa2va.core.shell_line import batch_line


@click.command()
@folder_argument
def pause(folder: Path) -> int:
    """Let all workers wait after the frame in work."""
    BatchFolder.open(folder).pause()
    click.echo(f"Workers wait after their frame. Let them go on: {batch_line('resume', folder)}")
    return DONE


@click.command()
@folder_argument
def resume(folder: Path) -> int:
    """Take a pause or a cancel back."""
    opened = BatchFolder.open(folder)
    was_cancelled = opened.is_cancelled
    opened.resume()
    if was_cancelled:
        click.echo(
            "The cancel is taken back; its workers have left. Begin again: "
            f"{batch_line(folder)}, or one worker: {batch_line('work', folder)}"
        )
    else:
        click.echo("Workers go on.")
    return DONE


@click.command()
@folder_argument
def cancel(folder: Path) -> int:
    """Let all workers leave after the frame in work; what is done is kept."""
    BatchFolder.open(folder).cancel()
    click.echo(f"Workers leave after their frame. Go on later: {batch_line(folder)}")
    return DONE


@click.command()
@folder_argument
@click.argument("names", nargs=-1)
def retry(folder: Path, names: tuple[str, ...]) -> int:
    """Let units be done again that failed, or those that are named.

    These may be done already. NAMES are of units, as `batch status --units` lists them, or of
    movies, or patterns of either.

    \b
    napari-sa2va batch retry night
    napari-sa2va batch retry night 0007-movie-3 movie-4 "control-*"
    """  # fmt: skip
    opened = BatchFolder.open(folder)
    standings = opened.standings()
    asked = units_named(opened, names)
    if not names:
        asked = [i for i, s in standings.items() if s.state in ("failed", "unfit")]
    again = opened.retry(asked)
    if not again:
        click.echo("There is nothing to be done again.")
        return DONE
    click.echo(f"{number_of(len(again), 'unit')} will be done again: {named(again)}.")
    if not opened.is_tended and not any(standing.claim for standing in standings.values()):
        click.echo(f"Nobody works on it now. Begin: {batch_line(folder)}")
    return DONE


@click.command()
@folder_argument
@click.argument("names", nargs=-1, required=True)
@click.option("--results", is_flag=True, help="Delete the files that they have written, too.")
def remove(folder: Path, names: tuple[str, ...], results: bool) -> int:
    """Take units out of a batch, and out of its table and report.

    NAMES are of units, as `batch status --units` lists them, or of movies, or patterns of either. Files
    in results stay, unless --results is given. A command that asks for such a unit again brings it
    back.

    \b
    napari-sa2va batch remove night 0007-movie-3 movie-4 "control-*"
    """  # fmt: skip
    opened = BatchFolder.open(folder)
    gone = remove_units(opened, units_named(opened, names), results=results)
    said = f"{number_of(len(gone.units), 'unit')} taken out: {named(gone.units)}"
    if results:
        said += f"; {number_of(len(gone.deleted), 'file')} deleted"
    click.echo(f"{said}.")
    click.echo(f"Write the table and the report anew: {batch_line('report', folder)}")
    return DONE
