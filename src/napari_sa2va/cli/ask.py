"""`napari-sa2va ask`: questions about a movie or one of its frames, in turns."""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import click

from napari_sa2va.cli.clip_flags import input_argument, open_input
from napari_sa2va.cli.flags import apply_flags, given_flags
from napari_sa2va.cli.talk import (
    OF_KEY_FRAMES,
    add_settings_flags,
    answer_all,
    check_answers,
    checked_outputs,
    chosen_frame,
    talk_flags,
)
from napari_sa2va.core.errors import RequestError
from napari_sa2va.presets import preset


@click.command()
@input_argument
@click.argument("questions", metavar="QUESTION...", nargs=-1, required=True)
@click.option("--frame", type=click.IntRange(0),
              help="Talk about this frame, counted from 0, instead of the whole movie.")  # fmt: skip
@talk_flags
def ask(
    input_path: Path | str,
    questions: tuple[str, ...],
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
    """Ask about INPUT; each QUESTION hears what was said before it.

    A text that names something ("the large cell", "now the one to its left") asks for its masks,
    a question for an answer. With -o the masks of all answers are written.

    \b
    napari-sa2va ask movie.tif "How many cells are there?" "the largest one" -o largest.ome.tif
    """
    useless = given_flags(values, *OF_KEY_FRAMES) if frame is not None else []
    if useless:
        raise RequestError(
            f"{', '.join(useless)} was given, but the question is about frame {frame} alone.",
            "Leave out either.",
        )
    settings = apply_flags(preset(preset_name), values)
    check_answers(answer, len(questions), "question")

    from napari_sa2va.cli.progress import fetch_model
    from napari_sa2va.pipeline.conversation import Conversation, check_texts

    check_texts(questions)
    files = checked_outputs(input_path, outputs, kind, overlay, overwrite=overwrite)
    clip = open_input(input_path, values)
    if frame is not None:
        chosen_frame(clip, frame)
    fetch_model(settings.model, quiet=quiet)
    if frame is None:
        talk = Conversation.about_movie(clip, None, settings=settings)
    else:
        talk = Conversation.about_frame(clip, None, frame, settings=settings)
    turns = [partial(talk.say, q, answer=given) for q, given in zip_longest(questions, answer)]
    return answer_all(talk, turns, files, through_movie=through_movie, quiet=quiet)


add_settings_flags(ask)
