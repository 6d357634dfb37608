"""What tests of `napari-sa2va batch` share: movies of coloured squares, and the command as it is typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va._tests.ngff_stores import write_hollow
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.cli.main import main

RED = ("-p", "the red one")
HERE = ("--engine", "here", "--quiet")


def write_colours(path: Path, num_frames: int = 4) -> Path:
    """The coloured squares as a TIFF."""
    clip = colour_clip(num_frames)
    frames = np.stack([clip.rgb(t) for t in range(num_frames)])
    tifffile.imwrite(path, frames, photometric="rgb", metadata={"axes": "TYXS"})
    return path


def write_broken(path: Path) -> None:
    """The head of a TIFF, and nothing behind it."""
    path.write_bytes(b"II*\0" + b"\0" * 60)


def write_vast(path: Path) -> Path:
    """A movie whose masks no disk has room for, as OME-Zarr."""
    return write_hollow(path, (10**6, 2**20, 4), (1, 2**20, 4))


def two_movies(folder: Path) -> Path:
    """A folder of two movies in a folder."""
    movies = folder / "movies"
    movies.mkdir()
    for name in ("a", "b"):
        write_colours(movies / f"{name}.tif")
    return movies


def batch(*arguments: str | Path) -> int:
    """Give the command, and return its exit code."""
    return main(["batch", *map(str, arguments)])


def runs_of(model: FakeModel) -> int:
    """How many runs a network has done."""
    return sum(call[0] == "look" for call in model.calls)


def units_of(place: str | Path = "movies_batch") -> dict[str, str]:
    """Where the units of a batch stand, by id."""
    return {i: s.state for i, s in BatchFolder.open(place).standings().items()}
