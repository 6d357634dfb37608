"""How much disk a unit takes, said before there is anything to weigh."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.problem import Problem
from napari_sa2va.batch.unit import Unit
from napari_sa2va.models.jobs import gigabytes
from napari_sa2va.writers import overlay_sheet

# Bytes per object, frame and row of the frame, of objects that fill some percent of it: measured on
# every writer. Compressed label images and run-length codes grow with the outlines.
_PER_ROW = 3.0
# Formats that write outlines as text.
_PER_ROW_OF = {"yolo": 20.0, "trackmate": 20.0}
# Of a movie, which does not compress: bytes per pixel of every frame.
_PER_PIXEL_OF = {"overlay-movie": 0.5}
# Of a sheet of frames, per pixel of those that it shows: 0.7 where they are smooth, 3 at the most.
_PER_SHEET_PIXEL = 1.3
# The journal has the same codes as an output; then there are a sheet, the last mask, which is about as
# large as one more frame of it, the record and the table of objects.
_RECORD_BYTES, _TABLE_ROW_BYTES = 20_000, 200


def foretold_bytes(unit: Unit, *, num_frames: int, height: int, width: int) -> int:
    """What a unit will write, within a factor of three or so.

    Parameters
    ----------
    unit : Unit
        Its outputs and the number of its sentences count.
    num_frames, height, width : int
        Of the clip; of a frame in px.
    """
    shown = num_frames * len(unit.sentences)
    sheet = _PER_SHEET_PIXEL * overlay_sheet.num_tile_pixels(num_frames, height, width)
    last_mask = _PER_SHEET_PIXEL * overlay_sheet.num_tile_pixels(1, height, width)
    total = _RECORD_BYTES + sheet + last_mask + shown * (_PER_ROW * height + _TABLE_ROW_BYTES)
    for output in unit.outputs:
        if output.kind == overlay_sheet.FORMAT.kind:
            total += sheet
        elif output.kind in _PER_PIXEL_OF:
            total += _PER_PIXEL_OF[output.kind] * num_frames * height * width
        else:
            total += _PER_ROW_OF.get(output.kind, _PER_ROW) * height * shown
    return int(total)


def written_bytes(work: Path, outcome: Outcome) -> int:
    """What a unit has written, as its work folder and its outputs are now."""
    return sum(size_of(path) for path in (work, *map(Path, outcome.outputs)))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 if there is none."""
    if path.is_file():
        return path.stat().st_size
    return sum(size_of(entry) for entry in path.iterdir()) if path.is_dir() else 0


def free_bytes(paths: Iterable[Path]) -> int:
    """What is free where some paths are, or will be: of several disks, of the fullest."""
    return min(shutil.disk_usage(existing(path)).free for path in paths)


def places_of(folder: Path, units: Iterable[Unit]) -> set[Path]:
    """Where a batch writes: its folder, and those of the outputs."""
    return {folder, *(Path(output.path).parent for unit in units for output in unit.outputs)}


def shortage(needed_bytes: int, free_bytes: int) -> list[Problem]:
    """That there is less room than will be written; empty if there is enough."""
    if needed_bytes <= free_bytes:
        return []
    return [
        Problem(
            f"About {gigabytes(needed_bytes)} will be written, within a factor of three, and "
            f"{gigabytes(free_bytes)} are free.",
            "Make room, or write to another disk (--into, -o).",
        )
    ]


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(p for p in (path, *path.parents) if p.exists())
