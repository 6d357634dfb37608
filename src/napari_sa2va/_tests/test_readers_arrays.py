"""Arrays in memory, NumPy files and napari layers as clips."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZIP_DEFLATED, ZipFile

import dask.array as da
import h5py
import numpy as np
import pytest
import zarr

from napari_sa2va.core.clip import make_clip
from napari_sa2va.core.errors import AxesError, ClipError, SeriesError
from napari_sa2va.readers.layer import from_array, from_layer
from napari_sa2va.readers.numpy_file.header import ArrayHeader
from napari_sa2va.readers.numpy_file.planes import check_memory
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
    with pytest.raises(SeriesError, match="2 arrays: movie, other") as caught:
        open_clip(tmp_path / "a.npz")
    assert caught.value.choices[1] == ("other", "other: 2 x 6 x 8, uint16")
    assert open_clip(tmp_path / "a.npz", series="other").num_frames == 2
    assert open_clip(tmp_path / "a.npz", series=0).num_frames == 5


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    objects = np.array([[{"a": 1}]], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", objects=objects)
    with pytest.raises(ClipError, match="holds 1 x 1, object, not an image"):
        open_clip(tmp_path / "a.npy")
    with pytest.raises(ClipError, match="no arrays that are images"):
        open_clip(tmp_path / "a.npz")


def test_arrays_that_are_no_images_are_no_choice(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", times=np.arange(5.0), movie=MOVIE, name=np.array("cells"))
    assert open_clip(tmp_path / "a.npz").num_frames == 5


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_planes_of_an_npz_are_read_when_they_are_asked_for(
    save: Callable[..., None], tmp_path: Path
) -> None:
    save(tmp_path / "a.npz", movie=MOVIE)
    data = read_recording(tmp_path / "a.npz").data
    assert len(pickle.dumps(data)) < 10_000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(data))[3].compute(), MOVIE[3])
    np.testing.assert_array_equal(data.compute(), MOVIE)


def test_the_other_order_of_pixels_is_understood(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(MOVIE))
    np.savez(tmp_path / "a.npz", movie=np.asfortranarray(MOVIE.astype(">u2")))
    for name in ("a.npy", "a.npz"):
        np.testing.assert_array_equal(read_recording(tmp_path / name).data.compute(), MOVIE)


def _npy(shape: str, pixels: bytes = b"") -> bytes:
    """An .npy file with any text as its shape."""
    header = f"{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + pixels


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("(1000000000, 1000, 1000)", "2000000000000128 that its header promises"),
        ("(5, 6, 9999999999999999999)", "that its header promises"),
        ("(-1, 6, 8)", "promises the shape"),
        ("(5, 6, '8')", "cannot be read as a NumPy file"),
        ("(" * 50, "cannot be read as a NumPy file"),
    ],
)
def test_a_header_that_promises_what_is_not_there_is_refused(
    shape: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.npy").write_bytes(_npy(shape, bytes(480)))
    with pytest.raises(ClipError, match=message):
        open_clip(tmp_path / "a.npy")
    with ZipFile(tmp_path / "a.npz", "w", ZIP_DEFLATED) as archive:
        archive.writestr("movie.npy", _npy(shape, bytes(480)))
    with pytest.raises(ClipError, match=r"a\.npz"):
        open_clip(tmp_path / "a.npz")


def test_a_member_that_says_it_unpacks_to_a_petabyte_is_refused(tmp_path: Path) -> None:
    whole = _npy("(500000, 100000, 10000)", bytes(480))
    with ZipFile(tmp_path / "a.npz", "w", ZIP_DEFLATED) as archive:
        archive.writestr("movie.npy", whole)
        archive.filelist[0].file_size = 10**15 + 128  # what the directory will say
    with pytest.raises(ClipError, match=r"holds .* bytes at most, and its header promises 1000000"):
        open_clip(tmp_path / "a.npz")


def test_more_than_fits_into_memory_is_not_unpacked() -> None:
    header = ArrayHeader((10**6, 10**6, 10**6), np.dtype("u1"), False, 128)
    with pytest.raises(ClipError, match="GB of memory are free"):
        check_memory("a.npz", header)


def test_a_file_that_shrank_since_it_was_opened_is_refused(tmp_path: Path) -> None:
    for name, array in (("c.npy", MOVIE), ("f.npy", np.asfortranarray(MOVIE))):
        np.save(tmp_path / name, array)
        data = read_recording(tmp_path / name).data
        os.truncate(tmp_path / name, 200)
        with pytest.raises(ClipError, match="shrunk to 200 bytes"):
            data[1].compute()


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", movie=MOVIE)
    whole = bytearray((tmp_path / "a.npz").read_bytes())
    whole[300:310] = bytes(10)
    (tmp_path / "a.npz").write_bytes(bytes(whole))
    with pytest.raises(ClipError, match=r"movie\.npy"):
        open_clip(tmp_path / "a.npz").rgb(0)


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


def test_limits_of_a_layer_become_those_of_its_clip() -> None:
    recording = from_layer(_layer(MOVIE, contrast_limits=[100, 900]))
    assert recording.window == ((100.0, 900.0),)
    assert make_clip(recording).limits == ((100.0, 900.0),)


def test_a_layer_of_a_pyramid_in_hdf5_or_zarr_is_read_lazily(tmp_path: Path) -> None:
    stored = zarr.create_array(tmp_path / "a.zarr", data=MOVIE, chunks=(2, 3, 8))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("movie", data=MOVIE, chunks=(5, 6, 8))
        for data in (stored, dataset):
            recording = from_layer(_layer([data, MOVIE[:, ::2, ::2]], multiscale=True))
            assert recording.data.chunks[0] == (1,) * 5
            np.testing.assert_array_equal(recording.data[2].compute(), MOVIE[2])


def test_a_colour_layer_has_samples_behind_its_labelled_axes() -> None:
    colour = np.zeros((5, 6, 8, 3), np.uint8)
    layer = _layer(colour, rgb=True, axis_labels=("t", "y", "x"))
    assert from_layer(layer).axes == "TYXS"


def test_a_layer_with_unclear_axes_is_named() -> None:
    layer = _layer(np.zeros((2, 3, 6, 8)), axis_labels=("axis -4", "a", "b", "c"), name="stack")
    with pytest.raises(AxesError, match="Layer 'stack'"):
        from_layer(layer)
