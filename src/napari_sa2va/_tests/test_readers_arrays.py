"""Arrays in memory, NumPy files and napari layers as clips."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_sa2va.core.errors import AxesError, ClipError
from napari_sa2va.readers.layer import from_array, from_layer
from napari_sa2va.readers.open import open_clip, read_recording

MOVIE = np.random.default_rng(0).integers(0, 4000, (5, 6, 8)).astype(np.uint16)


def _layer(data: object, **more: object) -> SimpleNamespace:
    """What is looked at of a napari image layer."""
    facts = {"data": data, "name": "layer", "rgb": False, "multiscale": False, "scale": (),
             "units": (), "axis_labels": ()}  # fmt: skip
    return SimpleNamespace(**(facts | more))


def test_numpy_dask_and_zarr_arrays_give_the_same_clip(tmp_path: Path) -> None:
    stored = zarr.create_array(tmp_path / "a.zarr", data=MOVIE, chunks=(2, 3, 8))
    for array in (MOVIE, da.from_array(MOVIE, chunks=(2, 3, 8)), stored):
        clip = open_clip(array)
        assert clip.frames.chunks[0] == (1,) * 5
        np.testing.assert_array_equal(clip.frames.compute(), MOVIE)


def test_planes_stay_in_the_chunks_of_the_source(tmp_path: Path) -> None:
    tiled = da.from_array(MOVIE, chunks=(2, 3, 8))
    assert open_clip(tiled).frames.chunks == ((1,) * 5, (3, 3), (8,))
    assert open_clip(MOVIE).frames.chunks == ((1,) * 5, (6,), (8,))


def test_tiny_chunks_on_disk_are_put_together(tmp_path: Path) -> None:
    movie = np.random.default_rng(0).integers(0, 200, (2, 600, 300)).astype(np.uint8)
    stored = zarr.create_array(tmp_path / "a.zarr", data=movie, chunks=(2, 20, 300))
    assert open_clip(stored).frames.chunks == ((1, 1), (80,) * 7 + (40,), (300,))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((6, 8), "YX"),
        ((5, 6, 8), "TYX"),
        ((6, 8, 3), "YXS"),
        ((5, 6, 8, 4), "TYXS"),
    ],
)
def test_axes_are_guessed_where_only_one_meaning_is_likely(
    shape: tuple[int, ...], axes: str
) -> None:
    assert from_array(np.zeros(shape, np.uint8)).axes == axes


def test_axes_that_could_mean_several_things_must_be_named() -> None:
    with pytest.raises(AxesError, match="Which axes") as caught:
        open_clip(np.zeros((5, 2, 6, 8), np.uint8))
    assert "TZYX" in caught.value.hint


def test_a_narrow_movie_can_be_told_from_a_colour_picture() -> None:
    narrow = np.random.default_rng(0).integers(0, 255, (5, 6, 3)).astype(np.uint8)
    assert open_clip(narrow).num_frames == 1
    assert open_clip(narrow, rgb=False).num_frames == 5


def test_of_a_pyramid_the_first_level_is_taken() -> None:
    assert open_clip([MOVIE, MOVIE[:, ::2, ::2]]).frames.shape == MOVIE.shape


def test_things_that_are_no_array_are_refused() -> None:
    with pytest.raises(ClipError, match="type dict is not a clip"):
        open_clip({"a": 1})


def test_an_npy_file_is_read_plane_by_plane(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MOVIE.astype(">u2"))
    recording = read_recording(tmp_path / "a.npy")
    assert recording.data.dtype == np.dtype("uint16")
    np.testing.assert_array_equal(recording.data.compute(), MOVIE)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_numpy_file_with_unclear_axes_opens_once_they_are_named(
    suffix: str, tmp_path: Path
) -> None:
    stack = np.random.default_rng(0).integers(0, 9, (2, 3, 6, 8)).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, stack)
    else:
        np.savez(path, stack=stack)
    with pytest.raises(AxesError):
        open_clip(path)
    clip = open_clip(path, axes="TZYX", z=2)
    np.testing.assert_array_equal(clip.frames.compute(), stack[:, 2])
    assert clip.frames.chunks == ((1, 1), (6,), (8,))


def test_an_npz_file_is_read_in_native_byte_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", movie=MOVIE.astype(">u2"))
    recording = read_recording(tmp_path / "a.npz")
    assert recording.data.dtype == np.dtype("uint16")
    np.testing.assert_array_equal(recording.data.compute(), MOVIE)
    assert recording.name == "a"


def test_of_several_arrays_in_an_npz_one_must_be_chosen(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", movie=MOVIE, other=MOVIE[:2])
    with pytest.raises(ClipError, match="2 arrays: movie, other"):
        open_clip(tmp_path / "a.npz")
    assert open_clip(tmp_path / "a.npz", series="other").num_frames == 2
    assert open_clip(tmp_path / "a.npz", series=0).num_frames == 5


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ClipError, match="cannot be read as a NumPy file"):
        open_clip(tmp_path / "a.npy")


def test_a_layer_brings_axes_sizes_and_its_name() -> None:
    layer = _layer(
        MOVIE[:, np.newaxis],
        scale=(2.0, 3.0, 0.5, 0.65),
        units=("minute", "micrometer", "micrometer", "micrometer"),
        axis_labels=("t", "z", "y", "x"),
        name="cells",
    )
    recording = from_layer(layer)
    assert recording.axes == "TZYX"
    assert recording.pixel_size_um == (0.5, 0.65)
    assert recording.z_step_um == 3.0
    assert recording.frame_interval_s == 120.0
    assert recording.name == "cells"


def test_a_layer_in_pixels_has_no_sizes() -> None:
    recording = from_layer(_layer(MOVIE, scale=(1, 1, 1), units=("pixel",) * 3))
    assert recording.axes == "TYX"
    assert recording.pixel_size_um is None
    assert recording.frame_interval_s is None


def test_a_colour_layer_has_samples_behind_its_labelled_axes() -> None:
    colour = np.zeros((5, 6, 8, 3), np.uint8)
    layer = _layer(colour, rgb=True, axis_labels=("t", "y", "x"))
    assert from_layer(layer).axes == "TYXS"


def test_a_layer_with_unclear_axes_is_named() -> None:
    layer = _layer(np.zeros((2, 3, 6, 8)), axis_labels=("axis -4", "a", "b", "c"), name="stack")
    with pytest.raises(AxesError, match="Layer 'stack'"):
        from_layer(layer)
