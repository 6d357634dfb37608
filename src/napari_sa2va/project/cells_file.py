"""Cells as arrays, and arrays in a file: how the masks of a project are kept.

Plain NumPy arrays in a zip (``.npz``), never a pickle:

* ``counts`` uint32: the run lengths of all masks, one after the other, in COCO's order;
* ``runs`` int64, one per cell: how many of them are its own, -1 where nothing is known;
* ``scores`` float64, in [0, 1], NaN where unknown;
* ``origins`` uint8: the place of the cell's origin in `ORIGINS`;
* ``locked`` bool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.core.errors import ProjectError
from napari_sa2va.project.cells import UNKNOWN, Cell, Origin

ORIGINS: tuple[Origin, ...] = get_args(Origin)
"""A project says in its own file which origins its numbers mean."""

Arrays = Mapping[str, np.ndarray]

_KINDS = {"counts": "uint32", "runs": "int64", "scores": "float64", "origins": "uint8",
          "locked": "bool"}  # fmt: skip


def pack(cells: Iterable[Cell]) -> dict[str, np.ndarray]:
    """Cells as arrays."""
    listed = list(cells)
    counts = [cell.code["counts"] for cell in listed if cell.code is not None]
    return {
        "counts": np.concatenate([np.empty(0, np.uint32), *counts]).astype(np.uint32),
        "runs": np.array(
            [-1 if c.code is None else len(c.code["counts"]) for c in listed], np.int64
        ),
        "scores": np.array([c.score for c in listed], np.float64),
        "origins": np.array([ORIGINS.index(c.origin) for c in listed], np.uint8),
        "locked": np.array([c.locked for c in listed], bool),
    }


def unpack(arrays: Arrays, size: tuple[int, int], origins: tuple[str, ...]) -> list[Cell]:
    """Cells of arrays that `pack` made.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        May hold other arrays, too.
    size : tuple of int
        (Y, X) of every mask.
    origins : tuple of str
        What the numbers of ``origins`` mean.

    Raises
    ------
    ProjectError
        If the arrays cannot be these of masks of that size; the message says what is wrong.
    """
    _check(arrays, size, origins)
    names = [_origin(name) for name in origins]
    counts, runs = arrays["counts"], arrays["runs"]
    ends = np.cumsum(np.maximum(runs, 0))
    cells = []
    for i, run in enumerate(runs.tolist()):
        code: rle.Rle | None = None
        if run >= 0:
            code = {"size": list(size), "counts": counts[ends[i] - run : ends[i]]}
            if run > 1 and not code["counts"][1:].all():
                code = rle.encode(rle.decode(code))  # an empty run: the mask has a shorter code
        origin = names[arrays["origins"][i]]
        cell = Cell(code, float(arrays["scores"][i]), origin, bool(arrays["locked"][i]))
        cells.append(UNKNOWN if _is_unknown(cell) else cell)
    return cells


def _check(arrays: Arrays, size: tuple[int, int], origins: tuple[str, ...]) -> None:
    for name, kind in _KINDS.items():
        if name not in arrays:
            raise ProjectError(f"it holds no {name}")
        array = arrays[name]
        if array.dtype != kind or array.ndim != 1:
            raise ProjectError(f"{name} is {array.dtype} {array.shape}, not {kind} in one row")
    runs, counts = arrays["runs"], arrays["counts"]
    for name in ("scores", "origins", "locked"):
        if len(arrays[name]) != len(runs):
            raise ProjectError(f"it has {len(runs)} runs and {len(arrays[name])} {name}")
    known = runs[runs != -1]
    if (known < 1).any() or (known > len(counts)).any() or int(known.sum()) != len(counts):
        raise ProjectError(f"its runs do not add up to the {len(counts)} counts that are there")
    if len(known):
        starts = np.cumsum(known) - known
        px = np.add.reduceat(counts.astype(np.int64), starts)
        wrong = np.flatnonzero(px != size[0] * size[1])
        if len(wrong):
            raise ProjectError(
                f"its mask {int(wrong[0])} has {int(px[wrong[0]])} px, but frames have "
                f"{size[0]} x {size[1]}"
            )
    if (arrays["origins"] >= len(origins)).any():
        raise ProjectError("an origin has no name")


def _origin(name: str) -> Origin:
    for origin in ORIGINS:
        if origin == name:
            return origin
    raise ProjectError(f"the origin {name!r} is not known")


def _is_unknown(cell: Cell) -> bool:
    return cell.code is None and cell.score != cell.score and not cell.origin and not cell.locked


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays as a compressed ``.npz``.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    given: Mapping[str, Any] = arrays  # savez has named arguments beside the arrays
    with path.open("wb") as file:
        np.savez_compressed(file, **given)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an ``.npz``, never a pickle.

    Raises
    ------
    ProjectError
        If it cannot be read, for whatever reason.
    """
    try:
        # Opened here, because NumPy leaves a file open that turns out to be damaged.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ProjectError("it is no zip of arrays")
            return {name: file[name] for name in file.files}
    except ProjectError:
        raise
    except FileNotFoundError:
        raise ProjectError("it is not there") from None
    # Damaged bytes make zipfile, zlib, ast and NumPy raise a dozen types, MemoryError among them.
    except Exception as error:
        raise ProjectError(f"it cannot be read ({type(error).__name__}: {error})") from error
