"""`napari-sa2va batch INPUTS...`: a new batch, or one that is brought up to date or gone on with."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.planning.changes import OutdatedPlan, bring_up_to_date
from napari_sa2va.batch.planning.plan import Planned
from napari_sa2va.cli.batch.dry_run import dry_run
from napari_sa2va.cli.batch.engine import engine_of, script_for
from napari_sa2va.cli.batch.flags import NOT_OF_UNITS, SECTIONS
from napari_sa2va.cli.batch.go_on import go_on, write_script
from napari_sa2va.cli.batch.request import BatchRequest, command_line, refuse_flags_of_new_units
from napari_sa2va.cli.batch.words import number_of, print_problems
from napari_sa2va.cli.main import BAD_REQUEST
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.shell_line import batch_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from napari_sa2va.batch.engines import Engine
    from napari_sa2va.batch.problem import Problem
    from napari_sa2va.batch.unit import Unit

ARGUMENTS = "napari_sa2va.batch.arguments"
"""Where the group leaves in the context what was typed behind it."""


@click.command(hidden=True)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUTS...")
@click.pass_context
def run(ctx: click.Context, inputs: tuple[str, ...], **values: Any) -> int:
    """Segment what sentences name in many movies; nothing is lost whatever happens meanwhile.

    INPUTS are movies, folders of them, patterns in quotation marks, plates of OME-Zarr, or tables
    (.csv, .tsv, .parquet) with a column path. Further columns are name, prompts, output, how the
    movie is opened (series, axes, time, z, channels, limits, colors, box) and every flag under "The
    settings of a unit". Or the folder of a batch, to go on with it.

    \b
    napari-sa2va batch movies -p "the bright cell" -p "the worm" --dry-run
    napari-sa2va batch "day*/**/*.nd2" --prompts words.txt -o "{folder}/{name}_{set}.ome.tif"
    napari-sa2va batch mice.csv -p "the mouse" --into /data/night --engine slurm --jobs 8
    """  # fmt: skip
    engine = engine_of(values)
    if values["watch"] and values["write_script"] is not None:
        raise RequestError(
            "--watch takes up movies as long as this command runs, and --write-script ends it.",
            "Leave one of them out.",
        )
    watched = None
    if len(inputs) == 1 and BatchFolder.is_one(inputs[0]):
        refuse_flags_of_new_units(_given(ctx), Path(inputs[0]))
        folder = BatchFolder.open(inputs[0])
        if values["dry_run"]:
            settings = {u.settings: folder.settings_of(u) for u in folder.units().values()}
            return dry_run(folder.units(), settings, folder.path, engine, values)
        script = _engine_is_ready(engine, folder.path, values)
        if not _may_go_on(folder, values):
            return BAD_REQUEST
    else:
        request = BatchRequest.of(inputs, values)
        if values["dry_run"]:
            _, known = _there_at(request.place)
            planned = request.planned(known.values(), fetches=False)
            return dry_run(planned.units, planned.settings, request.place, engine, values)
        script = _engine_is_ready(engine, request.place, values)
        added_to = _with_what_was_asked(request, values, ctx.meta.get(ARGUMENTS, ()))
        if added_to is None:
            return BAD_REQUEST
        folder, watched = added_to, request if values["watch"] else None
    folder.change_head(**{name: values[name] for name in _OF_HEAD if values[name]})
    if script:
        return write_script(folder, script, values["write_script"], overwrite=values["overwrite"])
    with folder.tending():
        return go_on(folder, engine, watched, quiet=values["quiet"])


run.params += [option for options in SECTIONS.values() for option in options]
# With a batch that is gone on with, its units and its folder are known.
_HOLD_FOR_ALL = {"inputs", *NOT_OF_UNITS} - {"into", "watch"}
_OF_HEAD = ("attempts", "overwrite", "allow_other_versions", "log_level", "table_format")


def _given(ctx: click.Context) -> list[str]:
    """The flags that were given and say what the units are."""
    return [
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name not in _HOLD_FOR_ALL
        and ctx.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]


def _engine_is_ready(engine: Engine, place: Path, values: dict[str, Any]) -> str:
    """Refuse an engine that cannot do its work before anything is made; the script if one is wanted."""
    path, overwrite = values["write_script"], values["overwrite"]
    if path is None:
        engine.check(place)
        return ""
    return script_for(engine, place, path, overwrite=overwrite)


def _there_at(place: Path) -> tuple[BatchFolder | None, Mapping[str, Unit]]:
    """The batch folder at a place, if there is one, and the units that it has or had."""
    if not BatchFolder.is_one(place):
        return None, {}
    folder = BatchFolder.open(place)
    return folder, folder.units_ever()


def _may_begin(
    there: BatchFolder | None, place: Path, planned: Planned, values: dict[str, Any]
) -> bool:
    """Print what cannot be done, as far as that can be known without opening all movies."""
    from napari_sa2va.batch.outlook import still_to_do, written_by
    from napari_sa2va.batch.preflight import preflight
    from napari_sa2va.batch.room import lack_of_room

    may_replace = values["overwrite"] or (there is not None and there.head.overwrite)
    todo = still_to_do(there, planned.units)
    return _is_wished(
        [
            *preflight(
                todo, planned.settings, written_by(there), place=place, overwrite=may_replace
            ),
            *lack_of_room(todo, place),
        ],
        values,
    )


def _may_go_on(folder: BatchFolder, values: dict[str, Any]) -> bool:
    """Print that there is too little room for what is left of a batch."""
    from napari_sa2va.batch.outlook import still_to_do
    from napari_sa2va.batch.room import lack_of_room

    return _is_wished(lack_of_room(still_to_do(folder, folder.units()), folder.path), values)


def _is_wished(problems: Sequence[Problem], values: dict[str, Any]) -> bool:
    """Print problems; whether to begin all the same."""
    if not problems:
        return True
    print_problems(problems, err=True)
    click.echo(err=True)
    if values["skip_broken"]:
        return True
    click.echo(
        f"Nothing was begun: {number_of(len(problems), 'problem')} (--skip-broken does all other "
        "units, --dry-run opens the movies and finds more).",
        err=True,
    )
    return False


def _with_what_was_asked(
    request: BatchRequest, values: dict[str, Any], typed: Sequence[str]
) -> BatchFolder | None:
    """The batch folder with the units that were asked for; None if there are problems, which are told.

    They are planned anew as often as somebody else has added others meanwhile: planning may open long
    movies, so that it cannot keep all others waiting.
    """
    tells, planned = True, Planned({}, {}, {})
    while True:
        there, known = _there_at(request.place)
        if not values["watch"]:  # else movies come later
            planned = request.planned(known.values(), tells=tells)
            _, now = _there_at(request.place)
            if now.keys() - known:  # their results would seem to be in the way
                tells = False
                continue
        if not _may_begin(there, request.place, planned, values):
            return None
        try:
            return _brought_up_to_date(there, request, planned, typed, known=known)
        except OutdatedPlan:
            tells = False


def _brought_up_to_date(
    there: BatchFolder | None,
    request: BatchRequest,
    planned: Planned,
    typed: Sequence[str],
    *,
    known: Collection[str],
) -> BatchFolder:
    """The batch folder with the units that were asked for; a new one if there is none."""
    from napari_sa2va.pipeline.record import package_versions

    asked = {
        "command": command_line(typed),
        "directory": str(Path.cwd()),
        "inputs": request.inputs,
    }
    if there is None:
        _check_free(request.place)
        versions = {"python": platform.python_version(), **package_versions()}
        folder = BatchFolder.open_or_create(request.place, BatchHead(**asked, versions=versions))
    else:
        folder = there
    folder.change_head(**asked, weights=planned.weights)
    changes = bring_up_to_date(folder, planned.units.values(), planned.settings, known=known)
    said = f"{folder.path}: {number_of(len(changes.new), 'new unit')}"
    if there is not None:
        said += f", {len(changes.changed)} changed, {len(changes.same)} as before"
    click.echo(f"{said}.", err=True)
    if changes.others:
        first = folder.units()[changes.others[0]]
        stay = "stays" if len(changes.others) == 1 else "stay"
        click.echo(
            f"{number_of(len(changes.others), 'unit')} of earlier commands {stay}, such as "
            f"{first.unit_id}: {'; '.join(first.sentences)}. To take units out: "
            f"{batch_line('remove', folder.path, 'NAMES')}",
            err=True,
        )
    return folder


def _check_free(place: Path) -> None:
    """Refuse a folder in which there is something else.

    Raises
    ------
    RequestError
    """
    if not BatchFolder.may_be_one(place):
        raise RequestError(
            f"{place} has other files in it, and is no batch folder.",
            "Name a new folder with --into.",
        )
