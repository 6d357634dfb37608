"""`napari-sa2va evaluate`: how good a model is on movies with known masks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from napari_sa2va.cli.flags import apply_flags, settings_flags
from napari_sa2va.cli.main import DONE
from napari_sa2va.presets import DEFAULT_PRESET, PRESETS, preset


@click.command()
@click.option(
    "--preset", "preset_name", default=DEFAULT_PRESET, show_default=True,
    type=click.Choice(list(PRESETS)), help="Which published system to evaluate.",
)  # fmt: skip
@click.option("--movies", type=click.IntRange(1), default=100, show_default=True,
              help="How many generated movies, about eight sentences each.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Another seed gives other held-out movies.")  # fmt: skip
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write it here.")
def evaluate(
    preset_name: str, movies: int, seed: int, json_path: Path | None, **values: Any
) -> int:
    """Score a model on generated movies that it was not trained on."""
    settings = apply_flags(preset(preset_name), values)
    if json_path is not None:
        from napari_sa2va.writers.paths import check_output

        check_output(json_path, overwrite=True)

    from napari_sa2va.evaluation import Report, evaluate_generated
    from napari_sa2va.pipeline.loaded import load

    def progress(done: int, report: Report) -> None:
        if sys.stderr.isatty():
            click.echo(
                f"\r{done}/{movies} movies, J&F so far {report.overall:.3f}", nl=False, err=True
            )

    report = evaluate_generated(
        load(settings.model), movies, seed, settings=settings, progress=progress
    )
    click.echo(f"\npreset {settings.preset}\n{report}")
    if json_path is not None:
        from napari_sa2va.writers.record import write_record

        summary = {"settings": json.loads(settings.model_dump_json()), **report.to_json()}
        write_record(json_path, summary, overwrite=True)
    return DONE


# After the flags of the command itself, those of the settings.
evaluate.params += [flag.option for flag in settings_flags()]
