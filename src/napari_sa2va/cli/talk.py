"""What `ask`, `caption` and `describe` share: their flags, and how an answer is shown and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.cli.clip_flags import clip_flags
from napari_sa2va.cli.flags import settings_flags
from napari_sa2va.cli.main import DONE, NOTHING_FOUND
from napari_sa2va.cli.outputs import Outputs, output_flags
from napari_sa2va.cli.run_to_files import run_to_files

if TYPE_CHECKING:
    from napari_sa2va.core.reply import Reply
    from napari_sa2va.pipeline.conversation import Conversation
    from napari_sa2va.settings import RunSettings

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
    return output_flags("nothing is written")(clip_flags(command))


def add_settings_flags(command: click.Command) -> None:
    """After the flags of the command itself, those of the settings."""
    command.params += [flag.option for flag in settings_flags()]


def checked_outputs(
    input_path: Path, output: Path | None, overlay: Path | None, *, overwrite: bool
) -> Outputs | None:
    """The files to write, found out before anything is computed; None if none is asked for."""
    if output is None and overlay is None:
        return None
    outputs = Outputs.named(input_path, output, overlay, overwrite=overwrite)
    outputs.check(input_path)
    return outputs


def show(reply: Reply) -> None:
    """Print a question, its answer, and the things in it that have a mask."""
    click.echo(f"> {reply.question}")
    click.echo(reply.text or "(no words)")
    for number, phrase in enumerate(reply.phrases, 1):
        click.echo(f"  {number}. {phrase.name}")
    for note in reply.notes:
        click.echo(f"Note: {note}", err=True)


def draw(
    talk: Conversation,
    replies: Iterable[Reply],
    settings: RunSettings,
    outputs: Outputs | None,
    *,
    through_movie: bool | None,
    quiet: bool,
) -> int:
    """Draw what the answers point at, if files are asked for.

    Returns
    -------
    int
        The exit code.
    """
    pointing = [reply for reply in replies if reply.phrases]
    if outputs is None:
        return DONE
    if not pointing:
        click.echo("No answer points at anything: there is no mask to write.", err=True)
        return NOTHING_FOUND
    return run_to_files(
        talk.clip,
        talk.prompts(*pointing),
        lambda cancel: talk.run_replies(
            pointing, settings, through_movie=through_movie, cancel=cancel
        ),
        outputs,
        quiet=quiet,
    )
