"""A folder is written beside the one that it replaces, and takes its place at once.

So there is a whole folder at every moment: the old one until the new one is complete. Between two
renames none bears the name; `settle` puts that right if the process ended just there. What somebody
else has put into the folder stays in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from time import time
from uuid import uuid4

from napari_sa2va.core.errors import OutputError

Own = Callable[[Path, str], bool]
"""From a folder and a path within it, with slashes, to whether that is a file of what is replaced."""

# Nobody writes for so long. What is older was left behind by a process that ended.
_STALE_S = 3600.0
_TRIES = 3


@contextmanager
def replacing_folder(folder: Path, own: Own) -> Iterator[Path]:
    """Give a new folder to write to, and put it where `folder` is, or shall be, if all went well.

    Parameters
    ----------
    folder : Path
        A link stays a link: the folder that it points at is replaced.
    own : callable
        Which files of an old folder of that name go with it; all others are moved over.

    Yields
    ------
    Path
        Beside `folder`.

    Raises
    ------
    OutputError
        If something cannot be written or renamed. `folder` is as it was then.
    """
    folder = folder.resolve()
    settle(folder, own)
    new = _beside(folder, "new")
    try:
        new.mkdir()
        yield new
        _flush(new)
        _swap(new, folder, own)
    except OSError as error:
        raise OutputError(
            f"{folder} could not be written ({error.strerror or error}); what was there before is "
            "as it was.",
            "Is the disk full? May you write there, and has no other program a file of it open?",
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def settle(folder: Path, own: Own) -> None:
    """Put right what a process left that ended while it swapped; does nothing otherwise."""
    folder = folder.resolve()
    with suppress(OSError):
        for left in _left_beside(folder, "old"):
            if not folder.exists():
                left.rename(folder)
            else:
                _clear(left, folder, own)
        for left in _left_beside(folder, "new"):
            if time() - left.stat().st_mtime > _STALE_S:
                shutil.rmtree(left, ignore_errors=True)


def clear_begun_folder(folder: Path) -> None:
    """Delete what others have begun to write for this place, and have not put there.

    A process that still wrote it will fail; so nobody else may have anything to write there.
    """
    folder = folder.resolve()
    with suppress(OSError):
        for begun in _left_beside(folder, "new"):
            # All at once: it cannot be put in its place when half of it is deleted.
            doomed = _beside(folder, "new")
            begun.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


def _beside(folder: Path, role: str) -> Path:
    return folder.with_name(f".{folder.name}-{uuid4().hex[:8]}.{role}")


def _left_beside(folder: Path, role: str) -> list[Path]:
    """What such names there are, the newest first."""
    start, end = f".{folder.name}-", f".{role}"
    length = len(start) + 8 + len(end)
    left = [
        path
        for path in folder.parent.iterdir()
        if path.name.startswith(start) and path.name.endswith(end) and len(path.name) == length
    ]
    return sorted(left, key=lambda path: path.stat().st_mtime, reverse=True)


def _swap(new: Path, folder: Path, own: Own) -> None:
    old = _beside(folder, "old")
    for left in reversed(range(_TRIES)):
        is_there = folder.exists()
        if is_there:
            folder.rename(old)
        try:
            new.rename(folder)
            break
        except OSError:
            # Another process may have put a folder there just now: that one gives way, too.
            if is_there and not folder.exists():
                old.rename(folder)
            if not left or not is_there:
                raise
    if old.exists():
        with suppress(OSError):
            _clear(old, folder, own)


def _clear(old: Path, folder: Path, own: Own) -> None:
    """Delete a folder that was replaced, except what is not its own, which moves over."""
    for path in sorted(old.rglob("*")):
        within = path.relative_to(old)
        if path.is_dir() and not path.is_symlink():
            continue
        if not own(old, within.as_posix()):
            target = _free_name(folder / within)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem} ({n}){path.suffix}") for n in count(2))
    return path if not path.exists() else next(name for name in names if not name.exists())


def _flush(folder: Path) -> None:
    """Make sure that it is on the disk before what it replaces is deleted."""
    for path in folder.rglob("*"):
        # Pixels that were taken over may be in a file that nobody may write to; they are on the disk.
        if path.is_file() and os.access(path, os.W_OK):
            with path.open("rb+") as file:
                os.fsync(file.fileno())
