"""Label images are written into Zarr arrays frame by frame, at all resolutions at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import zarr

    from napari_sa2va.writers.ome_zarr_plan import LabelPlan
    from napari_sa2va.writers.result import Result


def write_levels(folder: Path, names: Sequence[str], plan: LabelPlan, result: Result) -> None:
    """Make the arrays of a label image and fill them.

    Parameters
    ----------
    folder : Path
        Of the group.
    names : sequence of str
        Of the arrays, the largest first.
    plan : LabelPlan
    result : Result

    Notes
    -----
    A smaller level takes the nearest pixel, so that there are no ids that no object has. One frame is
    in memory, and of the larger canvas that it may lie on, one row of chunks. What is empty is not
    written.
    """
    levels = [
        _Level(_array(folder, name, shape, plan, result.label_dtype), plan, result)
        for name, shape in zip(names, plan.shapes, strict=True)
    ]
    first_z = plan.corner_zyx[0]
    for f in result.in_time():
        plane, t = divmod(f, result.clip.num_frames)
        at = {"T": 0, "Z": t} if result.clip.time_axis == "Z" else {"T": t, "Z": first_z + plane}
        labels = result.labels(f)
        for level in levels:
            level.put(labels, at)


def _array(
    folder: Path, name: str, shape: tuple[int, ...], plan: LabelPlan, dtype: np.dtype
) -> zarr.Array:
    import zarr
    from zarr.storage import LocalStore

    rows, columns = plan.chunk_yx
    chunk = {"Y": rows, "X": columns}
    names = [axis if isinstance(axis, str) else axis["name"] for axis in plan.axes]
    return zarr.create_array(
        # A store of its own: within one, zarr would make a group of the folder at once.
        LocalStore(folder / name),
        shape=shape,
        chunks=tuple(
            min(chunk.get(a, 1), size) for a, size in zip(plan.letters, shape, strict=True)
        ),
        dtype=dtype,
        fill_value=0,
        zarr_format=plan.zarr_format,
        dimension_names=names if plan.zarr_format == 3 else None,
        chunk_key_encoding={"name": "v2" if plan.zarr_format == 2 else "default", "separator": "/"},
    )


class _Level:
    """An array, and which pixel of a full-size frame each of its pixels is."""

    def __init__(self, array: zarr.Array, plan: LabelPlan, result: Result) -> None:
        self._array = array
        self._letters = plan.letters
        full = dict(zip(plan.letters, plan.shapes[0], strict=True))
        own = dict(zip(plan.letters, array.shape, strict=True))
        self._nearest = {a: _nearest(own[a], full[a]) for a in plan.letters}
        _, y0, x0 = plan.corner_zyx
        self._rows = self._nearest["Y"] - y0
        columns = self._nearest["X"] - x0
        self._inside = np.flatnonzero((columns >= 0) & (columns < result.clip.width))
        self._columns = columns[self._inside]
        self._height = result.clip.height
        self._chunk_rows = int(array.chunks[plan.letters.index("Y")])

    def put(self, labels: np.ndarray, at: dict[str, int]) -> None:
        """Write a label image (Y, X) at a time and plane, where this level has them."""
        positions = list(self._positions(at))
        if not positions:
            return
        for start, band in self._bands(labels):
            for position in positions:
                where: dict[str, int | slice] = dict(zip("TZ", position, strict=True))
                where |= {"Y": slice(start, start + len(band)), "X": slice(None)}
                is_turned = self._letters.index("X") < self._letters.index("Y")
                self._array[tuple(where[a] for a in self._letters)] = band.T if is_turned else band

    def _positions(self, at: dict[str, int]) -> Iterator[tuple[int, ...]]:
        """Times and planes of this level for which this one is the nearest."""
        spans = []
        for axis in "TZ":
            if axis not in self._nearest:
                spans.append(range(1))
                continue
            nearest = self._nearest[axis]
            first, last = (
                np.searchsorted(nearest, at[axis], "left"),
                np.searchsorted(nearest, at[axis], "right"),
            )
            spans.append(range(int(first), int(last)))
        yield from product(*spans)

    def _bands(self, labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Rows of chunks that have a label in them, each with its first row."""
        for start in range(0, len(self._rows), self._chunk_rows):
            rows = self._rows[start : start + self._chunk_rows]
            inside = np.flatnonzero((rows >= 0) & (rows < self._height))
            part = labels[np.ix_(rows[inside], self._columns)]
            if part.any():
                band = np.zeros((len(rows), len(self._nearest["X"])), labels.dtype)
                band[np.ix_(inside, self._inside)] = part
                yield start, band


def _nearest(size: int, full: int) -> np.ndarray:
    """Positions 0 to `full` - 1 that are nearest to those of a coarser axis of a smaller size."""
    return ((2 * np.arange(size, dtype=np.int64) + 1) * full) // (2 * size)
