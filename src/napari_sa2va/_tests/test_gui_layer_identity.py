"""A layer is found again by what is in it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_sa2va.gui.layer_identity import (
    SAMPLED_BYTES,
    LayerIdentity,
    find_layer,
    identity_of,
)

MOVIE = np.random.default_rng(0).integers(0, 4000, (6, 20, 24)).astype(np.uint16)


def image(data=MOVIE, **options) -> Image:
    return Image(data, contrast_limits=(0, 4000), **options)


def test_name_look_and_place_make_no_difference() -> None:
    other = image(name="another", scale=(2, 3, 3), colormap="green", gamma=0.5)
    other.contrast_limits = (7, 99)
    assert identity_of(other).key == identity_of(image()).key


@pytest.mark.parametrize(
    "other",
    [
        MOVIE[1:],
        MOVIE + np.uint16(1),
        MOVIE[:, ::-1],
        MOVIE.astype(np.int32),
        MOVIE[..., None] + [0, 1],
    ],
)
def test_other_pixels_are_another_layer(other: np.ndarray) -> None:
    assert identity_of(image(other)).key != identity_of(image()).key


def test_numpy_dask_zarr_and_pyramids_are_the_same_layer(tmp_path: Path) -> None:
    stored = zarr.create_array(tmp_path / "a.zarr", data=MOVIE, chunks=(2, 10, 24))
    lazy = da.from_array(MOVIE, chunks=(3, 20, 7))
    layers = [image(stored), image(lazy), image([lazy, lazy[:, ::2, ::2]], multiscale=True)]
    for layer in layers:
        assert identity_of(layer).key == identity_of(image()).key


def test_an_identity_survives_json() -> None:
    identity = identity_of(image())
    assert LayerIdentity.from_json(json.loads(json.dumps(identity.to_json()))) == identity


def test_no_more_than_a_megabyte_is_read() -> None:
    read: list[int] = []

    class Watched:
        """An array on disk, as far as napari and the identity look at it."""

        shape, dtype, ndim = (5000, 4, 3000, 2000), np.dtype(np.uint16), 4

        def __getitem__(self, index):
            part = np.broadcast_to(np.uint16(1), self.shape)[index]
            read.append(part.nbytes)
            return np.array(part)

    layer = Image(np.zeros((2, 2, 4, 4), np.uint16), axis_labels=("t", "c", "y", "x"))
    watched = Watched()
    stand_in = type("Layer", (), {
        "data": watched, "multiscale": False, "rgb": False, "name": "big", "metadata": {},
        "axis_labels": layer.axis_labels, "source": layer.source,
    })()  # fmt: skip
    identity = identity_of(stand_in)
    assert identity.shape == watched.shape
    assert len(read) == 3
    assert 0.9 * SAMPLED_BYTES < sum(read) <= SAMPLED_BYTES


def test_the_sample_is_of_the_first_the_middle_and_the_last_frame() -> None:
    same = []
    for t in range(6):
        other = MOVIE.copy()
        other[t, 10, 12] += 1
        same.append(identity_of(image(other)).key == identity_of(image()).key)
    assert same == [False, True, True, False, True, False]


def test_the_layer_is_found_among_others_whatever_it_is_called() -> None:
    viewer = ViewerModel()
    wanted = identity_of(image())
    viewer.add_image(MOVIE[::-1], name="movie", contrast_limits=(0, 4000))
    viewer.add_layer(Labels(MOVIE))
    assert find_layer(viewer.layers, wanted) is None
    right = viewer.add_image(MOVIE.copy(), name="renamed", contrast_limits=(0, 4000))
    assert find_layer(viewer.layers, wanted) is right


def test_of_two_with_the_same_pixels_the_one_of_the_same_file_is_taken(
    tmp_path: Path, make_napari_viewer_proxy
) -> None:
    viewer = make_napari_viewer_proxy()
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, MOVIE)
        os.utime(tmp_path / name, (1, 1))
        viewer.open(tmp_path / name, plugin="napari")
    for name in ("a", "b"):
        wanted = identity_of(viewer.layers[name])
        assert wanted.path == str(tmp_path / f"{name}.tif")
        assert wanted.modified_s == 1
        assert wanted.num_bytes == (tmp_path / f"{name}.tif").stat().st_size
        assert find_layer(viewer.layers, wanted).name == name


def test_a_file_that_was_moved_is_found_by_its_pixels() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(MOVIE, contrast_limits=(0, 4000))
    found = identity_of(layer)
    assert found.path is None
    before = replace(found, path="/elsewhere/a.tif", num_bytes=1, modified_s=1.0)
    assert find_layer(viewer.layers, before) is layer
