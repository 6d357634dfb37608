"""`napari-sa2va caption`: what is on a frame, each named thing with its mask."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from napari_sa2va.cli.clip_flags import input_argument, open_input
from napari_sa2va.cli.flags import apply_flags
from napari_sa2va.cli.talk import (
    FRAME_HELP,
    OF_KEY_FRAMES,
    add_settings_flags,
    answer_all,
    check_answers,
    checked_outputs,
    chosen_frame,
    talk_flags,
)
from napari_sa2va.presets import preset


@click.command()
@input_argument
@click.option("--frame", type=click.IntRange(0), help=FRAME_HELP)
@talk_flags
def caption(
    input_path: Path | str,
    frame: int | None,
    preset_name: str,
    outputs: tuple[Path, ...],
    kind: str | None,
    overlay: Path | None,
    overwrite: bool,
    through_movie: bool | None,
    answer: tuple[str, ...],
    quiet: bool,
    **values: Any,
) -> int:
    """Describe a frame of INPUT; with -o, every thing that the caption names becomes an object.

    \b
    napari-sa2va caption movie.tif --frame 12 -o things.ome.tif --track
    """
    settings = apply_flags(preset(preset_name), values)
    check_answers(answer, 1, "caption")
    files = checked_outputs(input_path, outputs, kind, overlay, overwrite=overwrite)
    clip = open_input(input_path, values)
    chosen = chosen_frame(clip, frame)

    from napari_sa2va.cli.progress import fetch_model
    from napari_sa2va.pipeline.conversation import Conversation

    fetch_model(settings.model, quiet=quiet)
    talk = Conversation.about_frame(clip, None, chosen, settings=settings)
    click.echo(f"Frame {chosen}", err=True)
    turns = [partial(talk.caption, answer=next(iter(answer), None))]
    return answer_all(talk, turns, files, through_movie=through_movie, quiet=quiet)


add_settings_flags(caption, *OF_KEY_FRAMES, "view")
