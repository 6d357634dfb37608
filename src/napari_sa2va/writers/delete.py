"""Results that are not wanted any more: only what a writer made is deleted."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from napari_sa2va.writers import ome_zarr_labels
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.write import writer_of


def delete_result(path: Path, kind: str) -> bool:
    """Delete a file, or the files of a folder that its writer made.

    Parameters
    ----------
    path : Path
        Need not be there.
    kind : str
        Name of the format in which it was written.

    Returns
    -------
    bool
        Whether nothing is there any more. Labels within an OME-Zarr image stay, and so does a folder
        in which others have put something.

    Raises
    ------
    RequestError
        If there is no such format.
    OSError
        If something cannot be deleted.
    """
    about: WriteFormat = writer_of(path, kind).FORMAT
    if not about.is_folder:
        path.unlink(missing_ok=True)
    elif not about.in_place or ome_zarr_labels.is_alone(path):
        _delete_folder(path, re.compile(about.files))
    return not path.exists()


def _delete_folder(folder: Path, own: re.Pattern[str]) -> None:
    """Deepest first, so that a folder is empty by the time it is looked at."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # others have put something there
                path.rmdir()
        elif own.fullmatch(path.relative_to(folder).as_posix()):
            path.unlink()
    with suppress(OSError):
        folder.rmdir()
