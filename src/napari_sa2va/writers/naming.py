"""Names of the files that are written: a format's ending, and the name without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sa2va.writers.format import WriteFormat


def has_ending(path: Path, about: WriteFormat) -> bool:
    """Whether a name has one of the endings of a format.

    Of a format that is written into what is there, a folder above may have it: labels in an OME-Zarr
    image are "image.ome.zarr/labels/cells".
    """
    names = [path.name, *(folder.name for folder in path.parents if about.in_place)]
    return any(name.lower().endswith(about.suffixes) for name in names)


def with_ending(path: Path, about: WriteFormat) -> Path:
    """A path with the usual ending of a format, unless it has one of its endings already."""
    if not about.suffixes or has_ending(path, about):
        return path
    return path.with_name(path.name + about.suffixes[0])


def without_ending(path: Path, about: WriteFormat) -> str:
    """The name of a path without an ending of the format.

    Examples
    --------
    "cells.ome.tif" is "cells" as OME-TIFF; a folder keeps its name.
    """
    for ending in sorted(about.suffixes, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.name
