"""Planes of a file as a dask array: one chunk per plane, read when it is asked for.

The graph carries one small source object per file. A source can be pickled, opens the file on
demand and may be used from several threads at once.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.pixels import remember_planes

if TYPE_CHECKING:
    import dask.array as da

# Headers are not believed beyond this: no data packed by deflate are larger than 1032 times the
# file, and every plane is an entry in memory. Small planes may be packed better (all black).
_MOST_PACKED = 1032
_SMALL_PLANE = 2**28
_MOST_PLANES = 2**22


class PlaneSource(Protocol):
    """What the graph of a file carries."""

    @property
    def path(self) -> str:
        """The file or folder that was opened."""

    def read(self, index: int) -> np.ndarray:
        """Read plane `index`, counted along the leading axes in C order."""


class _Block:
    """Reads the block that dask asks for; a class, because a closure cannot be pickled."""

    def __init__(self, source: PlaneSource, shape: tuple[int, ...], num_lead: int) -> None:
        self.source = source
        self.lead = shape[:num_lead]
        self.plane = shape[num_lead:]

    def __call__(self, block_id: tuple[int, ...] | None = None) -> np.ndarray:
        # dask calls once without a block when it looks for the dtype.
        assert block_id is not None
        position = block_id[: len(self.lead)]
        index = int(np.ravel_multi_index(position, self.lead)) if self.lead else 0
        return self.read(index).reshape((1,) * len(self.lead) + self.plane)

    def read(self, index: int) -> np.ndarray:
        """Plane `index`, counted along the leading axes."""
        try:
            plane = self.source.read(index)
        except (OSError, MemoryError) as error:
            raise ClipError(
                f"{self.source.path}: plane {index} cannot be read ({error}).",
                "Was the file moved, or is it still being written?",
            ) from error
        if plane.shape != self.plane:
            raise ClipError(
                f"{self.source.path}: plane {index} has the shape {plane.shape}, not {self.plane}.",
                "All frames of a clip must have one size.",
            )
        return plane


def check_promise(path: str, num_planes: int, plane_bytes: int) -> None:
    """Refuse what a header promises and its file cannot hold, before memory is taken for it.

    Parameters
    ----------
    path : str
        A folder is only held to the largest size that is believed of any file.
    num_planes : int
    plane_bytes : int
        Bytes of one plane, or of what must be unpacked at once for one.

    Raises
    ------
    ClipError
    """
    size = Path(path).stat().st_size
    if num_planes > _MOST_PLANES or plane_bytes > max(_SMALL_PLANE, _MOST_PACKED * size):
        raise ClipError(
            f"{path} promises {num_planes} planes of {plane_bytes} bytes each, and has {size} bytes.",
            "Its header is damaged: copy the file again.",
        )


def lazy_planes(
    source: PlaneSource, shape: tuple[int, ...], dtype: np.dtype, num_lead: int, format_name: str
) -> da.Array:
    """A dask array whose chunks are planes of a file.

    Parameters
    ----------
    source : PlaneSource
    shape : tuple of int
        Shape of the whole array.
    dtype : numpy.dtype
    num_lead : int
        How many leading dimensions count planes; the others are the plane.
    format_name : str
        First part of the array's name in the graph.

    Raises
    ------
    ClipError
        If the file cannot hold so many planes, or so large ones.
    """
    import dask.array as da
    from dask.base import tokenize

    if min(shape, default=0) < 0:
        raise ClipError(f"{source.path} promises the shape {shape}.", "Its header is damaged.")
    num_planes, plane_size = math.prod(shape[:num_lead]), math.prod(shape[num_lead:])
    if num_planes * plane_size == 0:
        return da.zeros(shape, dtype=dtype)
    check_promise(source.path, num_planes, plane_size * np.dtype(dtype).itemsize)
    stat = Path(source.path).stat()
    # All that a source knows is part of the name: two series of a file may have one shape.
    token = tokenize(pickle.dumps(source), stat.st_mtime_ns, stat.st_size, shape, str(dtype))
    chunks = (*((1,) * n for n in shape[:num_lead]), *((n,) for n in shape[num_lead:]))
    block, name = _Block(source, tuple(shape), num_lead), f"{format_name}-{token}"
    if num_lead == 1:
        remember_planes(name, block)
    meta = np.empty((0,) * len(shape), dtype)
    return da.map_blocks(block, chunks=chunks, dtype=dtype, meta=meta, name=name)
