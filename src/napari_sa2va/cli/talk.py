"""What `ask`, `caption` and `describe` share: flags, and how answers are got, shown and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.cli.clip_flags import clip_flags
from napari_sa2va.cli.flags import preset_flag, settings_flags
from napari_sa2va.cli.main import DONE, NOTHING_FOUND
from napari_sa2va.cli.outputs import RunOutputs, output_flags
from napari_sa2va.cli.run_to_files import run_to_files
from napari_sa2va.core.errors import RequestError

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.reply import Reply
    from napari_sa2va.pipeline.conversation import Conversation

# Settings that say which frames of a movie are looked at: a single frame has no use for them.
OF_KEY_FRAMES = ("sampling", "tracking.num_prompt_frames")

FRAME_HELP = "Frame that it is about, counted from 0.  [default: the middle one]"


def talk_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that all three commands have."""
    for option in reversed(
        (
            click.option(
                "--track/--no-track", "through_movie", default=None,
                help="Carry the masks of the answer to every frame, or leave them where the model "
                "has looked.  [default: yes for a movie, no for one frame]",
            ),
            click.option(
                "--answer", multiple=True,
                help="Take this answer instead of asking the model, once per question.",
            ),
            click.option("--quiet", "-q", is_flag=True, help="Show no progress."),
        )
    ):  # fmt: skip
        command = option(command)
    return preset_flag(
        output_flags("nothing is written, or beside --overlay INPUT's name with _labels.ome.tif")(
            clip_flags(command)
        )
    )


def add_settings_flags(command: click.Command, *without: str) -> None:
    """After the flags of the command itself, those of the settings, but for some of them."""
    # Each phrase of an answer is an object of its own, whichever number of them an answer has.
    flags = settings_flags("output.several_masks", *without)
    command.params += [flag.option for flag in flags]


def check_answers(answers: Sequence[str], most: int, what: str) -> None:
    """Refuse given answers that nothing would be done with.

    Parameters
    ----------
    answers : sequence of str
    most : int
        How many there can be.
    what : str
        What each of them answers.

    Raises
    ------
    RequestError
        If there are too many, or one is empty.
    """
    if len(answers) > most:
        raise RequestError(
            f"{len(answers)} answers were given for {most} {what}{'' if most == 1 else 's'}.",
            f"Give at most one per {what}.",
        )
    if "" in answers:
        raise RequestError("The given answer is empty.", "Leave it out to let the model speak.")


def chosen_frame(clip: Clip, frame: int | None) -> int:
    """The frame that was asked for, or the middle one.

    Raises
    ------
    RequestError
        If the clip has no such frame.
    """
    if frame is not None and frame >= clip.num_frames:
        raise RequestError(
            f"There is no frame {frame}: the clip has frames 0 to {clip.num_frames - 1}.",
            "Give --frame another number.",
        )
    return clip.num_frames // 2 if frame is None else frame


def checked_outputs(
    input_path: Path | str,
    outputs: Sequence[Path],
    kind: str | None,
    overlay: Path | None,
    *,
    overwrite: bool,
) -> RunOutputs | None:
    """The files to write, found out before anything is computed; None if none is asked for."""
    if not outputs and overlay is None:
        return None
    return RunOutputs.named(input_path, outputs, kind, overlay, overwrite=overwrite)


def show(reply: Reply) -> None:
    """Print a question, its answer, and the things in it that have a mask."""
    click.echo(f"> {reply.question}")
    click.echo(reply.text or "(no words)")
    for number, phrase in enumerate(reply.phrases, 1):
        click.echo(f"  {number}. {phrase.name}")
    for note in reply.notes:
        click.echo(f"Note: {note}", err=True)


def answer_all(
    talk: Conversation,
    turns: Iterable[Callable[[], Reply]],
    outputs: RunOutputs | None,
    *,
    through_movie: bool | None,
    quiet: bool,
) -> int:
    """Get the answers one after the other, show them, and draw what they point at.

    What was answered before an error or Ctrl-C is drawn all the same.

    Parameters
    ----------
    talk : Conversation
    turns : iterable of callable
        Each gets one answer.
    outputs : RunOutputs or None
        The files to draw to, if any were asked for.
    through_movie : bool or None
        See `Conversation.run_replies`.
    quiet : bool
        Whether to show no progress.

    Returns
    -------
    int
        The exit code.
    """
    if outputs is not None:
        outputs.check_clip(talk.clip)
    for note in talk.notes:
        click.echo(f"Note: {note}", err=True)
    replies: list[Reply] = []
    try:
        for turn in turns:
            replies.append(turn())
            show(replies[-1])
    except (Exception, KeyboardInterrupt):
        if outputs is not None and any(reply.phrases for reply in replies):
            click.echo(
                "Stopped; drawing what was answered so far. Press Ctrl-C to leave it.", err=True
            )
            _draw(talk, replies, outputs, through_movie=through_movie, quiet=quiet)
        raise
    if outputs is None:
        return DONE
    return _draw(talk, replies, outputs, through_movie=through_movie, quiet=quiet)


def _draw(
    talk: Conversation,
    replies: Iterable[Reply],
    outputs: RunOutputs,
    *,
    through_movie: bool | None,
    quiet: bool,
) -> int:
    pointing = [reply for reply in replies if reply.phrases]
    if not pointing:
        click.echo("No answer points at anything: there is no mask to write.", err=True)
        return NOTHING_FOUND
    return run_to_files(
        talk.clip,
        talk.prompts(*pointing),
        lambda cancel: talk.run_replies(pointing, through_movie=through_movie, cancel=cancel),
        outputs,
        quiet=quiet,
    )
