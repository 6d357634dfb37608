"""`napari-sa2va segment`: a file and a sentence in, labels and a run record out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from napari_sa2va.cli.clip_flags import clip_flags, input_argument, open_input
from napari_sa2va.cli.flags import apply_flags, preset_flag, settings_flags
from napari_sa2va.cli.outputs import RunOutputs, output_flags
from napari_sa2va.cli.run_to_files import run_to_files
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.presets import preset


@click.command()
@input_argument
@click.argument("sentence")
@click.option("--prompt", "-p", "more", multiple=True, help="One more sentence; may be repeated.")
@preset_flag
@output_flags("INPUT's name with _labels.ome.tif, in the current folder")
@clip_flags
@click.option(
    "--answer", multiple=True,
    help="Take this answer instead of asking the model, once per sentence.",
)  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@click.pass_context
def segment(
    ctx: click.Context,
    input_path: Path | str,
    sentence: str,
    more: tuple[str, ...],
    preset_name: str,
    outputs: tuple[Path, ...],
    kind: str | None,
    overlay: Path | None,
    overwrite: bool,
    answer: tuple[str, ...],
    quiet: bool,
    **values: Any,
) -> int:
    """Segment what SENTENCE names in every frame of INPUT.

    INPUT is a file, a folder or an address; `napari-sa2va formats` lists what is read.

    \b
    napari-sa2va segment movie.tif "the bright cell" -o cell.ome.tif --overlay cell.png
    napari-sa2va segment movie.tif "the cells" -o cells.coco.json -o cells.csv
    """
    settings = apply_flags(preset(preset_name), values)
    prompts = PromptSet.from_texts([sentence, *more])
    files = RunOutputs.named(input_path, outputs, kind, overlay, overwrite=overwrite)
    clip = open_input(input_path, values)
    files.check_clip(clip)

    from napari_sa2va.pipeline.run import run

    return run_to_files(
        clip,
        prompts,
        lambda cancel: run(clip, prompts, settings, answers=answer or None, cancel=cancel),
        files,
        quiet=quiet,
    )


# After the flags of the command itself, those of the settings.
segment.params += [flag.option for flag in settings_flags()]
