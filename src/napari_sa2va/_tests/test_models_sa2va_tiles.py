"""Pictures become tiles by the published rule, with PIL's antialiased bicubic."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.models.sa2va.tiles import MEAN, STD, best_grid, frame_tile, image_tiles


def flat(value, height=40, width=80):
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "grid"),
    [
        (448, 448, (1, 1)),
        (640, 360, (2, 1)),
        (360, 640, (1, 2)),
        # 1:1 in four grids: larger ones only if the image has more than half their pixels.
        (600, 600, (1, 1)),
        (800, 800, (2, 2)),
        (2000, 2000, (3, 3)),
        (4000, 300, (12, 1)),
        (1000, 750, (4, 3)),
    ],
)
def test_the_grid_has_the_shape_of_the_image(width, height, grid):
    assert best_grid(width, height, 448) == grid


def test_a_tile_is_normalised_with_imagenet_statistics():
    tile = frame_tile(flat(255), 14)
    assert tile.dtype == np.float32
    assert tile.shape == (3, 14, 14)
    for channel in range(3):
        np.testing.assert_allclose(tile[channel], (1 - MEAN[channel]) / STD[channel], rtol=1e-6)


def test_a_video_frame_is_squashed_whatever_its_shape():
    frame = flat(0)
    frame[:, 40:] = 255
    tile = frame_tile(frame, 8)
    # Left half dark, right half bright; bicubic rings by a few per cent beside the edge.
    assert (tile[:, :, :3] < tile[:, :, 5:].min()).all()


def test_resizing_is_pil_bicubic():
    frame = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    resized = np.asarray(Image.fromarray(frame).resize((8, 8), Image.Resampling.BICUBIC))
    expected = (resized / 255.0 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(frame_tile(frame, 8), expected.transpose(2, 0, 1), atol=1e-6)


def test_tiles_run_row_by_row_and_the_thumbnail_is_last():
    image = flat(0, 200, 200)
    for number, (y, x) in enumerate([(0, 0), (0, 100), (100, 0), (100, 100)]):
        image[y : y + 100, x : x + 100] = 60 * number
    tiles = image_tiles(image, 100)
    assert len(tiles) == 5
    centres = tiles[:4, 0, 50, 50]
    assert (np.diff(centres) > 0).all()
    np.testing.assert_array_equal(tiles[4], frame_tile(image, 100))


def test_an_image_of_one_tile_has_no_thumbnail():
    assert len(image_tiles(flat(9, 50, 50), 100)) == 1


@pytest.mark.parametrize(
    "frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)]
)
def test_what_is_not_an_rgb_frame_is_refused(frame):
    with pytest.raises(ShapeMismatch, match=r"uint8 \(Y, X, 3\)"):
        frame_tile(frame, 8)
