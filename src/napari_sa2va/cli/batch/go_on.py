"""A batch from the moment on that its folder has all units: it is done here, or left to a script."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_sa2va.batch.conduct import conduct
from napari_sa2va.batch.missing import put_back_missing
from napari_sa2va.batch.surveyor import surveying
from napari_sa2va.batch.wholes import wholes
from napari_sa2va.cli.batch.progress import BatchProgress
from napari_sa2va.cli.batch.report import give_account
from napari_sa2va.cli.batch.watch import taking_up
from napari_sa2va.cli.batch.words import (
    causes_of,
    counted,
    counts_in_words,
    exit_code,
    named,
    number_of,
    print_problems,
)
from napari_sa2va.cli.interrupt import signals_cancel
from napari_sa2va.cli.main import DONE, FAILED
from napari_sa2va.core.shell_line import batch_line

if TYPE_CHECKING:
    from napari_sa2va.batch.engines import Engine
    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.batch.standing import Standing
    from napari_sa2va.cli.batch.request import BatchRequest


def go_on(
    folder: BatchFolder, engine: Engine, watched: BatchRequest | None = None, *, quiet: bool = False
) -> int:
    """Do what is left, and tell what came of all.

    Parameters
    ----------
    folder : BatchFolder
        A pause or a cancel that is on it is taken back.
    engine : Engine
    watched : BatchRequest, optional
        Whose movies are taken up as they come; then nothing but a person ends it.
    quiet : bool
        Whether to show no progress.

    Returns
    -------
    int
        0 all done, 1 some found nothing, 3 some failed or could not be taken up, 130 some are left to
        be done.
    """
    folder.resume()
    if missing := put_back_missing(folder, "client"):
        click.echo(
            f"Results of {number_of(len(missing), 'unit')} are not there any more, and are written "
            f"again: {named(missing)}.",
            err=True,
        )
    standings: Mapping[str, Standing] = folder.standings()
    untaken: list[str] = []
    if watched is not None or not all(standing.is_at_end for standing in standings.values()):
        with (
            signals_cancel() as cancel,
            nullcontext(untaken) if watched is None else taking_up(watched) as untaken,
            surveying(folder),
            BatchProgress(folder, quiet=quiet) as progress,
        ):
            for look in conduct(folder, engine, cancel):
                progress.show(look)
                standings = look.standings
    _tell(folder, standings)
    code = exit_code(wholes(folder.units(), standings))
    return max(code, FAILED) if untaken else code


def write_script(folder: BatchFolder, script: str, path: Path, *, overwrite: bool) -> int:
    """Write an array job that does a batch, for somebody to submit.

    Parameters
    ----------
    folder : BatchFolder
    script : str
        See `script_for`.
    path : Path
    overwrite : bool

    Raises
    ------
    OutputError
        If the script cannot be written.
    """
    from napari_sa2va.writers.paths import replacing

    folder.resume()
    with replacing(path, overwrite=overwrite) as new:
        new.write_text(script, encoding="utf-8")
        new.chmod(0o755)
    click.echo(f"Wrote {path}; submit it as its first lines say, as often as you like.")
    click.echo(f"How far it is:  {batch_line('status', folder.path)}")
    click.echo(f"At the end:     {folder.path / 'report.html'}")
    return DONE


def _tell(folder: BatchFolder, standings: Mapping[str, Standing]) -> None:
    """What came of the units, where the rest is, and what can be done now."""
    counts = counted(standings)
    if causes := causes_of(standings):
        print_problems(causes)
        click.echo()
    movies = wholes(folder.units(), standings)
    click.echo(f"Units:   {counts_in_words(counted(movies))}")
    give_account(folder)
    if counts["waiting"] or counts["running"]:
        click.echo(f"Go on:   {batch_line(folder.path)}")
    elif counts["failed"] or counts["unfit"]:
        click.echo(f"Again:   {batch_line('retry', folder.path)} && {batch_line(folder.path)}")
