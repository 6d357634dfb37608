"""Finding the movie of a project again: where it was, beside the project, or by what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from glob import iglob
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.axes import relabel
from napari_sa2va.core.clip import Clip, make_clip
from napari_sa2va.core.errors import ClipError, Sa2vaError
from napari_sa2va.core.privacy import as_glob
from napari_sa2va.project.clip_entry import ClipEntry
from napari_sa2va.project.clip_keeping import fingerprints_of, know
from napari_sa2va.project.folder_reading import Manifest, read_manifest
from napari_sa2va.project.footage import Footage
from napari_sa2va.readers.open import read_recording
from napari_sa2va.readers.opening import OpenArguments

if TYPE_CHECKING:
    from napari_sa2va.core.recording import Recording

# A folder may be a disk full of movies.
_MOST_ENTRIES = 20_000
_MOST_COMPARED = 50
_MOST_SAID = 8


def find_footage(
    folder: str | PathLike[str],
    *,
    video: str | PathLike[str] | None = None,
    look_in: Sequence[str | PathLike[str]] = (),
) -> Footage:
    """Open the pixels of a project, just as they were.

    They are looked for in the project itself, where they were, where they were as seen from the
    project, and then beside and below the project folder and in other folders: first by the file's
    name, then among files of its size. A file is taken only if its pixels are those of the project.

    Parameters
    ----------
    folder : path
        The project.
    video : path, optional
        The file, folder or pattern; nothing else is tried then.
    look_in : sequence of path
        Folders in which to look, and below them.

    Returns
    -------
    Footage

    Raises
    ------
    ProjectError
        If there is no such project.
    ClipError
        If the movie is not found; the message says what was tried.
    """
    home = Path(folder).expanduser().resolve()
    manifest = read_manifest(home)
    entry = manifest.clip
    if entry is None:
        raise ClipError(
            f"The project {home} has no movie: it was made without one.",
            "Make a new project with the movie.",
        )
    tried: list[str] = []
    for path in _places(entry, home, video, look_in):
        footage, why_not = _open(path, entry, manifest)
        if footage is not None:
            return footage
        tried.append(f"{path} ({why_not})")
    if entry.note and video is None and not tried:
        raise ClipError(
            entry.note, "Open the movie that the project was made with, and go on there."
        )
    said = [
        *tried[:_MOST_SAID],
        *([f"{len(tried) - _MOST_SAID} more"] if tried[_MOST_SAID:] else []),
    ]
    raise ClipError(
        f"The movie of the project {home.name} was not found. Tried: {'; '.join(said) or 'nothing'}.",
        f"Put {_name_of(entry) or 'it'} beside the project folder, or name it: --input FILE on the "
        "command line, find_footage(folder, video=...) in Python.",
    )


def _name_of(entry: ClipEntry) -> str:
    """The file's name, also of a path of another system."""
    return (entry.path or "").replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _places(
    entry: ClipEntry,
    home: Path,
    video: str | PathLike[str] | None,
    look_in: Sequence[str | PathLike[str]],
) -> Iterator[Path]:
    """Where the movie may be, the likeliest first; each place once."""
    seen: set[Path] = set()
    for path in _all_places(entry, home, video, look_in):
        if path not in seen:
            seen.add(path)
            yield path


def _all_places(
    entry: ClipEntry,
    home: Path,
    video: str | PathLike[str] | None,
    look_in: Sequence[str | PathLike[str]],
) -> Iterator[Path]:
    name = _name_of(entry)
    if video is not None:
        given = Path(video).expanduser().absolute()
        yield given
        if name and given.is_dir():
            yield from _named_like(given / name)
        return
    if entry.embedded is not None:
        yield home / entry.embedded
    if not name:
        return
    if entry.path is not None:
        yield from _named_like(Path(entry.path))
    if entry.relative_path is not None:
        yield from _named_like(Path(os.path.normpath(home / entry.relative_path)))
    folders = [home.parent, home, *(Path(f).expanduser().absolute() for f in look_in)]
    for folder in folders:
        yield from (path for path in _named_like(folder / name) if _is_there(path))
    files = list(_files_below((home, *folders[2:], home.parent)))
    yield from (path for path in files if path.name == name)
    if entry.num_bytes is not None:
        same_size = (path for path in files if _size(path) == entry.num_bytes)
        yield from (path for path, _ in zip(same_size, range(_MOST_COMPARED), strict=False))


def _named_like(path: Path) -> Iterator[Path]:
    """A path; if words about a patient were taken out of it, all paths that it may have been."""
    yield path
    pattern = as_glob(str(path))
    if pattern is not None:
        yield from map(Path, islice(iglob(pattern), _MOST_COMPARED))


def _files_below(folders: Sequence[Path]) -> Iterator[Path]:
    """Files of folders, of each those at the top first; a bound keeps a whole disk out."""
    ahead, seen, count = list(folders), set[Path](), 0
    while ahead and count < _MOST_ENTRIES:
        folder = ahead.pop(0)
        if folder in seen:
            continue
        seen.add(folder)
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for path in entries:
            count += 1
            if path.is_dir() and not path.is_symlink():
                ahead.append(path)
            yield path


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _is_there(path: Path) -> bool:
    is_pattern = any(c in path.name for c in "*?[")
    try:
        return path.exists() or (is_pattern and any(path.parent.glob(path.name)))
    except (OSError, ValueError):  # no name that this system could have
        return False


def _open(path: Path, entry: ClipEntry, manifest: Manifest) -> tuple[Footage | None, str]:
    """Open a candidate; if it is not the movie, why not."""
    if not _is_there(path):
        return None, "is not there"
    try:
        entry = entry.model_copy(update={"arguments": entry.arguments or _plainly(entry)})
        recording = read_recording(path, series=entry.arguments[0].series)
        footage = footage_of(recording, entry, manifest.planes)
        if fingerprints_of(footage) != entry.fingerprints:
            return None, "holds other pixels"
    except Sa2vaError as error:
        return None, error.message.rstrip(".")
    except OSError as error:
        return None, error.strerror or str(error)
    clip = footage.first
    if (clip.num_frames * manifest.planes, clip.height, clip.width) != manifest.shape:
        return None, "has another size than the masks"
    know(footage, path, entry)
    return footage, ""


def _plainly(entry: ClipEntry) -> tuple[OpenArguments, ...]:
    """How to open a file to which somebody wrote pixels that the project did not keep."""
    described = entry.described
    return (OpenArguments(limits=described.limits, colors=described.tints or None),)


def footage_of(recording: Recording, entry: ClipEntry, planes: int) -> Footage:
    """The pixels of a recording, chosen and shown as an entry says.

    Raises
    ------
    Sa2vaError
        If the recording does not have them.
    """
    if len(entry.arguments) != planes:
        raise ClipError(f"The project says how to open {len(entry.arguments)} of {planes} planes.")

    @cache
    def plane(number: int) -> Clip:
        arguments: dict[str, Any] = entry.arguments[number].as_keywords()
        arguments.pop("series", None)
        named = relabel(recording, arguments.pop("axes", None), arguments.pop("rgb", None))
        return entry.described.put_back(make_clip(named, **arguments))

    def across(frame: int) -> Clip:
        import dask.array as da

        stack = da.stack([plane(number).frames[frame] for number in range(planes)])
        first = plane(0)
        return replace(first, frames=stack, time_axis="Z", frame_interval_s=None)

    return Footage(planes, plane, across if planes > 1 else None)
