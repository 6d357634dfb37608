"""`napari-sa2va evaluate`: how good a model is on movies with known masks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.cli.flags import apply_flags, preset_flag, settings_flags
from napari_sa2va.cli.main import DONE
from napari_sa2va.presets import preset

if TYPE_CHECKING:
    from napari_sa2va.evaluation import Report, TaskReport
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.settings import RunSettings

GENERATED, TASKS, REAL = "generated", "tasks", "real"


@click.command()
@preset_flag
@click.option(
    "--data", default=GENERATED, show_default=True,
    help="generated: movies of the generator that no training saw. tasks: questions, pictures, "
    "captions, marked regions and follow-ups of the generator. real: every real data set, or "
    "the name of one; NAPARI_SA2VA_SHARED names the folder they are in.",
)  # fmt: skip
@click.option("--movies", type=click.IntRange(1), default=100, show_default=True,
              help="How many generated movies, about eight sentences each; for tasks, as many "
              "pictures too.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Another seed gives other generated movies.")  # fmt: skip
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write it here.")
def evaluate(
    preset_name: str,
    data: str,
    movies: int,
    seed: int,
    json_path: Path | None,
    **values: Any,
) -> int:
    """Score a model on movies with known masks."""
    settings = apply_flags(preset(preset_name), values)
    if json_path is not None:
        from napari_sa2va.writers.paths import check_output

        check_output(json_path, overwrite=True)

    from napari_sa2va.cli.progress import load_model

    model = load_model(settings.model)
    reports: Sequence[Report | TaskReport]
    if data == GENERATED:
        from napari_sa2va.evaluation import evaluate_generated

        reports = [
            evaluate_generated(model, movies, seed, settings=settings, progress=_show_progress)
        ]
    elif data == TASKS:
        from napari_sa2va.evaluation import evaluate_tasks

        reports = [evaluate_tasks(model, movies, seed, progress=_show_progress)]
    else:
        reports = _on_real_clips(model, data, settings)
    if data != TASKS:  # which are decoded frame by frame, whatever the preset
        click.echo(f"preset {settings.preset}")
    for report in reports:
        click.echo(f"\n{report}")
    if json_path is not None:
        from napari_sa2va.writers.record import write_record

        summary = {
            "settings": settings.model_dump(mode="json"),
            "reports": [report.to_json() for report in reports],
        }
        write_record(json_path, summary, overwrite=True)
    return DONE


def _on_real_clips(model: Sa2VA, data: str, settings: RunSettings) -> list[Report]:
    from napari_sa2va.evaluation import evaluate as score
    from napari_sa2va.evaluation.real import DATASETS, real_examples

    names = DATASETS if data == REAL else (data,)
    return [
        score(
            model, real_examples(name), title=f"{model.name} on {name}", settings=settings,
            progress=_show_progress,
        )
        for name in names
    ]  # fmt: skip


def _show_progress(done: int, report: Report | TaskReport) -> None:
    """Show a line that overwrites itself, to people only."""
    if sys.stderr.isatty():
        click.echo(f"\r{done} done, mean score so far {report.overall:.3f}", nl=False, err=True)


# After the flags of the command itself, those of the settings.
evaluate.params += [flag.option for flag in settings_flags()]
