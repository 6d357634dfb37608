"""Lazy pixels are read apart from whatever else computes in the process."""

from __future__ import annotations

import dask.array as da
import numpy as np
from dask.callbacks import Callback

from napari_sa2va.core import pixels
from napari_sa2va.readers.open import open_clip


class Watcher(Callback):
    """Notes what dask computes, as napari's cache does."""

    def __init__(self) -> None:
        super().__init__(pretask=lambda key, dsk, state: self.seen.append(key))
        self.seen: list[object] = []


def test_a_dask_array_is_read_and_nobody_is_told():
    frames = da.from_array(np.arange(24).reshape(2, 3, 4), chunks=(1, 3, 4))
    with Watcher() as watcher:
        np.testing.assert_array_equal(pixels.read(frames[1]), np.arange(12, 24).reshape(3, 4))
        assert watcher.seen == []
        np.asarray(frames[1])
        assert watcher.seen, "others are"


def test_what_is_registered_stays_registered_while_pixels_are_read():
    seen_within: list[set] = []

    def block(block_info=None):
        seen_within.append(set(Callback.active))
        return np.zeros((1, 3, 4), np.uint8)

    frames = da.map_blocks(
        block, chunks=((1, 1), (3,), (4,)), dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)
    )
    with Watcher() as watcher:
        pixels.read(frames[0])
        assert seen_within[-1] == {watcher._callback}, "dask takes it away while it computes"


def test_what_is_no_dask_array_is_read_too():
    np.testing.assert_array_equal(pixels.read([[1, 2]]), [[1, 2]])
    numbers = np.arange(3)
    assert pixels.read(numbers) is numbers


def test_the_frames_of_a_clip_are_read_so():
    movie = da.from_array(np.random.default_rng(0).integers(0, 255, (4, 8, 9), np.uint8))
    clip = open_clip(movie, axes="TYX")
    with Watcher() as watcher:
        clip.rgb(2)
    assert watcher.seen == []
