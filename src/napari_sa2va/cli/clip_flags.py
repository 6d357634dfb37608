"""The flags that say how a file is to be read as a clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_sa2va.core.errors import RequestError

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip

_FLAGS = (
    click.option("--axes", help="Axes of the data, such as TZCYX, where the file does not say."),
    click.option("--time", "time_axis", help="Axis that plays as time, such as T or Z."),
    click.option("--z", help="Which z: a plane's number, max or mean."),
    click.option("--channels", help="One to three channels (number or name), as red,green,blue."),
    click.option("--limits", help="Intensities shown black and white: low,high."),
    click.option("--series", type=int, help="Which image of a file that holds several."),
)


def clip_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command."""
    for option in reversed(_FLAGS):
        command = option(command)
    return command


def open_input(path: Path, values: dict[str, Any]) -> Clip:
    """Open a command's input as its flags say."""
    from napari_sa2va.readers.open import open_clip

    limits = values["limits"]
    channels = values["channels"]
    z = values["z"]
    return open_clip(
        path,
        axes=values["axes"],
        time=values["time_axis"],
        z=int(z) if z is not None and z.isdecimal() else z,
        channels=None if channels is None else [_number(c) for c in channels.split(",")],
        limits=None if limits is None else _limits(limits),
        series=values["series"],
    )


def _limits(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(
            f"--limits {text!r} is not two numbers.", "Write them as low,high, such as 100,4000."
        ) from None
    return low, high


def _number(text: str) -> int | str:
    return int(text) if text.strip().isdecimal() else text.strip()
