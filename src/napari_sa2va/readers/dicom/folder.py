"""Which files belong to a DICOM recording: one file, those of a folder, or those of a DICOMDIR."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.dicom.file import MAGIC_AT
from napari_sa2va.readers.dicom.tags import items, text, value

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

EXTENSIONS = (".dcm", ".dicom", ".dic")
_DIRECTORY = "1.2.840.10008.1.3.10"
_LOOKED_AT = 8
_MOST_FILES = 50_000
_DEEPEST = 8


def is_dicom(path: Path) -> bool:
    """Whether "DICM" stands behind the preamble, or the name says DICOM."""
    return path.suffix.lower() in EXTENSIONS or _has_magic(path)


def _has_magic(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(MAGIC_AT)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def is_dicom_folder(path: Path) -> bool:
    """Whether a folder has a DICOMDIR, or most of its first files are DICOM.

    Of a folder that holds nothing but folders, the first one is looked into.
    """
    for _ in range(_DEEPEST):
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            return False
        seen = [e for e in entries if not e.name.startswith(".")]
        files = [Path(e.path) for e in seen if e.is_file()][:_LOOKED_AT]
        if any(e.name.upper() == "DICOMDIR" for e in seen):
            return True
        if files:
            return sum(map(is_dicom, files)) * 2 > len(files)
        folders = [e.path for e in seen if e.is_dir(follow_symlinks=False)]
        if not folders:
            return False
        path = Path(folders[0])
    return False


def files_below(folder: Path) -> list[Path]:
    """All DICOM files of a folder and of those in it, by name.

    Raises
    ------
    ClipError
        If there are more than 50,000 files.
    """
    found: list[Path] = []
    for count, path in enumerate(_walk(folder, 0)):
        if count >= _MOST_FILES:
            raise ClipError(
                f"{folder} holds more than {_MOST_FILES} files.", "Name the folder of one study."
            )
        if is_dicom(path):
            found.append(path)
    return found


def first_below(folder: Path) -> Path | None:
    """The first DICOM file of a folder, or of those in it; None if there is none among many."""
    return next(filter(is_dicom, islice(_walk(folder, 0), _LOOKED_AT)), None)


def first_ones(folder: Path) -> list[Path]:
    """The first DICOM files that lie in a folder, by name."""
    files = (Path(e.path) for e in sorted(os.scandir(folder), key=lambda e: e.name) if e.is_file())
    return [f for f in islice(files, _LOOKED_AT) if not f.name.startswith(".") and is_dicom(f)]


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    yield from (Path(e.path) for e in entries if e.is_file() and not e.name.startswith("."))
    if depth < _DEEPEST:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield from _walk(Path(entry.path), depth + 1)


def is_directory(header: Dataset) -> bool:
    """Whether a header is a DICOMDIR's."""
    return (
        text(header.file_meta, "MediaStorageSOPClassUID") == _DIRECTORY
        or "DirectoryRecordSequence" in header
    )


def files_of_directory(path: Path, header: Dataset) -> tuple[list[Path], int]:
    """The files that a DICOMDIR names.

    Parameters
    ----------
    path : Path
        The DICOMDIR.
    header : pydicom.Dataset

    Returns
    -------
    files : list of Path
    missing : int
        How many it names that are not there.

    Raises
    ------
    ClipError
        If it names a file outside of its folder, or no file that is there.
    """
    home = path.resolve().parent
    found: dict[Path, None] = {}
    missing = 0
    for record in items(header, "DirectoryRecordSequence"):
        names = value(record, "ReferencedFileID")
        if names is None:
            continue
        parts = [names] if isinstance(names, str) else [str(part) for part in names]
        file = _inside(path, home, parts)
        if file is None:
            missing += 1
        elif file != path.resolve():
            found[file] = None
    if not found:
        raise ClipError(
            f"{path} names {missing} files, and none of them is there.",
            "Copy the folders beside it, too, or open a folder or file.",
        )
    return list(found), missing


def _inside(path: Path, home: Path, parts: list[str]) -> Path | None:
    """The file that a record names; None if it is not there."""
    is_bad = any(
        p in ("", ".", "..") or "/" in p or "\\" in p or ":" in p or "\0" in p for p in parts
    )
    if not is_bad:
        # Discs are written in capitals, and read as some systems like it.
        for names in (parts, [part.lower() for part in parts]):
            file = home.joinpath(*names)
            if file.is_file():
                is_bad = not file.resolve().is_relative_to(home)
                if not is_bad:
                    return file.resolve()
    if is_bad:
        raise ClipError(
            f"{path}: ReferencedFileID (0004,1500) names {'/'.join(parts)!r}, which is not in its "
            "folder.",
            "Open a file or folder instead, if you trust it.",
        )
    return None
