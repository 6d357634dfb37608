"""Making a file that only one of many programs can make, on whatever drive."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def create_exclusively(path: Path, text: str) -> bool:
    """Write a file that must not be there yet, all at once.

    Parameters
    ----------
    path : Path
    text : str

    Returns
    -------
    bool
        False if it is there: of several who try, one gets True.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    new = path.with_name(f".{path.name}-{uuid4().hex[:8]}")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)
        except FileExistsError:
            # A network drive may have done it, lost its own answer, and been asked again.
            return new.stat().st_nlink == 2
        except OSError:  # a file system that knows no second name of a file
            return _create_in_place(path, text)
        return True
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


def _create_in_place(path: Path, text: str) -> bool:
    """The same for a file that others may see half written."""
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(text)
    except BaseException:  # nobody could tell it from a file that somebody else is writing
        with suppress(OSError):
            path.unlink()
        raise
    return True
