"""The flags that say who does the units of a batch, read off the fields of the engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pydantic import Field

from napari_sa2va.batch.engines import AnyEngine, Dask, Engine, Local
from napari_sa2va.batch.engines.cluster import Cluster
from napari_sa2va.batch.engines.local import gpus
from napari_sa2va.batch.engines.script import array_script
from napari_sa2va.cli.flags import Flag, flags_of, settings_flags
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params
from napari_sa2va.settings_fields import validated
from napari_sa2va.writers.paths import check_output


class _Asked(Params):
    """What is asked of a batch about its workers."""

    engine: AnyEngine = Field(
        Local(),
        description="Who does the work. local: processes on this machine, one per GPU. here: this "
        "process. dask: a cluster of dask.distributed. slurm, pbs, lsf, sge: jobs of a batch "
        "system.  [default: local]",
    )


def engine_options() -> list[click.Option]:
    """Return the flag of the engine, and one per field of any engine."""
    return [flag.option for flag in _flags()]


def engine_of(values: dict[str, Any]) -> Engine:
    """The engine that the flags ask for, which are taken out of the values.

    Raises
    ------
    RequestError
        If a value is out of bounds, or a flag was given that is for another engine.
    """
    choice, *others = _flags()
    kind = values.pop(choice.variable) or Local().kind
    fields: dict[str, Any] = {"kind": kind}
    for flag in others:
        value = values.pop(flag.variable)
        if value is None:
            continue
        if kind not in flag.field.owners:
            raise RequestError(
                f"{flag.option.opts[0]} was given, but the engine is {kind!r}.",
                f"It is for {', '.join(flag.field.owners)}.",
            )
        fields[flag.path.partition(".")[2]] = value
    return validated(_Asked, {"engine": fields}).engine


def script_for(engine: Engine, place: Path, path: Path, *, overwrite: bool) -> str:
    """An array job for a batch, which need not be there yet.

    Parameters
    ----------
    engine : Engine
    place : Path
        Of the batch folder.
    path : Path
        Where it is to be written.
    overwrite : bool

    Raises
    ------
    RequestError
        If the engine is no batch system.
    BatchError
        If the batch folder's path cannot stand in it.
    OutputError
        If it cannot be written there.
    """
    if not isinstance(engine, Cluster):
        raise RequestError(
            f"There is no array job for the engine {engine.model_dump()['kind']!r}.",
            "Name the batch system: --engine slurm, pbs, lsf or sge.",
        )
    check_output(path, overwrite)
    return array_script(engine, place)


def is_on_this_machine(engine: Engine) -> bool:
    """Whether the work is done on the machine where the command was given."""
    if isinstance(engine, Dask):
        return not engine.scheduler
    return not isinstance(engine, Cluster)


def num_workers(engine: Engine) -> int:
    """How many workers an engine will have; at least so many where only a cluster can tell."""
    if isinstance(engine, Cluster):
        return engine.jobs * engine.workers_per_job
    if isinstance(engine, Local):
        return engine.workers or max(len(gpus()), 1) * (engine.per_device or 1)
    if isinstance(engine, Dask) and is_on_this_machine(engine):
        return engine.workers or max(len(gpus()), 1)
    return 1


def _flags() -> list[Flag]:
    """The flag of the engine comes first. What the settings have a flag for has no second one."""
    taken = {flag.variable for flag in settings_flags()}
    return [flag for flag in flags_of(_Asked) if flag.variable not in taken]
