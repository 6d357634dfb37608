"""What a project writes down of its clip when it is saved, and its pixels if no file holds them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from napari_sa2va.core.errors import ClipError, ProjectError
from napari_sa2va.core.fingerprint import fingerprint
from napari_sa2va.core.privacy import NOBODY
from napari_sa2va.project import embedding
from napari_sa2va.project.clip_entry import ClipEntry, ClipFacts
from napari_sa2va.project.folder_reading import read_manifest
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.reopening import arguments_of, arguments_of_copy
from napari_sa2va.readers.opening import OpenArguments


@dataclass(frozen=True)
class Place:
    """Where the pixels of a footage are, as was found out by comparing them."""

    path: Path
    arguments: tuple[OpenArguments, ...]
    fingerprints: tuple[str, ...]
    state: tuple[int, int] | None

    @property
    def is_as_it_was(self) -> bool:
        """Whether the file has its size and time of then; of a folder nobody knows."""
        return self.state is not None and self.state == state_of(self.path)


# A project is saved often, and its file need not be compared every time.
_places: WeakKeyDictionary[Footage, Place] = WeakKeyDictionary()


def state_of(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change of a file; None of anything else."""
    try:
        return (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None
    except OSError:
        return None


def know(footage: Footage, path: Path, entry: ClipEntry) -> None:
    """Take down that a footage was opened from a file, as an entry says."""
    _places[footage] = Place(path, entry.arguments, entry.fingerprints, state_of(path))


def fingerprints_of(footage: Footage) -> tuple[str, ...]:
    """Of the first plane, and of the last if there are several.

    Raises
    ------
    ClipError
        If a frame cannot be read.
    """
    planes = sorted({0, footage.planes - 1})
    try:
        return tuple(fingerprint(footage.clip_of(plane)) for plane in planes)
    except OSError as error:
        raise ClipError(f"Its frames cannot be read ({error.strerror or error}).") from error


def keep(
    footage: Footage,
    folder: Path,
    into: Path,
    *,
    embed_up_to: int,
    before: ClipEntry | None,
    patient_data: bool = False,
) -> ClipEntry:
    """Describe a clip, and put its pixels into the project if no file has them.

    Parameters
    ----------
    footage : Footage
    folder : Path
        The project's folder, from which paths are counted; absolute.
    into : Path
        The folder that is being written.
    embed_up_to : int
        Most bytes, before compression, that are put into the project.
    before : ClipEntry, optional
        What the folder says until now: pixels that are in it need not be written again.
    patient_data : bool
        Whether what the file says of a person may be written. Else words of it are taken out of the
        path; `find_clip` looks for a file that may have had such a name.

    Returns
    -------
    ClipEntry
        With a note if the pixels were left out.

    Raises
    ------
    ClipError
        If a frame cannot be read.
    OSError
        If the pixels cannot be written.
    """
    place = place_of(footage)
    clip = footage.first
    described = ClipFacts.model_validate(clip.describe(patient_data=patient_data))
    private = NOBODY if patient_data else clip.private
    if place is not None and not is_embedded(place.path):
        state = state_of(place.path)
        relative = _relative(place.path, folder)
        return ClipEntry(
            described=described,
            fingerprints=place.fingerprints,
            path=private.redact(str(place.path)),
            relative_path=relative and private.redact(relative),
            num_bytes=None if state is None else state[0],
            arguments=place.arguments,
        )
    fingerprints = fingerprints_of(footage) if place is None else place.fingerprints
    entry = ClipEntry(described=described, fingerprints=fingerprints)
    if place is not None:
        # It is played from the file in a project, be it this one or the one it was saved as before.
        _copy(place.path, folder, into)
        return entry.model_copy(update={"embedded": place.path.name, "arguments": place.arguments})
    if before is not None and before.embedded and before.fingerprints == fingerprints:
        there = folder / before.embedded
        if there.is_file():
            _copy(there, folder, into)
            return entry.model_copy(update={"embedded": there.name, "arguments": before.arguments})
    return _embedded(entry, footage, into, embed_up_to)


def carry_over(entry: ClipEntry, old: Path, folder: Path, into: Path) -> ClipEntry:
    """Keep what a project says of its clip, which is not at hand, while it is saved again.

    Parameters
    ----------
    entry : ClipEntry
    old, folder : Path
        The folder that it was read from, and the one that it is saved as; absolute.
    into : Path
        The folder that is being written.

    Raises
    ------
    OSError
        If the pixels in the old folder cannot be copied.
    """
    if entry.embedded is not None and (old / entry.embedded).is_file():
        _copy(old / entry.embedded, folder, into)
    if entry.relative_path is None or old == folder:
        return entry
    path = Path(os.path.normpath(old / entry.relative_path))
    return entry.model_copy(update={"relative_path": _relative(path, folder)})


def is_embedded(path: Path) -> bool:
    """Whether a file is the pixels that a project keeps."""
    if path.name not in embedding.NAMES:
        return False
    try:
        clip = read_manifest(path.parent).clip
    except ProjectError:
        return False
    return clip is not None and clip.embedded == path.name


def place_of(footage: Footage) -> Place | None:
    """Find out where the pixels of a footage are; None if no file has them."""
    known = _places.get(footage)
    if known is not None and known.is_as_it_was:
        return known
    source = footage.first.source
    if source is None:
        return None
    path = Path(source).expanduser().absolute()
    arguments = arguments_of(footage, path)
    if arguments is None:
        return None
    place = Place(path, arguments, fingerprints_of(footage), state_of(path))
    _places[footage] = place
    return place


def _embedded(entry: ClipEntry, footage: Footage, into: Path, embed_up_to: int) -> ClipEntry:
    size = embedding.num_bytes(footage)
    if size > embed_up_to:
        note = (
            f"No file holds the pixels of this clip, and they are not in the project either: they "
            f"take {_said(size)}, and {_said(embed_up_to)} were allowed. Masks can be looked at and "
            "measured, but not replayed."
        )
        return entry.model_copy(update={"note": note})
    path = embedding.embed(footage, into)
    arguments = arguments_of_copy(footage, path)
    if arguments is None:
        path.unlink()
        note = "The pixels of this clip cannot be kept as TIFF. Save the clip itself elsewhere."
        return entry.model_copy(update={"note": note})
    return entry.model_copy(update={"embedded": path.name, "arguments": arguments})


def _copy(source: Path, folder: Path, into: Path) -> None:
    """Take pixels over: within a project the file stays where it is on the disk."""
    if source.parent == folder:
        try:
            os.link(source, into / source.name)
            return
        except OSError:  # this disk knows no second name of a file
            pass
    shutil.copy2(source, into / source.name)


def _relative(path: Path, folder: Path) -> str | None:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive, on Windows
        return None


def _said(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"
