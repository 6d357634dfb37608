"""Which of several series, positions or arrays of a file is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.core.flag_names import asked

_MOST_NAMED = 12


def choose(
    path: Path,
    choices: Sequence[tuple[int | str, str]],
    wanted: int | str | None,
    *,
    noun: str = "series",
) -> int:
    """Position of the series that is meant.

    Parameters
    ----------
    path : Path
        For messages.
    choices : sequence of (int or str, str)
        What can be asked for, and what it is, for people.
    wanted : int, str or None
        A key, or else a position from 0. None is enough where there is only one.
    noun : str
        What the choices are, in the plural.

    Raises
    ------
    SeriesError
        If there are several and none was chosen, or there is no such one.
    ClipError
        If there are none at all.
    """
    if not choices:
        raise ClipError(f"{path} holds no {noun} that are images.", "Is it another kind of file?")
    keys = [str(key) for key, _ in choices]
    named = ", ".join(keys[:_MOST_NAMED]) + (", ..." if len(keys) > _MOST_NAMED else "")
    if wanted is None:
        if len(choices) == 1:
            return 0
        message = f"{path} holds {len(keys)} {noun}: {named}."
        hint = f"Choose one of them, for example {asked('series', choices[0][0])}."
        raise SeriesError(message, hint, choices)
    key = str(wanted).strip()
    if key in keys:
        return keys.index(key)
    if key.isdecimal() and int(key) < len(keys):
        return int(key)
    raise SeriesError(
        f"{path} has no series {wanted!r}.", f"Choose out of these {noun}: {named}.", choices
    )
