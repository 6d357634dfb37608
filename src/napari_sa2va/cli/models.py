"""`napari-sa2va models`: what is known, what is on this machine, and what it needs."""

from __future__ import annotations

import sys
from textwrap import shorten
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from napari_sa2va.cli.main import DONE
from napari_sa2va.core.errors import CheckpointError

if TYPE_CHECKING:
    from napari_sa2va.models.zoo import ModelEntry

# Characters of a complaint that fit into a row.
_SHOWN = 160


@click.command()
@click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32",
    show_default=True, help="Number format for which the memory is stated.",
)  # fmt: skip
@click.option("--here", is_flag=True, help="Show only what is on this machine.")
def models(dtype: str, here: bool) -> int:
    """List the models that can be named, with licence, size and the memory they need."""
    from napari_sa2va.models.zoo import known_models

    # No markup: a folder may have brackets in its name.
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    for column in ("name", "hub id", "licence", "on disk", f"memory, {dtype}", "on this machine"):
        table.add_column(column, overflow="fold")
    for entry in known_models():
        if here and entry.folder is None:
            continue
        table.add_row(
            entry.name,
            entry.hub_id or "ships with the package",
            entry.licence,
            *_weights(entry, dtype),
        )
    console.print(table)
    click.echo("A folder that holds a checkpoint can be given in place of a name.")
    return DONE


def _weights(entry: ModelEntry, dtype: str) -> tuple[str, str, str]:
    """Size on disk, memory needed, and where the weights are or what is wrong with them."""
    from napari_sa2va.models.zoo import memory_needed

    state = str(entry.folder) if entry.folder else "no"
    try:
        on_disk = "" if entry.num_bytes is None else _size(entry.num_bytes)
        memory = f"about {_size(memory_needed(entry, dtype))}"
    except CheckpointError as error:
        return "", "", shorten(f"damaged: {error.message}", _SHOWN, placeholder=" ...")
    return on_disk, memory, state


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"
