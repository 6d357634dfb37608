"""The flags that say how a file is to be read as a clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.readers.opening import OpenArguments, number_or_name

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip


class _Input(click.ParamType):
    """A file or folder, or an address, which a path would spoil."""

    name = "input"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        if isinstance(value, Path) or "://" in str(value):
            return value
        return Path(str(value))


input_argument = click.argument("input_path", metavar="INPUT", type=_Input())

series_flag = click.option(
    "--series", metavar="NUMBER|NAME",
    help="Which series, position or data set of a file that holds several; `napari-sa2va info` "
    "lists them.",
)  # fmt: skip

growing_flag = click.option(
    "--growing", is_flag=True,
    help="The file or folder is still being written: take the frames that are complete.",
)  # fmt: skip

_FLAGS = (
    click.option("--axes", help="Axes of the data, such as TZCYX, where the file does not say."),
    click.option("--time", "time_axis", help="Axis that plays as time, such as T or Z."),
    click.option("--z", help="Which z: a plane's number, max or mean."),
    click.option(
        "--channels",
        help="One to three channels (number or name), as red,green,blue; any number with --colors.",
    ),
    click.option(
        "--limits",
        help="Intensities shown black and white: low,high; per channel: low,high;low,high.",
    ),
    click.option(
        "--colors",
        help="The colour of every channel, to be added up: green,magenta or #00ff00,#ff00ff; "
        "file: those that the file names.",
    ),
    click.option("--box", metavar="y0,x0,y1,x1", help="Rows and columns to look at, in px."),
    series_flag,
    growing_flag,
)


def clip_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command."""
    for option in reversed(_FLAGS):
        command = option(command)
    return command


def open_input(path: Path | str, values: dict[str, Any]) -> Clip:
    """Open a command's input as its flags say."""
    from napari_sa2va.readers.open import open_clip

    return open_clip(path, **arguments_of(values).as_keywords())


def arguments_of(values: dict[str, Any]) -> OpenArguments:
    """What the flags say of how a file is opened.

    Raises
    ------
    RequestError
        If one of them makes no sense.
    """
    flags = ("axes", "z", "channels", "limits", "colors", "box", "series")
    texts = {flag: values[flag] for flag in flags} | {"time": values["time_axis"]}
    given = {flag: text for flag, text in texts.items() if text is not None}
    arguments = OpenArguments.from_texts(given, said="--{}")
    return arguments.model_copy(update={"growing": values["growing"] or None})


def series_of(text: str | None) -> int | str | None:
    """What --series names: a number where it is one."""
    return None if text is None else number_or_name(text)
