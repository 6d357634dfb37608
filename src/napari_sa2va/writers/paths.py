"""Where results may go: checked before a run, and never half-written.

Every writer writes to a temporary name in the same folder and renames it when it is complete, so
a file that bears the final name is whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from time import time
from uuid import uuid4
from zlib import crc32

from napari_sa2va.core.errors import OutputError

Ready = Callable[[], None]
"""Called when all is written, right before it is put in its place. If it raises, what was there stays."""

_DIGITS = 8
# A name may have 255 bytes, and a letter four.
_MOST_LETTERS = 40
# Nobody writes one file for so long without a pause. What is older was left by a process that ended.
_STALE_S = 86_400.0


def check_output(path: str | PathLike[str], overwrite: bool = False) -> None:
    """Find out whether a file can be written, before any work is done for it.

    Parameters
    ----------
    path : path
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    OutputError
        If the folder is missing or not writable, if the path is a folder, or if the file is there
        and must not be replaced.
    """
    path = Path(path)
    try:
        _check_place(path, overwrite)
        # Trying is the only way to know: permission bits say little about root and network drives.
        trial = _temporary(path)
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}).",
            "Choose a folder you may write to, and a name that it takes.",
        ) from error


def check_new_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that has something in it, unless it may be replaced.

    Raises
    ------
    OutputError
    """
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise OutputError(
            f"The folder {folder} is there already.",
            "Choose another name, or allow it to be overwritten (--overwrite).",
        )


def _check_place(path: Path, overwrite: bool) -> None:
    folder = path.parent
    if not folder.is_dir():
        if folder.exists():
            raise OutputError(f"{folder} is a file, not a folder.", "Choose another output path.")
        raise OutputError(
            f"{path} cannot be written: there is no folder {folder}.", "Make it, or choose another."
        )
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", "Give the name of a file in it.")
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} is there already.",
            "Choose another name, or allow it to be overwritten (--overwrite).",
        )


def at_once() -> None:
    """Be ready for anything."""


@contextmanager
def replacing(
    path: str | PathLike[str], overwrite: bool = False, *, ready: Ready = at_once
) -> Iterator[Path]:
    """Give a temporary name to write to, and rename it to `path` if all went well.

    Parameters
    ----------
    path : path
        Final name.
    overwrite : bool
        Whether a file of that name may be replaced.
    ready : callable, optional
        See `Ready`.

    Yields
    ------
    Path
        In the same folder, with the same suffix.

    Raises
    ------
    OutputError
        As `check_output`, also of what somebody else wrote meanwhile, or if writing fails (a full
        disk, say). Nothing is left behind then.
    """
    path = Path(path)
    check_output(path, overwrite)
    with suppress(OSError):
        for left in _begun(path):
            if time() - left.stat().st_mtime > _STALE_S:
                left.unlink()
    temporary = _temporary(path)
    try:
        yield temporary
        _flush(temporary)
        _check_place(path, overwrite)  # somebody else may have written it meanwhile
        ready()
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error}).", "Is the disk full?"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Make sure that it is on the disk before what it replaces is gone."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def clear_begun(path: Path) -> None:
    """Delete what others have begun to write to this file, and have not put in its place.

    A process that still wrote it will fail; so nobody else may have anything to write there.
    """
    with suppress(OSError):
        for begun in _begun(path):
            begun.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{_start(path)}{uuid4().hex[:_DIGITS]}{path.suffix}")


def _start(path: Path) -> str:
    """How temporary names begin: short, and for this file alone."""
    stem = path.stem
    if len(stem) > _MOST_LETTERS:
        stem = f"{stem[: _MOST_LETTERS - 9]}-{crc32(os.fsencode(stem)):08x}"
    return f".{stem}-"


def _begun(path: Path) -> list[Path]:
    """The temporary names there are for a file."""
    name = re.compile(
        f"{re.escape(_start(path))}[0-9a-f]{{{_DIGITS}}}{re.escape(path.suffix)}", re.DOTALL
    )
    return [other for other in path.parent.iterdir() if name.fullmatch(other.name)]
