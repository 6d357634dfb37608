"""Which things in a folder are movies, by what the readers say of them.

A folder may be a movie itself (numbered images, a DICOM series, a store of Zarr), or hold movies. What
this package wrote is never taken for a movie: a batch folder, a project, what is called "..._labels",
and label images in TIFF beside their movies, which say so in their first bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.readers import READERS, frame_folder, tiff
from napari_sa2va.readers.format import first_bytes
from napari_sa2va.readers.frame_folder.layouts import subfolders
from napari_sa2va.readers.frame_folder.names import natural
from napari_sa2va.writers import ome_tiff

_PROJECT = "project.json"
_LABELS = "_labels"
# The tags of the first page of a label image are within so many bytes.
_HEAD_BYTES = 4096
# Between the name of a movie and what a name pattern adds.
_JOINT = re.compile(r"[-_ .]")
# Files are opened side by side: a network drive takes long for each.
_AT_ONCE = 16
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", "~")


@dataclass
class Movies:
    """What was found.

    Attributes
    ----------
    paths : list of Path
        Files, and folders that are one movie each, in natural order.
    notes : list of str
        What was left out although a reader knows it, in full sentences.
    """

    paths: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def movies_in(folder: Path, *, recursive: bool = False, leave_out: Collection[str] = ()) -> Movies:
    """The movies that lie in a folder, which is none itself.

    Parameters
    ----------
    folder : Path
        The folders in it are taken, too, that are one movie each.
    recursive : bool
        Whether to look into all other folders below it as well. Without it, they are named in a note.
    leave_out : collection of str
        Absolute paths that are not to be taken.

    Notes
    -----
    Single pictures beside movies are left out, with a note: mostly they are thumbnails.
    """
    found = Movies()
    _gather(folder, recursive, leave_out, found)
    return found


def _gather(folder: Path, recursive: bool, leave_out: Collection[str], found: Movies) -> None:
    here = _Listing.of(folder, leave_out)
    found.paths += sorted(here.movies, key=natural)
    if here.pictures:
        found.notes.append(
            f"Pictures in {folder} were left out ({_said(here.pictures)}). Name them if they are to "
            "be taken."
        )
    if here.ours:
        found.notes.append(
            f"Results of this program in {folder} were left out ({_said(here.ours)})."
        )
    closed = []
    for sub in here.folders:
        if is_one_movie(sub, leave_out):
            found.paths.append(sub)
        elif recursive:
            _gather(sub, recursive, leave_out, found)
        else:
            closed.append(sub)
    if closed:
        found.notes.append(
            f"Folders in {folder} were not looked into ({_said(closed)}). Name them if they are to "
            "be taken (--recursive takes all)."
        )


def _said(paths: list[Path]) -> str:
    return f"{len(paths)}, such as {min(paths, key=natural).name}"


def is_one_movie(folder: Path, leave_out: Collection[str] = ()) -> bool:
    """Whether a folder is a movie itself; a store of Zarr is one, whatever it holds.

    Parameters
    ----------
    folder : Path
    leave_out : collection of str
        Absolute paths that are not looked at.
    """
    reader = next((r for r in READERS if r.FORMAT.folders and r.accepts(folder)), None)
    if reader is None or _is_our_folder(folder):
        return False
    if not hasattr(reader, "is_one_movie"):
        return True
    here = _Listing.of(folder, leave_out)
    if not (here.movies or here.pictures):
        return False
    # A file that is a movie beside images, or a store, makes it a folder of movies.
    others = set(here.movies.values()) - {reader, tiff}
    return not others and bool(reader.is_one_movie(folder))


@dataclass
class _Listing:
    """What lies in a folder.

    Attributes
    ----------
    movies : dict of Path to module
        Files and stores that may be movies, with their readers.
    pictures : list of Path
        Files that hold a single picture.
    ours : list of Path
        What this package wrote.
    folders : list of Path
        All other folders.
    """

    movies: dict[Path, ModuleType] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)
    ours: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, leave_out: Collection[str]) -> _Listing:
        here = cls()
        for sub in subfolders(folder):
            if str(sub) in leave_out:
                continue
            if _is_our_folder(sub):
                here.ours.append(sub)
            elif (reader := _store_reader(sub)) is not None:
                here.movies[sub] = reader
            else:
                here.folders.append(sub)
        files = _files(folder)
        label_images = label_images_among(files)
        for file in files:
            if str(file) in leave_out or (reader := reader_of_file(file)) is None:
                continue
            if file in label_images or is_ours(file.name):
                here.ours.append(file)
            elif reader is frame_folder:
                here.pictures.append(file)
            else:
                here.movies[file] = reader
        return here


def _files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(e.path) for e in entries if not is_unfinished(e.name) and e.is_file()]
    except OSError:  # a folder that may not be read
        return []


def is_store(folder: Path) -> bool:
    """Whether a folder is one thing, whatever lies in it, as one of Zarr is."""
    return _store_reader(folder) is not None


def _store_reader(folder: Path) -> ModuleType | None:
    """The reader for which a folder is one thing, whatever lies in it."""
    for reader in READERS:
        is_whole = reader.FORMAT.folders and not hasattr(reader, "is_one_movie")
        if is_whole and reader.accepts(folder):
            return reader
    return None


def reader_of_file(file: Path) -> ModuleType | None:
    """The reader that knows a file by its name, or else by its first bytes; None if there is none.

    Unlike `readers.open.reader_of` it opens only files whose names say nothing.
    """
    name = file.name.lower()
    for reader in READERS:
        if name.endswith(reader.FORMAT.extensions):
            return reader
    try:
        head = first_bytes(file)
    except OSError:
        return None
    return next((reader for reader in READERS if reader.FORMAT.begins(head)), None)


def is_unfinished(name: str) -> bool:
    """Whether a name is hidden, or one of those that programs give to files they are writing."""
    return name.startswith((".", "~$")) or name.lower().endswith(_UNFINISHED)


def is_ours(name: str) -> bool:
    """Whether a file or folder is called as this package calls labels: cells_labels.ome.tif."""
    name = name.lower()
    endings = [ending for ending in _endings() if name.endswith(ending)]
    return name.removesuffix(max(endings, key=len, default="")).endswith(_LABELS)


def label_images_among(files: Sequence[Path]) -> set[Path]:
    """Label images in TIFF that this package wrote beside their movies, whatever they are called.

    Only files are opened that are called as another one of them and more: "a_seg.tif" beside "a.nd2".
    """
    stems = {_stem(file) for file in files}
    asked = [
        file
        for file in files
        if file.name.lower().endswith(ome_tiff.FORMAT.suffixes)
        and any(_stem(file)[: joint.start()] in stems for joint in _JOINT.finditer(_stem(file)))
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return {file for file, yes in zip(asked, pool.map(_says_so, asked), strict=True) if yes}


def _stem(file: Path) -> str:
    return file.stem.removesuffix(".ome")


def _says_so(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return ome_tiff.MARK in opened.read(_HEAD_BYTES)
    except OSError:
        return False


@cache
def _endings() -> frozenset[str]:
    from napari_sa2va.writers import WRITERS

    return frozenset(suffix for writer in WRITERS for suffix in writer.FORMAT.suffixes)


def _is_our_folder(folder: Path) -> bool:
    return is_ours(folder.name) or BatchFolder.is_one(folder) or (folder / _PROJECT).is_file()
