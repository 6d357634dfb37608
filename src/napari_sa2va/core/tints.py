"""Tints: the colours of channels, as tables that turn 8-bit grey values into RGB.

A tint is kept as a short text, so that a clip stays small and its description is plain JSON:
"#00ff00" runs from black to that colour, and "table:" is followed by the 256 x 3 bytes of any
other table in base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from napari_sa2va.core.errors import RequestError

ColorRequest = str | np.ndarray
"""The name of a colour, "#rrggbb", a table of shape (256, 3), or a tint's text."""

GREY = "#ffffff"
"""The tint of a channel that is shown grey."""

_TABLE = "table:"
_NAMES = {
    "grey": GREY,
    "gray": GREY,
    "white": GREY,
    "red": "#ff0000",
    "green": "#00ff00",
    "blue": "#0000ff",
    "cyan": "#00ffff",
    "magenta": "#ff00ff",
    "yellow": "#ffff00",
    "orange": "#ffa500",
}
_PLAIN = ((GREY,), ("#ff0000", "#00ff00"), ("#ff0000", "#00ff00", "#0000ff"))


def tints_of(colors: ColorRequest | Sequence[ColorRequest], num_channels: int) -> tuple[str, ...]:
    """Tints of the channels of a clip.

    Parameters
    ----------
    colors : str, ndarray or sequence of them
        One per channel; of a single channel also alone.
    num_channels : int

    Returns
    -------
    tuple of str
        One per channel, or empty if they say what happens without them: one channel is grey, two
        are red and green, three are red, green and blue.

    Raises
    ------
    RequestError
        If a colour is not known, or there are more or fewer than channels.
    """
    if isinstance(colors, str) or (isinstance(colors, np.ndarray) and colors.ndim == 2):
        colors = [colors]
    tints = tuple(as_tint(color) for color in colors)
    if len(tints) != num_channels:
        raise RequestError(
            f"{len(tints)} colour(s) were given for {num_channels} channel(s).",
            "Give one for each.",
        )
    return () if tints in _PLAIN else tints


def as_tint(color: ColorRequest) -> str:
    """The tint of a colour, or of a table of integers of shape (256, 3).

    Raises
    ------
    RequestError
        If it is neither.
    """
    if isinstance(color, str):
        text = color.strip()
        text = _NAMES.get(text.lower(), text)
        if not text.startswith(_TABLE):
            text = text.lower()
        table_of(text)  # refuses what is no tint
        return text
    table = np.asarray(color)
    if table.shape != (256, 3) or table.dtype.kind not in "ui" or not _is_byte(table):
        raise RequestError(
            f"A table of colours of shape {table.shape} and type {table.dtype} was given.",
            "Give 256 rows of red, green and blue from 0 to 255.",
        )
    table = table.astype(np.uint8)
    ramp = "#" + table[-1].tobytes().hex()
    if np.array_equal(table_of(ramp), table):
        return ramp
    return _TABLE + base64.b64encode(table.tobytes()).decode("ascii")


def _is_byte(table: np.ndarray) -> bool:
    return bool(table.min() >= 0 and table.max() <= 255)


@lru_cache(maxsize=64)
def table_of(tint: str) -> np.ndarray:
    """The table of a tint: uint8 (256, 3), read-only.

    Raises
    ------
    RequestError
        If the text is no tint.
    """
    if re.fullmatch(r"#[0-9a-f]{6}", tint):
        full = np.frombuffer(bytes.fromhex(tint[1:]), np.uint8)
        table = np.rint(np.arange(256)[:, np.newaxis] * (full / 255.0)).astype(np.uint8)
    else:
        try:
            raw = base64.b64decode(tint.removeprefix(_TABLE), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if not tint.startswith(_TABLE) or len(raw) != 256 * 3:
            names = ", ".join(name for name in _NAMES if name not in ("gray", "white"))
            raise RequestError(
                f"{tint[:40]!r} is no colour of a channel.",
                f"Give #rrggbb, or one of: {names}.",
            )
        table = np.frombuffer(raw, np.uint8).reshape(256, 3).copy()
    table.flags.writeable = False
    return table


def blend(values: Sequence[np.ndarray], tints: Sequence[str]) -> np.ndarray:
    """Channels in their colours, added up.

    Parameters
    ----------
    values : sequence of ndarray of uint8, shape (Y, X)
        Brightness per channel.
    tints : sequence of str
        As many.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
        What adds up to more than 255 is 255.
    """
    rgb = np.zeros((*values[0].shape, 3), np.uint8)
    for color in range(3):
        columns = [
            (table_of(tint)[:, color], grey) for tint, grey in zip(tints, values, strict=True)
        ]
        shining = [(column, grey) for column, grey in columns if column.any()]
        if len(shining) == 1:
            column, grey = shining[0]
            rgb[..., color] = column[grey]
        elif shining:
            total = np.zeros(values[0].shape, np.uint16)
            for column, grey in shining:
                total += column[grey]
            rgb[..., color] = np.minimum(total, 255)
    return rgb
