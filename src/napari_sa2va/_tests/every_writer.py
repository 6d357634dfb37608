"""How the tests call every writer alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from types import ModuleType

import numpy as np
import pytest

from napari_sa2va._tests import made_dicom
from napari_sa2va._tests.read_back import READ_BACK
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.paths import Ready, at_once
from napari_sa2va.writers.result import Result, Shown
from napari_sa2va.writers.write import Written, write_result

SMALL = np.zeros((3, 6, 8), np.uint16)
for _t in range(3):
    SMALL[_t, 1:3, _t : _t + 2] = 1
    SMALL[_t, 4:, 4:] = 2
SMALL[1, 4:] = 0  # object 2 is away for a frame
OTHER = SMALL[:, ::-1, ::-1].copy()
# Two objects that overlap on the last two of three frames.
LEFT, RIGHT = np.zeros((2, 3, 4, 6), bool)
LEFT[:, :, :4] = True
RIGHT[1:, :, 3:] = True

# For a writer that needs the movie's own file: it is made in an empty folder, and is the source of
# the clip of the result that is given back.
SOURCES: dict[str, Callable[[Path, Result], Result]] = {"dicom-seg": made_dicom.with_source}
_sources = TemporaryDirectory()


def place(writer: ModuleType, folder: Path) -> Path:
    """Where a writer writes in a folder."""
    return folder / f"a{(writer.FORMAT.suffixes or ('',))[0]}"


def write(
    writer: ModuleType,
    folder: Path,
    result: Result,
    *,
    overwrite: bool = False,
    ready: Ready = at_once,
) -> Written:
    """Write a result into a folder, in which it is alone then."""
    if kind_of(writer) in SOURCES:
        result = SOURCES[kind_of(writer)](Path(mkdtemp(dir=_sources.name)), result)
    return write_result(
        place(writer, folder), result, kind_of(writer), overwrite=overwrite, ready=ready
    )


def content(folder: Path) -> dict[str, bytes]:
    """All files in a folder and below, by their paths in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def observed(result: Result, on_frame: Callable[[int], None]) -> Result:
    """The same result, but somebody is told of each frame before it is given."""

    def frame(f: int) -> Shown:
        on_frame(f)
        return result.frame(f)

    return replace(result, frame=frame)


def kind_of(writer: ModuleType) -> str:
    """The kind of a writer, which is its name in the tests' ids, too."""
    return writer.FORMAT.kind


def each(wanted: Callable[[ModuleType], bool]) -> pytest.MarkDecorator:
    """The test is run for all writers of a kind."""
    return pytest.mark.parametrize("writer", [w for w in WRITERS if wanted(w)], ids=kind_of)


def has_reader(writer: ModuleType) -> bool:
    """Whether another program reads the masks back."""
    return kind_of(writer) in READ_BACK


each_writer = each(lambda w: True)
each_read_back = each(has_reader)
