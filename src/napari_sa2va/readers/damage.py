"""Damaged files: whatever a library raises on one becomes one error that a person can use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_sa2va.core.errors import ClipError, Sa2vaError

_LONGEST = 300


@contextmanager
def as_clip_error(path: str | Path, task: str, hint: str) -> Iterator[None]:
    """Turn every error in the block into a `ClipError`; our own errors pass.

    Libraries promise little about what they raise on damaged files: besides their own types, anything
    from struct.error to RecursionError was seen.

    Parameters
    ----------
    path : str or Path
    task : str
        What cannot be done, to go on "<path> cannot be": "read as CZI".
    hint : str
        What to try, as a full sentence.
    """
    try:
        yield
    except Sa2vaError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        said = said if len(said) <= _LONGEST else said[:_LONGEST] + "..."
        raise ClipError(f"{path} cannot be {task} ({said}).", hint) from error
