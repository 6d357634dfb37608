"""`napari-sa2va models`: what is known, what is on this machine, and what it needs.

The commands that change something are in `model_files`.
"""

from __future__ import annotations

import math
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.table import Table

from napari_sa2va.cli.main import DONE
from napari_sa2va.cli.model_files import import_folder, pull, remove, verify
from napari_sa2va.cli.terminal import console
from napari_sa2va.core.errors import CheckpointError, Sa2vaError
from napari_sa2va.models.jobs import gigabytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sa2va.models.formats import Dtype, Quantisation
    from napari_sa2va.models.sa2va.checkpoint import Checkpoint
    from napari_sa2va.models.sa2va.footprint import Ask
    from napari_sa2va.models.zoo import ModelEntry

# Characters of a complaint that fit into a row.
_SHOWN = 160
_PLACES = {
    "package": "ships with the package",
    "store": "in the folder of models",
    "hub cache": "in the hub's cache",
    "folder": "a folder",
}


_clip_flag = click.option(
    "--clip", "clip_path", metavar="INPUT", type=click.Path(path_type=Path),
    help="State the memory for a run on this movie.  [default: for a short run on a small one]",
)  # fmt: skip


def _list_flags(command: Callable[..., int]) -> Callable[..., int]:
    dtype = click.option(
        "--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32",
        show_default=True, help="Number format for which the memory is stated.",
    )  # fmt: skip
    here = click.option("--here", is_flag=True, help="Show only what is on this machine.")
    return dtype(_clip_flag(here(command)))


