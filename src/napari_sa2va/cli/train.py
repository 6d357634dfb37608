"""`napari-sa2va train`: make the checkpoint that ships with the package, from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from napari_sa2va.cli.flags import flags_of
from napari_sa2va.cli.main import DONE
from napari_sa2va.settings_fields import validated
from napari_sa2va.training.nano import STAGES, train_nano
from napari_sa2va.training.settings import NanoSettings


@click.group()
def train() -> None:
    """Train a checkpoint."""


@train.command(params=[flag.option for flag in flags_of(NanoSettings)])
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("nano"), show_default=True,
    help="Folder for the state of every stage; the checkpoint goes into its checkpoint/.",
)  # fmt: skip
@click.option(
    "--stage", "stages", multiple=True, type=click.Choice(STAGES),
    help="Train this stage only; may be given more than once. All by default.",
)  # fmt: skip
@click.option("--anew", is_flag=True, help="Do not take up what is in the output folder.")
def nano(output: Path, stages: tuple[str, ...], anew: bool, **values: Any) -> int:
    """Train the small Sa2VA on generated movies; stop it at any time and call it again."""
    given = {name: value for name, value in values.items() if value is not None}
    settings = validated(NanoSettings, given)

    def report(stage: str, step: int, steps: int, values: dict[str, float]) -> None:
        told = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
        click.echo(f"{stage:<7} {step:>6}/{steps}  {told}")

    folder = train_nano(settings, output, report, stages=stages or STAGES, resume=not anew)
    click.echo(f"The checkpoint is in {folder}" if folder else f"The state is in {output}")
    return DONE
