"""Pixels of a Zarr array as a dask array: no block holds more than one plane.

dask's own `from_array` makes a task per chunk and looks at all of them for every frame. Here the graph
is one function of the block's position, so that a movie of 100,000 frames costs no more than a short one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from napari_sa2va.core.errors import PixelError
from napari_sa2va.core.intensity import check_dtype
from napari_sa2va.core.zarr_tree import LARGEST_CHUNK_BYTES, ZarrPlace, ZarrTree
from napari_sa2va.readers.ome_zarr.recent import RecentBlocks

if TYPE_CHECKING:
    import dask.array as da
    import zarr

_FRAME = "YXS"
_SMALLEST_TILE_PX = 1024
_MOST_PLANES = 10**7
_LARGEST_PLANE_BYTES = 2**40
# Chunks are compressed. Noise becomes a little longer, and a filter may turn bytes into wider numbers.
_MOST_STORED, _HEADER_BYTES = 16, 2**16

Region = tuple[slice, ...]


def lazy_array(place: ZarrPlace, path: str, array: zarr.Array, axes: str) -> da.Array:
    """A dask array of an array in a store.

    Parameters
    ----------
    place : ZarrPlace
    path : str
        Of the array, from the top of the store.
    array : zarr.Array
    axes : str
        One letter per dimension. Blocks have the length 1 along all but Y, X and S, where they hold
        whole chunks of the store.

    Returns
    -------
    dask.array.Array
        In native byte order. Its name is new every time: what is written to the store later is
        seen by whoever opens it again, and by whoever computes a block again after a second.

    Raises
    ------
    ClipError
        If chunks, planes or their number are too large to be true.
    PixelError
        If the dtype cannot be shown.
    """
    import dask.array as da

    _check_sizes(place, path, array, axes)
    tile = tuple(
        _tile(int(chunk), int(size)) if axis in _FRAME else 1
        for axis, chunk, size in zip(axes, array.chunks, array.shape, strict=True)
    )
    dtype = array.dtype.newbyteorder("=")
    if 0 in array.shape:
        return da.zeros(array.shape, dtype=dtype, chunks=tile)
    return da.map_blocks(
        ZarrBlocks(place, path, axes, tile, array.shape),
        chunks=tuple(_cut(size, step) for size, step in zip(array.shape, tile, strict=True)),
        dtype=dtype,
        meta=np.empty((0,) * array.ndim, dtype),
        # dask would call the function to find out a name.
        name=f"ome-zarr-{uuid4().hex}",
    )


def _tile(chunk: int, size: int) -> int:
    """Whole chunks of the store: zarr fetches and decodes those of one block side by side."""
    return max(min(chunk * -(-_SMALLEST_TILE_PX // chunk), size), 1)


def _cut(size: int, step: int) -> tuple[int, ...]:
    whole, rest = divmod(size, step)
    return (step,) * whole + ((rest,) if rest else ())


def _check_sizes(place: ZarrPlace, path: str, array: zarr.Array, axes: str) -> None:
    try:
        check_dtype(array.dtype)
    except PixelError as error:
        raise PixelError(f"{place.address}, array {path!r}: {error.message}", error.hint) from error
    if min(array.chunks, default=1) < 1:
        raise place.error(
            f"the array {path!r} has chunks of the shape {array.chunks}.",
            "Its metadata are damaged.",
        )
    chunk = math.prod(array.chunks) * array.dtype.itemsize
    frame = [size for axis, size in zip(axes, array.shape, strict=True) if axis in _FRAME]
    plane = math.prod(frame) * array.dtype.itemsize
    planes = math.prod(array.shape) // max(math.prod(frame), 1)
    inner = math.prod(array.shards) // max(math.prod(array.chunks), 1) if array.shards else 1
    for what, seen, most in (
        ("chunks of {:,} bytes", chunk, LARGEST_CHUNK_BYTES),
        ("{:,} chunks in a shard", inner, LARGEST_CHUNK_BYTES // 16),
        ("planes of {:,} bytes", plane, _LARGEST_PLANE_BYTES),
        ("{:,} planes", planes, _MOST_PLANES),
    ):
        if seen > most:
            raise place.error(
                f"the array {path!r} has {what.format(seen)}, more than can be read.",
                "If that is right, write it anew with chunks of one plane or less.",
            )


class ZarrBlocks:
    """Reads the block that dask asks for. Can be pickled; may be used from several threads."""

    def __init__(
        self, place: ZarrPlace, path: str, axes: str, tile: tuple[int, ...], shape: tuple[int, ...]
    ) -> None:
        self.place = place
        self.path = path
        self.axes = axes
        self.tile = tile
        self.shape = shape
        self._forget()

    def _forget(self) -> None:
        self._lock = Lock()
        self._opened: tuple[int, zarr.Array] | None = None
        self._recent = RecentBlocks()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if not k.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __call__(self, block_id: tuple[int, ...] | None = None) -> np.ndarray:
        assert block_id is not None  # dask leaves it out only where it looks for a dtype
        starts = [i * step for i, step in zip(block_id, self.tile, strict=True)]
        region = tuple(
            slice(start, min(start + step, size))
            for start, step, size in zip(starts, self.tile, self.shape, strict=True)
        )
        array = self._array()
        slab = _around(region, array, self.axes)
        if slab == region or not self._recent.fits(slab, array.dtype):
            return self._read(array, region)
        key = tuple(part.start for part in slab)
        block = self._recent.get(key)
        if block is None:
            block = self._read(array, slab)
            self._recent.put(key, block)
        inner = zip(region, slab, strict=True)
        # A copy: a view would keep all planes of the slab alive.
        return block[tuple(slice(r.start - s.start, r.stop - s.start) for r, s in inner)].copy()

    def _array(self) -> zarr.Array:
        """The array, opened once per process: a fork must not share the file of an archive."""
        with self._lock:
            if self._opened is None or self._opened[0] != os.getpid():
                array = ZarrTree(self.place).array(self.path)
                pairs = zip(array.shape, self.shape, strict=False)
                if array.ndim != len(self.shape) or any(now < then for now, then in pairs):
                    raise self.place.error(
                        f"the array {self.path!r} has become smaller since it was looked at: "
                        f"{array.shape}, not {self.shape}.",
                        "Open it again.",
                    )
                self._opened = os.getpid(), array
            return self._opened[1]

    def _read(self, array: zarr.Array, region: Region) -> np.ndarray:
        if self.place.kind == "folder" and not array.shards:
            self._check_files(array, region)
        try:
            block = np.asarray(array[region])
        # Every codec has errors of its own, and so has every kind of store.
        except Exception as error:
            raise self.place.error(
                f"{self._said(region)} cannot be read: chunk {_damaged(array, region)!r} of the "
                f"array {self.path!r} ({type(error).__name__}: {error}).",
                "Is the store complete? Was it moved, or is it still being written?",
            ) from error
        return block.astype(block.dtype.newbyteorder("="), copy=False)

    def _check_files(self, array: zarr.Array, region: Region) -> None:
        """A file that is far larger than its chunk is not unpacked."""
        most = _MOST_STORED * math.prod(array.chunks) * array.dtype.itemsize + _HEADER_BYTES
        for key, _ in _chunks(array, region):
            try:
                size = os.stat(Path(self.place.address, self.path, key)).st_size
            except OSError:  # a chunk that is not there has the fill value
                continue
            if size > most:
                raise self.place.error(
                    f"{self._said(region)} cannot be read: chunk {key!r} of the array "
                    f"{self.path!r} has {size} bytes.",
                    "That is no chunk of an image; do not trust this store.",
                )

    def _said(self, region: Region) -> str:
        places = [
            f"{axis}={part.start}"
            if part.stop - part.start == 1
            else f"{axis}={part.start}:{part.stop}"
            for axis, part in zip(self.axes, region, strict=True)
            if axis not in _FRAME
        ]
        return f"plane {', '.join(places)}" if places else "the plane"


def _around(region: Region, array: zarr.Array, axes: str) -> Region:
    """The planes that lie in the same chunks as this one."""
    return tuple(
        part if axis in _FRAME else slice(part.start // n * n, min((part.start // n + 1) * n, size))
        for part, axis, n, size in zip(region, axes, array.chunks, array.shape, strict=True)
    )


def _chunks(array: zarr.Array, region: Region) -> Iterator[tuple[str, Region]]:
    """Names of the files that hold a region, and the part of it that is in each."""
    grid = array.shards or array.chunks
    spans = [
        range(part.start // n, -(-part.stop // n)) for part, n in zip(region, grid, strict=True)
    ]
    for position in product(*spans):
        inside = tuple(
            slice(max(part.start, i * n), min(part.stop, (i + 1) * n))
            for part, i, n in zip(region, position, grid, strict=True)
        )
        yield array.metadata.encode_chunk_key(position), inside


def _damaged(array: zarr.Array, region: Region) -> str:
    """Name of the first chunk that cannot be read by itself."""
    for name, inside in _chunks(array, region):
        try:
            array[inside]
        except Exception:
            return name
    return "unknown"
