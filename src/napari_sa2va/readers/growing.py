"""Recordings that are still being written: how much is there, and the clip of what is there now.

Of a file or folder that grows, `open_clip(path, growing=True)` gives the frames that are complete.
`reread` gives those of later. Whether more is to come nobody can say; whether something came since
the last look says `extent`: two that are equal, some seconds apart, are of a recording that rests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.readers.open import open_clip


@dataclass(frozen=True)
class Extent:
    """How much of a recording is on disk.

    Attributes
    ----------
    num_files : int
    num_bytes : int
    changed_ns : int
        When a file was last written, in ns since 1970; 0 if there is none.
    """

    num_files: int = 0
    num_bytes: int = 0
    changed_ns: int = 0


def extent(path: str | PathLike[str]) -> Extent:
    """How much is there now; opens nothing.

    Parameters
    ----------
    path : path
        A file, a folder with all that lies in it, or a pattern. For a set of files name their
        folder. What is not there yet has the extent of nothing.
    """
    num_files = num_bytes = changed_ns = 0
    for file in _files(Path(fspath(path)).expanduser()):
        try:
            found = file.stat()
        except FileNotFoundError:  # renamed since it was listed: programs write to such names
            continue
        num_files += 1
        num_bytes += found.st_size
        changed_ns = max(changed_ns, found.st_mtime_ns)
    return Extent(num_files, num_bytes, changed_ns)


def reread(clip: Clip) -> Clip:
    """The clip as its file or folder is now, opened as it was opened, with the limits that it has.

    Parameters
    ----------
    clip : Clip
        Of a file or folder, whether it was opened as one that grows or not.

    Returns
    -------
    Clip
        With all frames that are complete now; the old clip stays as it is.

    Raises
    ------
    RequestError
        If the clip is of an array.
    ClipError
        If the file cannot be read any more.
    """
    if clip.source is None:
        raise RequestError("A clip of an array cannot be read again.", "Open the array once more.")
    asked = {**clip.opened_with, "limits": clip.limits, "box": clip.box, "growing": True}
    return open_clip(clip.source, name=clip.name, **asked)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (f for f in path.rglob("*") if f.is_file())
    elif path.is_file():
        yield path
    elif path.parent.is_dir():
        yield from (f for f in path.parent.glob(path.name) if f.is_file())
