"""`napari-sa2va formats`: what is read and what is written."""

from __future__ import annotations

import click
from rich.table import Table

from napari_sa2va.cli.main import DONE
from napari_sa2va.cli.terminal import console


@click.command()
def formats() -> int:
    """List the formats that are read, and those in which masks are written.

    -o PATH of `segment`, `export` and others takes the format that the ending of PATH says;
    --format takes the name in the first column.
    """
    from napari_sa2va.readers import READERS
    from napari_sa2va.writers import WRITERS

    read = Table(title="Read", title_justify="left", box=None, pad_edge=False)
    for column in ("format", "files", "axes", "what it can tell", "needs"):
        read.add_column(column, overflow="fold")
    for reader in READERS:
        about = reader.FORMAT
        files = [*about.extensions, *(["folders"] if about.folders else [])]
        read.add_row(about.title, " ".join(files), about.axes, about.facts, about.extra)

    written = Table(title="Written", title_justify="left", box=None, pad_edge=False)
    for column in ("--format", "format", "files", "what is kept", "needs"):
        written.add_column(column, overflow="fold")
    for writer in WRITERS:
        about = writer.FORMAT
        files = [*about.suffixes, *(["a folder"] if about.is_folder else [])]
        written.add_row(about.kind, about.title, " ".join(files), about.keeps, about.extra)

    out = console()
    out.print(read)
    out.print()
    out.print(written)
    click.echo(
        '\nWhat is under "needs" is an extra of this package: pip install "napari-sa2va[NAME]", '
        'or "napari-sa2va[formats]" for all of them.'
    )
    return DONE
