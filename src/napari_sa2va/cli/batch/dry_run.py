"""What `napari-sa2va batch --dry-run` prints: what would be done, what it takes, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from os import sep
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from napari_sa2va.batch.problem import Problem
from napari_sa2va.cli.batch.engine import is_on_this_machine, num_workers
from napari_sa2va.cli.batch.words import (
    basis_of,
    in_json,
    number_of,
    print_json,
    print_problems,
)
from napari_sa2va.cli.main import BAD_REQUEST, DONE
from napari_sa2va.cli.terminal import console
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.models.jobs import gigabytes
from napari_sa2va.pipeline.estimate import about

if TYPE_CHECKING:
    from napari_sa2va.batch.engines import Engine
    from napari_sa2va.batch.outlook import Outlook
    from napari_sa2va.batch.unit import Facts, Unit
    from napari_sa2va.settings import RunSettings

_MOST_UNITS = 20
_LONGEST = 44
# Less is not worth a number.
_LEAST_BYTES = 1_000_000


def dry_run(
    units: Mapping[str, Unit],
    settings: Mapping[str, RunSettings],
    place: Path,
    engine: Engine,
    values: Mapping[str, Any],
) -> int:
    """Print what a batch would do.

    Parameters
    ----------
    units : mapping of str to Unit
    settings : mapping of str to RunSettings
        By digest.
    place : Path
        Of the batch folder.
    engine : Engine
    values : mapping
        What click parsed.

    Returns
    -------
    int
        0, or 2 if something is wrong.
    """
    from napari_sa2va.batch.outlook import outlook

    with Progress(
        console=Console(stderr=True, quiet=values["quiet"], highlight=False), transient=True
    ) as bar:
        task = bar.add_task("Opening movies", total=len(units))
        found = outlook(
            units,
            settings,
            place,
            overwrite=values["overwrite"],
            is_here=is_on_this_machine(engine),
            tell=lambda done, total: bar.update(task, completed=done, total=total),
        )
    try:
        if values["write_script"] is None:
            engine.check(place)
    except Sa2vaError as error:
        found = replace(found, problems=(Problem.of(error), *found.problems))
    workers = num_workers(engine)
    if values["as_json"]:
        print_json(_in_json(found, units, workers))
    else:
        _print_units(units, found.facts, place)
        for line in _sums(found, workers):
            click.echo(line)
        _print_problems(found.problems)
    return BAD_REQUEST if found.problems else DONE


def _print_units(units: Mapping[str, Unit], facts: Mapping[str, Facts], place: Path) -> None:
    todo = [unit for unit_id, unit in units.items() if unit_id in facts]
    if not todo:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("unit", "frames", "size", "sentences", "time", "first output"):
        table.add_column(column, overflow="fold")
    for unit in islice(todo, _MOST_UNITS):
        known = facts[unit.unit_id]
        table.add_row(
            unit.unit_id,
            str(known.num_frames) if known.num_frames else "?",
            f"{known.height} × {known.width}" if known.height else "?",
            shorten(" | ".join(unit.sentences), _LONGEST, placeholder="…"),
            "?" if known.seconds is None else about(known.seconds),
            unit.outputs[0].path.removeprefix(f"{place}{sep}") if unit.outputs else "",
        )
    console().print(table)
    if len(todo) > _MOST_UNITS:
        click.echo(f"... and {len(todo) - _MOST_UNITS} more; --json lists all.")
    click.echo()


def _print_problems(problems: Sequence[Problem]) -> None:
    """What is wrong, and what becomes of the batch by it."""
    refused = [problem for problem in problems if not problem.fails_alone]
    alone = [problem for problem in problems if problem.fails_alone]
    if refused:
        click.echo("\nNothing will begin because of this:")
        print_problems(refused)
    if alone:
        click.echo("\nThese units will fail, and all others will be done:")
        print_problems(alone)
    said = number_of(len(problems), "problem") if problems else "No problems"
    skip = " With --skip-broken only the units that are named fail." if refused else ""
    if problems:
        click.echo()
    click.echo(f"{said}.{skip}")


def _sums(found: Outlook, workers: int) -> list[str]:
    left = found.left
    finished = left.num_units - left.num_left
    said = f", {finished} finished already" if finished else ""
    lines = [f"{number_of(left.num_units, 'unit')}{said}."]
    if not left.num_left:
        return lines
    if (seconds := left.seconds_with(workers)) is not None:
        start = f"; {about(left.load_s)} of it to load the model" if left.load_s else ""
        lines.append(
            f"Time: about {about(seconds + left.load_s)} ({basis_of(left, workers)}{start}); "
            f"the longest {about(left.longest_s)}."
        )
    if left.most_bytes:
        lines.append(f"Memory: at most {gigabytes(left.most_bytes)} for one unit.")
    lines.append(
        f"Disk: about {gigabytes(max(left.disk_bytes, _LEAST_BYTES))}, within a factor of three; "
        f"{gigabytes(found.free_bytes)} are free."
    )
    for model, num_bytes in found.downloads.items():
        most = f", at most {gigabytes(num_bytes)}" if num_bytes else ""
        lines.append(f"Download: the model {model} is not on this machine{most}.")
    return lines


def _in_json(found: Outlook, units: Mapping[str, Unit], workers: int) -> dict[str, object]:
    left = found.left
    seconds = left.seconds_with(workers)
    return {
        "left": {
            **asdict(left),
            "workers": workers,
            "seconds_with_them": None if seconds is None else seconds + left.load_s,
        },
        "free_bytes": found.free_bytes,
        "downloads": dict(found.downloads),
        "problems": [{**in_json(p), "fails_alone": p.fails_alone} for p in found.problems],
        "units": [
            {
                **unit.model_dump(mode="json", exclude={"arguments"}),
                "arguments": unit.arguments.model_dump(mode="json", exclude_none=True),
                "facts": found.facts[unit_id].model_dump(mode="json")
                if unit_id in found.facts
                else None,
            }
            for unit_id, unit in units.items()
        ],
    }
