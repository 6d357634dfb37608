"""The flags that say how a file is to be read as a clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.core.errors import RequestError

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.intensity import Limits


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

    channels, limits, box = values["channels"], values["limits"], values["box"]
    return open_clip(
        path,
        axes=values["axes"],
        time=values["time_axis"],
        z=None if values["z"] is None else _number(values["z"]),
        channels=None if channels is None else [_number(c) for c in channels.split(",")],
        limits=None if limits is None else _limits(limits),
        colors=None if values["colors"] is None else _colors(values["colors"]),
        box=None if box is None else _box(box),
        series=series_of(values["series"]),
        growing=values["growing"],
    )


def series_of(text: str | None) -> int | str | None:
    """What --series names: a number where it is one."""
    return None if text is None else _number(text)


def _limits(text: str) -> Limits | list[Limits]:
    try:
        pairs = [tuple(float(part) for part in pair.split(",")) for pair in text.split(";")]
        limits = [(low, high) for low, high in pairs]
    except ValueError:
        raise RequestError(
            f"--limits {text!r} is not two numbers, or two for each channel.",
            "Write them as low,high, such as 100,4000, or as low,high;low,high.",
        ) from None
    return limits[0] if len(limits) == 1 else limits


def _colors(text: str) -> str | list[str]:
    colors = [part.strip() for part in text.split(",")]
    return colors[0] if len(colors) == 1 else colors


def _box(text: str) -> tuple[int, ...]:
    try:
        y0, x0, y1, x1 = (int(part) for part in text.split(","))
    except ValueError:
        raise RequestError(
            f"--box {text!r} is not four whole numbers.",
            "Write rows and columns as y0,x0,y1,x1; the last ones are not included.",
        ) from None
    return y0, x0, y1, x1


def _number(text: str) -> int | str:
    return int(text) if text.strip().isdecimal() else text.strip()