@click.group(invoke_without_command=True)
@_list_flags
@click.pass_context
def models(ctx: click.Context, dtype: Dtype, clip_path: Path | None, here: bool) -> int:
    """List the models that can be named, get one, check it, or delete it.

    Without a command it lists them.
    """
    if ctx.invoked_subcommand is None:
        return _print_list(dtype, clip_path, here)
    given = [
        parameter.opts[0]
        for parameter in ctx.command.params
        if ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(
            f"{', '.join(sorted(given))} before {ctx.invoked_subcommand} would be ignored. "
            "Give the flags of a command after it."
        )
    return DONE


@models.command("list")
@_list_flags
def list_models(dtype: Dtype, clip_path: Path | None, here: bool) -> int:
    """List the models that can be named, with licence, size and the memory they need."""
    return _print_list(dtype, clip_path, here)


@models.command()
@click.argument("name")
@_clip_flag
def info(name: str, clip_path: Path | None) -> int:
    """Say all that is known of a model: parts, files, revision, and what it needs to run.

    NAME is a model's name, its hub id, or the folder of a checkpoint.
    """
    from napari_sa2va.models.zoo import find

    entry, ask = find(name), _ask(clip_path)
    out = console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in _facts(entry):
        table.add_row(title, text)
    out.print(table)
    out.print(_memory(entry, ask))
    return DONE


for _command in (pull, verify, remove, import_folder):
    models.add_command(_command)


# -- the list ----------------------------------------------------------------------------------


def _ask(clip_path: Path | None) -> Ask | None:
    """What a run with the default preset and one object on a movie asks of a network."""
    if clip_path is None:
        return None
    from napari_sa2va.pipeline.need import ask_of
    from napari_sa2va.presets import DEFAULT_PRESET, preset
    from napari_sa2va.readers.open import open_clip

    clip = open_clip(clip_path)
    return ask_of(
        preset(DEFAULT_PRESET), num_frames=clip.num_frames, height=clip.height, width=clip.width
    )


def _print_list(dtype: Dtype, clip_path: Path | None, here: bool) -> int:
    from napari_sa2va.models.store import HOME_VARIABLE, home
    from napari_sa2va.models.zoo import known_models

    ask = _ask(clip_path)
    table = Table(box=None, pad_edge=False)
    for column in ("name", "hub id", "licence", "size", f"memory, {dtype}", "on this machine"):
        table.add_column(column, overflow="fold")
    for entry in known_models():
        if here and entry.folder is None:
            continue
        hub_id = entry.hub_id or _PLACES.get(entry.place, "")
        table.add_row(entry.name, hub_id, entry.licence, *_weights(entry, dtype, ask))
    console().print(table)
    click.echo(
        f"Models are fetched to {home()} ({HOME_VARIABLE}). A folder that holds a checkpoint can "
        "be given in place of a name."
    )
    return DONE


def _weights(entry: ModelEntry, dtype: Dtype, ask: Ask | None) -> tuple[str, str, str]:
    """Size, memory needed, and where the weights are or what is wrong with them."""
    from napari_sa2va.models.zoo import memory_needed

    try:
        needed = memory_needed(entry, dtype, ask)
        size = _size(entry)
    except CheckpointError as error:
        return "", "", shorten(f"damaged: {error.message}", _SHOWN, placeholder=" ...")
    known = entry.folder is not None or entry.num_parameters
    return size, f"about {gigabytes(needed)}" if known else "", _state(entry)


def _size(entry: ModelEntry) -> str:
    if entry.num_bytes is not None:
        return gigabytes(entry.num_bytes)
    return f"~{gigabytes(entry.download_bytes)}" if entry.download_bytes else ""


def _state(entry: ModelEntry) -> str:
    from napari_sa2va.models.store import arrived_bytes

    if entry.folder is not None:
        return str(entry.folder)
    arrived = arrived_bytes(entry.name)
    return f"no, {gigabytes(arrived)} have arrived" if arrived else "no"


# -- one model ---------------------------------------------------------------------------------


def _facts(entry: ModelEntry) -> list[tuple[str, str]]:
    from napari_sa2va.models.hub import page_of
    from napari_sa2va.models.sa2va.checkpoint import Checkpoint
    from napari_sa2va.models.store import read_manifest

    facts = [("name", entry.name)]
    if entry.hub_id:
        facts.append(("hub id", f"{entry.hub_id}, {page_of(entry.hub_id)}"))
    facts += [("made from", entry.base), ("licence", entry.licence)]
    if entry.folder is None:
        facts += [
            ("template", entry.template),
            ("size", _size(entry)),
            ("on this machine", f"{_state(entry)}; get it: napari-sa2va models pull {entry.name}"),
        ]
        return [(title, text) for title, text in facts if text]
    checkpoint = Checkpoint.open(entry.folder)
    facts += [
        ("family", _family(checkpoint)),
        ("template", str(checkpoint.config.get("template") or entry.template)),
        ("size", _size(entry)),
        *_parts(checkpoint),
        ("on this machine", f"{_PLACES[entry.place]}: {entry.folder}"),
        ("revision", entry.revision),
    ]
    manifest = read_manifest(entry.folder)
    if manifest is not None:
        origin = f" from {manifest.endpoint}" if manifest.endpoint else ", imported"
        facts.append(("added", f"{manifest.added:%Y-%m-%d %H:%M} UTC{origin}"))
    facts += _files(entry)
    return [(title, text) for title, text in facts if text]


def _family(checkpoint: Checkpoint) -> str:
    from napari_sa2va.models.sa2va.families import family_of

    try:
        return family_of(checkpoint.config).name
    except CheckpointError as error:
        return f"none that can be run: {error.message}"


def _parts(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """Parameters and size of the language model, the vision tower and SAM 2."""
    from napari_sa2va.models.formats import part_of

    titles = {"language": "language model", "vision": "vision tower", "sam2": "SAM 2"}
    counts = {part: [0, 0] for part in titles}
    for name, tensor in checkpoint.tensors.items():
        sums = counts[part_of(name)]
        sums[0] += math.prod(tensor.shape)
        sums[1] += tensor.num_bytes
    return [
        (titles[part], f"{_millions(values)} parameters, {gigabytes(size)}")
        for part, (values, size) in counts.items()
    ]


def _millions(number: int) -> str:
    return f"{number / 1e9:.2f} billion" if number >= 1e9 else f"{number / 1e6:.1f} million"


def _files(entry: ModelEntry) -> list[tuple[str, str]]:
    """Every file, with the beginning of its SHA-256 where that is recorded."""
    from napari_sa2va.models.digests import is_model_file
    from napari_sa2va.models.store import MANIFEST, expected_in

    assert entry.folder is not None
    recorded = {file.name: file.sha256 for file in expected_in(entry.folder)}
    names = sorted(path.name for path in entry.folder.iterdir() if is_model_file(path.name))
    rows = []
    for name in names:
        if name == MANIFEST:
            continue
        sha256 = recorded.get(name, "")
        size = gigabytes((entry.folder / name).stat().st_size)
        rows.append(f"{name}, {size}" + (f", SHA-256 {sha256[:16]}..." if sha256 else ""))
    return [("files" if number == 0 else " ", row) for number, row in enumerate(rows)]


def _memory(entry: ModelEntry, ask: Ask | None) -> Table:
    """What a run needs in each number format, and whether that is free here."""
    from napari_sa2va.models.device import free_memory, pick_device
    from napari_sa2va.models.formats import Formats
    from napari_sa2va.models.zoo import memory_needed

    table = Table(box=None, pad_edge=False)
    for column in ("number format", "memory of a run", "here"):
        table.add_column(column)
    try:
        device = pick_device()
        free = free_memory(device)
    except (Sa2vaError, RuntimeError):  # a driver can fail in any way; `doctor` says how
        free = None
    choices: dict[str, Formats] = {
        "float32": Formats(),
        "bfloat16, float16": Formats("bfloat16", "bfloat16"),
    }
    if entry.folder is not None:  # or else nobody knows how much of it can be packed
        packings: tuple[Quantisation, ...] = ("int8", "int4")
        for packed in packings:
            choices[f"bfloat16, layers in {packed}"] = Formats(
                "bfloat16", "bfloat16", quantise_language=packed, quantise_vision=packed
            )
    elif not entry.num_parameters:
        choices = {}
    for title, formats in choices.items():
        needed = memory_needed(entry, formats, ask)
        here = ""
        if free is not None:
            fits = "fits" if needed <= free else "does not fit"
            here = f"{fits} into the {gigabytes(free)} that {device} has free"
        table.add_row(title, f"about {gigabytes(needed)}", here)
    return table
