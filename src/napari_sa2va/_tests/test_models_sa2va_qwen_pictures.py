"""Pictures of the Qwen-VL branch against the library's processor, which is used here only."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from napari_sa2va.core.errors import CheckpointError, RequestError, ShapeMismatch
from napari_sa2va.models.sa2va.qwen_pictures import PatchLayout, PixelLimits, fitted_size, packed
from napari_sa2va.models.sa2va.qwen_prompt import READINGS

CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
LAYOUTS = {
    "Qwen2.5-VL": PatchLayout(14, 2, 2, *CLIP),
    "Qwen3-VL": PatchLayout(16, 2, 2, *HALVES),
}
PUBLISHED, TRAINED = READINGS["published"], READINGS["trained"]
VISION = {"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}


def picture(height, width, seed=0):
    """A picture in which every pixel differs from its neighbours."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def processed(image, layout, limits):
    """What the library's own processor makes of a PIL image: rows and grid."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil(
        patch_size=layout.side,
        merge_size=layout.merge,
        temporal_patch_size=layout.frames,
        image_mean=list(layout.mean),
        image_std=list(layout.std),
        size={"shortest_edge": limits.fewest, "longest_edge": limits.most},
    )
    found = processor(images=[image], return_tensors="np")
    return found["pixel_values"], tuple(found["image_grid_thw"][0].tolist())


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("size", [(90, 120), (300, 200), (28, 1000)], ids=str)
def test_patches_are_packed_as_by_the_librarys_processor(layout, size):
    frame, limits = picture(*size), PixelLimits(100_352, 401_408)
    rows, grid = packed(frame, layout, limits)
    expected, expected_grid = processed(Image.fromarray(frame), layout, limits)
    assert grid == expected_grid
    assert rows.shape == (grid[1] * grid[2], 3 * 2 * layout.side**2)
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_patches_of_one_vision_token_follow_each_other():
    # 4 x 4 patches of 1 px, 2 x 2 of which make a token; the pixel's number is its red value.
    numbers = np.arange(16, dtype=np.uint8).reshape(4, 4)
    layout = PatchLayout(1, 2, 2, (0.0,) * 3, (1.0,) * 3, scale=1.0)
    rows, grid = packed(np.stack([numbers, numbers, numbers], -1), layout, PixelLimits(1, 16))
    assert grid == (1, 4, 4)
    assert rows[:, 0].tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]
    assert rows[5].tolist() == [3] * 6  # three colours of one px, in both frames of the patch


@pytest.mark.parametrize(("kind", "step"), [("Qwen2.5-VL", 28), ("Qwen3-VL", 32)])
def test_the_published_code_resizes_twice_first_to_multiples_of_28(kind, step):
    frame, layout = picture(100, 130), LAYOUTS[kind]
    limits = PUBLISHED.limits(5)
    rows, grid = packed(frame, layout, limits, first=PUBLISHED.resized_before)
    before = Image.fromarray(frame).resize((140, 112), Image.Resampling.BICUBIC)  # (x, y)
    expected, expected_grid = processed(before, layout, limits)
    assert grid == expected_grid
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert grid[1] * layout.side % step == 0
    once, once_grid = packed(frame, layout, limits)
    assert grid != once_grid or not np.allclose(rows, once)


def test_small_and_large_frames_are_brought_within_the_published_limits():
    for size in [(20, 30), (600, 800), (3000, 2000)]:
        height, width = fitted_size(*size, 28, PUBLISHED.limits(5))
        assert 401_408 <= height * width <= 1_605_632


def test_training_showed_several_frames_smaller_than_a_single_picture():
    # Of a frame of 600 x 800 px, to multiples of 28 px.
    assert fitted_size(600, 800, 28, PUBLISHED.limits(5)) == (588, 812)
    assert fitted_size(600, 800, 28, TRAINED.limits(1)) == (588, 812)
    height, width = fitted_size(600, 800, 28, TRAINED.limits(5))
    assert 100_352 <= height * width <= 401_408


@pytest.mark.parametrize("size", [(1, 1), (10, 900), (111, 112), (42, 70), (5000, 4000)], ids=str)
@pytest.mark.parametrize("step", [28, 32])
def test_sizes_are_those_of_the_published_rule(size, step):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    for limits in (PUBLISHED.limits(1), TRAINED.limits(2)):
        published = smart_resize(*size, step, limits.fewest, limits.most)
        assert fitted_size(*size, step, limits) == published


def test_a_thin_picture_keeps_one_token_across():
    """The helper of the published code, whose lower limit a thin picture can meet so."""
    _, limits = PUBLISHED.resized_before
    assert fitted_size(10, 1000, 28, limits) == (28, 1008)


def test_a_picture_too_elongated_is_refused():
    limits = PUBLISHED.limits(1)
    assert fitted_size(5, 1000, 28, limits)
    with pytest.raises(RequestError, match=r"1001 x 5 px is too elongated.*200 times"):
        fitted_size(5, 1001, 28, limits)


def test_a_frame_of_another_type_is_refused():
    with pytest.raises(ShapeMismatch, match="float64"):
        packed(np.zeros((30, 30, 3)), LAYOUTS["Qwen2.5-VL"], PUBLISHED.limits(1))


def test_the_checkpoints_own_statistics_are_read():
    layout = PatchLayout.published({"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]}, VISION)
    assert layout == PatchLayout(14, 2, 2, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))


STATISTICS = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


@pytest.mark.parametrize(
    ("preprocessor", "words"),
    [
        ({}, r"no preprocessor_config\.json"),
        ({"image_mean": [0.5] * 3}, "image_mean and image_std"),
        ({"image_mean": "clip", "image_std": [1, 1, 1]}, "image_mean and image_std"),
        ({"image_mean": [], "image_std": [1, 1, 1]}, "image_mean and image_std"),
        ({"image_mean": [0.5] * 3, "image_std": [1, 1]}, "image_mean and image_std"),
        ({"image_mean": [0.5] * 3, "image_std": [1, 0, 1]}, "image_mean and image_std"),
        ({"image_mean": [math.nan] * 3, "image_std": [1, 1, 1]}, "image_mean and image_std"),
        ({"image_mean": [10**400] * 3, "image_std": [1, 1, 1]}, "image_mean and image_std"),
        (STATISTICS | {"rescale_factor": "one"}, "rescale_factor or resample"),
        (STATISTICS | {"resample": 17}, "rescale_factor or resample"),
        ({"patch_size": 16}, "patch_size 16, but config.json gives the tower 14"),
        ({"merge_size": 1}, "merge_size 1, but config.json gives the tower 2"),
    ],
)
def test_a_preprocessor_file_that_does_not_fit_says_why(preprocessor, words):
    with pytest.raises(CheckpointError, match=words):
        PatchLayout.published(preprocessor, VISION)


def test_a_null_in_the_preprocessor_file_means_what_is_published():
    plain = PatchLayout.published(STATISTICS, VISION)
    nulls = STATISTICS | {"resample": None, "rescale_factor": None, "patch_size": None}
    assert PatchLayout.published(nulls, VISION) == plain
    assert PatchLayout.published(STATISTICS | {"resample": 0}, VISION).resample == 0
