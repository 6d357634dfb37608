"""Numbered TIFF files that are stacks themselves: one file per frame, its pages are z or channels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_sa2va.core.axes import KNOWN_AXES
from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.core.flag_names import asked
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers import tiff


class StackFiles:
    """Planes of stacks in the order file, plane; each read opens and closes one file.

    Parameters
    ----------
    files : tuple of str
    lead : tuple of int
        Shape of the dimensions that count the planes of a file.
    stamp : int
        What tells apart files that were changed in between.
    """

    def __init__(self, files: tuple[str, ...], lead: tuple[int, ...], stamp: int) -> None:
        self.path = files[0]
        self.files = files
        self.lead = lead
        self.stamp = stamp

    def read(self, index: int) -> np.ndarray:
        """Pixels of plane `index`, counted over all files."""
        number, plane = divmod(index, int(np.prod(self.lead)))
        data = tiff.read(Path(self.files[number])).data
        at = np.unravel_index(plane, self.lead)
        return np.asarray(data[at].compute(scheduler="synchronous"))


def first_of(files: list[Path], pages_are_z: bool) -> Recording:
    """The first stack, with its axes named, after a look at all others.

    Parameters
    ----------
    files : list of Path
    pages_are_z : bool
        What pages are of which the file does not say it.

    Raises
    ------
    SeriesError
        If the files say nothing of their pages, or that they are frames: each is a movie.
    ClipError
        If they differ.
    """
    first = tiff.read(files[0])
    axes = _axes(first, pages_are_z)
    if _are_frames(axes):
        raise SeriesError(
            f"{files[0]} has {first.data.shape[0]} pages, which are frames as far as it says.",
            "Images in a folder have one page each, or say that their pages are z planes or "
            f"channels. Choose one of the files: {asked('series', files[0].name)}.",
            [(file.name, file.name) for file in files],
        )
    for file in files[1:]:
        other = tiff.read(file)
        if (other.data.shape, other.data.dtype) != (first.data.shape, first.data.dtype):
            raise ClipError(
                f"{file.name} is {other.describe()}, {other.data.dtype}, but {files[0].name} is "
                f"{first.describe()}, {first.data.dtype}.",
                "All frames of a clip must have one size and one type.",
            )

    return replace(first, axes=axes)


def is_movie(file: Path, pages_are_z: bool) -> bool:
    """Whether a stack is a movie by itself, and no frame of one: as `first_of` decides.

    Raises
    ------
    ClipError
        If it cannot be read.
    """
    try:
        return _are_frames(_axes(tiff.read(file), pages_are_z))
    except SeriesError:  # several movies
        return True


def _axes(stack: Recording, pages_are_z: bool) -> str:
    said = stack.axes
    return said.replace("T", "Z") if pages_are_z and "Z" not in said else said


def _are_frames(axes: str) -> bool:
    return "T" in axes or not set(axes) <= set(KNOWN_AXES)
