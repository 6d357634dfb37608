"""Where masks go: the file or folder that a name stands for, and the format in which it is written."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.core.errors import RequestError
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.naming import has_ending, with_ending
from napari_sa2va.writers.write import writer_of

USUAL = "ome-tiff"
"""The format of a name without an ending."""


def destination(path: Path, kind: str | None = None) -> tuple[Path, WriteFormat]:
    """What a name stands for.

    Parameters
    ----------
    path : Path
        Its ending says the format.
    kind : str, optional
        The format of a name whose ending does not say it; by default `USUAL` if it has none.

    Returns
    -------
    path : Path
        With the usual ending of the format, unless it has one.
    about : WriteFormat

    Raises
    ------
    RequestError
        If there is no such format, or an ending says none.
    """
    usual = None if path.suffix else USUAL
    about: WriteFormat = writer_of(path, kind_of_ending(path) or kind or usual).FORMAT
    return with_ending(path, about), about


def kind_of_ending(path: Path) -> str:
    """The format that an ending says; empty where it says none."""
    for writer in WRITERS:
        if writer.FORMAT.in_place and has_ending(path, writer.FORMAT):
            return str(writer.FORMAT.kind)
    try:
        return str(writer_of(path).FORMAT.kind)
    except RequestError:
        return ""
