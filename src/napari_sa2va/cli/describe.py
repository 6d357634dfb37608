"""`napari-sa2va describe`: what a marked region of a frame shows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

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
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import Point, Prompt
from napari_sa2va.presets import preset

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.reply import Reply
    from napari_sa2va.pipeline.conversation import Conversation


@click.command()
@input_argument
@click.option(
    "--region", "-r", "regions", multiple=True, required=True,
    help="What to describe: a box y0,x0,y1,x1 or a point y,x in px, or an image file of masks, "
    "each of whose labels is a region. May be repeated.",
)  # fmt: skip
@click.option("--question", help="Ask this instead, calling the regions region1, region2 ...")
@click.option("--frame", type=click.IntRange(0), help=FRAME_HELP)
@talk_flags
def describe(
    input_path: Path | str,
    regions: tuple[str, ...],
    question: str | None,
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
    """Describe marked regions of a frame of INPUT.

    \b
    napari-sa2va describe movie.tif --region 20,30,80,90 --frame 12
    napari-sa2va describe movie.tif --region 52,61 --question "Is region1 round?"
    """
    from napari_sa2va.cli.progress import fetch_model
    from napari_sa2va.pipeline.conversation import Conversation, check_texts

    settings = apply_flags(preset(preset_name), values)
    if question is not None:
        check_texts([question])
    files = checked_outputs(input_path, outputs, kind, overlay, overwrite=overwrite)
    clip = open_input(input_path, values)
    chosen = chosen_frame(clip, frame)
    marks = [mark for text in regions for mark in _marks(text, chosen, clip)]
    marks = [replace(mark, object_id=number) for number, mark in enumerate(marks, 1)]
    if question is None:
        check_answers(answer, len(marks), "region")
    else:
        check_answers(answer, 1, "question")

    fetch_model(settings.model, quiet=quiet)
    talk = Conversation.about_frame(clip, None, chosen, marks, settings=settings)
    click.echo(f"Frame {chosen}", err=True)
    if question is not None:
        turns = [partial(talk.ask, question, answer=next(iter(answer), None))]
    else:
        numbers = range(1, len(marks) + 1)
        turns = [partial(_described, talk, n, given) for n, given in zip_longest(numbers, answer)]
    return answer_all(talk, turns, files, through_movie=through_movie, quiet=quiet)


add_settings_flags(describe, *OF_KEY_FRAMES, "view")


def _described(talk: Conversation, region: int, answer: str | None) -> Reply:
    talk.forget()  # each region is described for itself, as in training
    return talk.describe(region, answer=answer)


def _marks(text: str, frame: int, clip: Clip) -> list[Prompt]:
    """The regions that one --region names."""
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return _marks_of_file(Path(text), frame, clip)
    if len(numbers) == 4:
        y0, x0, y1, x1 = numbers
        return [Prompt(1, "region", frame=frame, box=(y0, x0, y1, x1))]
    if len(numbers) == 2:
        y, x = numbers
        return [Prompt(1, "region", frame=frame, points=(Point(y, x),))]
    raise RequestError(
        f"--region {text!r} has {len(numbers)} numbers.",
        "Give a box y0,x0,y1,x1, a point y,x, or an image file of masks.",
    )


def _marks_of_file(path: Path, frame: int, clip: Clip) -> list[Prompt]:
    """Every label of an image of masks, (Y, X) or (T, Y, X), is a region."""
    from napari_sa2va.readers.open import read_recording

    data = read_recording(path).data
    if data.ndim == 3 and len(data) == clip.num_frames and clip.num_frames > 1:
        data = data[frame]
    labels = np.asarray(data)
    if labels.shape != (clip.height, clip.width):
        raise RequestError(
            f"The masks of {path} have the shape {labels.shape}, the frames "
            f"({clip.height}, {clip.width}).",
            "Give masks of the frames' size, one for the frame or one for each.",
        )
    if not _is_whole(labels):
        raise RequestError(
            f"The masks of {path} hold values of {labels.dtype} that are no whole numbers on frame "
            f"{frame}.",
            "Give labels: 0 for the background, and a number for each region.",
        )
    ids = [int(i) for i in np.unique(labels) if i]
    if not ids:
        raise RequestError(
            f"The masks of {path} are empty on frame {frame}.", "Mark something on that frame."
        )
    return [Prompt(1, f"label {i}", frame=frame, mask=labels == i) for i in ids]


def _is_whole(labels: np.ndarray) -> bool:
    """Whether all values are whole numbers, also such as are stored as floats."""
    if labels.dtype.kind in "biu":
        return True
    return bool(np.isfinite(labels).all() and (labels == np.round(labels)).all())
