"""A clip shows every frame with the same limits, and refuses what cannot be shown."""

from __future__ import annotations

import json
import pickle

import dask.array as da
import numpy as np
import pytest

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import ClipError, PixelError, RequestError
from napari_sa2va.core.intensity import SAMPLED_FRAMES, find_limits, sample_indices, to_uint8
from napari_sa2va.readers.open import open_clip

RNG = np.random.default_rng(0)


def counted(movie: np.ndarray) -> tuple[da.Array, list[int]]:
    """A lazy movie that writes down which frames were read."""
    read: list[int] = []

    def plane(block_id: tuple[int, ...]) -> np.ndarray:
        read.append(block_id[0])
        return movie[block_id[0]][np.newaxis]

    chunks = ((1,) * len(movie), *((n,) for n in movie.shape[1:]))
    lazy = da.map_blocks(
        plane, chunks=chunks, dtype=movie.dtype, meta=np.empty((0,) * movie.ndim, movie.dtype)
    )
    return lazy, read


# ---- eight bits stay what they are


def test_eight_bit_frames_come_out_unchanged() -> None:
    colour = RNG.integers(0, 200, (3, 4, 5, 3)).astype(np.uint8)
    grey = colour[..., 0]
    np.testing.assert_array_equal(open_clip(colour).rgb(1), colour[1])
    np.testing.assert_array_equal(open_clip(grey).rgb(1), np.repeat(grey[1][..., None], 3, -1))


def test_limits_given_for_eight_bit_data_are_used() -> None:
    grey = np.array([[[0, 50, 100, 150, 255]]], np.uint8)
    assert open_clip(grey, limits=(50, 150)).rgb(0)[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_a_bool_movie_is_black_and_white() -> None:
    clip = open_clip(RNG.random((3, 4, 5)) > 0.5)
    assert set(np.unique(clip.rgb(0))) == {0, 255}


# ---- limits once per clip


def test_a_brightening_movie_goes_on_brightening() -> None:
    pattern = RNG.integers(0, 100, (8, 8))
    movie = np.stack([pattern + 200 * t for t in range(10)]).astype(np.uint16)
    clip = open_clip(movie)
    means = [clip.rgb(t).mean() for t in range(10)]
    assert means == sorted(means)
    assert means[-1] - means[0] > 200, "per-frame limits would make all frames alike"


def test_limits_are_percentiles_of_the_sampled_frames() -> None:
    movie = RNG.integers(100, 4000, (40, 32, 32)).astype(np.uint16)
    sample = movie[sample_indices(40)]
    expected = np.percentile(sample, [0.1, 99.9])
    assert open_clip(movie).limits == (pytest.approx(tuple(expected), rel=1e-6),)


def test_a_hot_pixel_does_not_darken_the_clip() -> None:
    movie = RNG.integers(100, 200, (10, 64, 64)).astype(np.uint16)
    movie[:, 3, 3] = 65535
    assert open_clip(movie).limits[0][1] < 200


def test_few_bright_spots_on_flat_ground_are_shown() -> None:
    movie = np.full((4, 64, 64), 100, np.uint16)
    movie[:, 5, 5] = 900
    clip = open_clip(movie)
    assert clip.limits == ((100.0, 900.0),)
    assert clip.rgb(0)[5, 5, 0] == 255


def test_each_channel_has_its_limits_but_colour_samples_share_theirs() -> None:
    movie = np.stack([RNG.integers(0, top, (4, 8, 8)) for top in (100, 4000, 60000)], axis=-1)
    movie = movie.astype(np.uint16)
    channels = open_clip(movie, axes="TYXC")
    colour = open_clip(movie, axes="TYXS")
    tops = [high for _, high in channels.limits]
    assert tops[0] < 101 < 3000 < tops[1] < 4001 < tops[2]
    assert len(set(colour.limits)) == 1


def test_given_limits_can_differ_by_channel() -> None:
    movie = np.full((2, 4, 4, 2), 50, np.uint16)
    movie[0, 0, 0] = 100
    clip = open_clip(movie, axes="TYXC", limits=[(0, 100), (50, 100)])
    assert clip.rgb(1)[0, 0].tolist() == [128, 0, 0]
    assert clip.rgb(0)[0, 0].tolist() == [255, 255, 0]


@pytest.mark.parametrize(
    "limits", [(5, 5), (9, 1), (0, float("nan")), (1,), [(0, 1), (0, 1)], "a,b"]
)
def test_limits_that_are_no_interval_are_refused(limits: object) -> None:
    with pytest.raises(PixelError, match="limits"):
        open_clip(RNG.integers(0, 9, (3, 4, 5)).astype(np.uint16), limits=limits)


def test_colour_in_floats_from_zero_to_one_is_not_stretched() -> None:
    movie = RNG.uniform(0.2, 0.4, (3, 4, 5, 3))
    assert open_clip(movie).limits == ((0.0, 1.0),) * 3


def test_limits_are_rounded_where_nobody_sees_it() -> None:
    movie = np.linspace(0, np.pi, 3 * 16 * 16).reshape(3, 16, 16)
    ((low, high),) = open_clip(movie).limits
    # the percentiles 0.1 and 99.9 of an even ramp
    assert (low, high) == (float(f"{np.pi / 1000:.7g}"), float(f"{np.pi * 0.999:.7g}"))


@pytest.mark.parametrize(
    ("ground", "span", "dtype"),
    [
        (1e6 - 0.01, 0.02, "float64"),
        (2**31, 99, "uint32"),
        (-(2**31), 99, "int32"),
        (2**31, 2000, "int64"),  # seven digits would leave an interval, but cut it off
        (2**20, 64, "float32"),
    ],
)
def test_a_small_signal_on_a_high_ground_keeps_its_precision(
    ground: float, span: float, dtype: str
) -> None:
    ramp = np.linspace(0, 1, 256).reshape(1, 16, 16)
    movie = (ground + span * np.repeat(ramp, 3, 0)).astype(dtype)
    clip = open_clip(movie)
    ((low, high),) = clip.limits
    values = movie.astype(np.float64)
    assert low == pytest.approx(np.percentile(values, 0.1), abs=span / 512)
    assert high == pytest.approx(np.percentile(values, 99.9), abs=span / 512)
    by_hand = np.clip((values[1] - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(clip.rgb(1)[..., 0], by_hand, atol=0.51)
    assert len(np.unique(clip.rgb(1))) > 50


def test_integers_that_doubles_cannot_tell_apart_are_refused_with_a_way_out() -> None:
    movie = (2**62 + np.arange(100)).reshape(1, 10, 10)  # doubles count in steps of 1024 here
    with pytest.raises(PixelError, match="double-precision") as caught:
        open_clip(movie)
    assert "data.min()" in caught.value.hint


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int64", "float16", "float64"])
def test_other_numbers_are_scaled_too(dtype: str) -> None:
    movie = RNG.integers(-100 if dtype[0] != "u" else 0, 100, (3, 16, 16)).astype(dtype)
    clip = open_clip(movie)
    shown = np.stack([clip.rgb(t) for t in range(3)])
    assert (shown.min(), shown.max()) == (0, 255)


def test_the_table_for_sixteen_bits_equals_the_formula() -> None:
    values = np.arange(65536, dtype=np.uint16)
    by_hand = np.rint(np.clip((values.astype(float) - 100) / 3900, 0, 1) * 255).astype(np.uint8)
    np.testing.assert_array_equal(to_uint8(values, (100.0, 4000.0)), by_hand)


# ---- lazy


def test_opening_two_hundred_frames_reads_at_most_sixteen() -> None:
    movie, read = counted(RNG.integers(0, 4000, (200, 8, 8)).astype(np.uint16))
    clip = open_clip(movie)
    assert len(read) == SAMPLED_FRAMES
    assert {0, 199} <= set(read)
    read.clear()
    clip.rgb(42)
    assert read == [42]


def test_opening_eight_bit_data_or_giving_limits_reads_one_frame() -> None:
    for dtype, limits in (("uint8", None), ("uint16", (0, 200))):
        movie, read = counted(RNG.integers(0, 200, (200, 8, 8)).astype(dtype))
        open_clip(movie, limits=limits)
        assert read == [0]


def test_sampled_frames_are_spread_over_the_clip() -> None:
    assert sample_indices(5) == [0, 1, 2, 3, 4]
    assert sample_indices(31, 4) == [0, 10, 20, 30]
    assert sample_indices(1, 8) == [0]


def test_a_clip_can_be_pickled() -> None:
    clip = open_clip(RNG.integers(0, 4000, (3, 4, 5)).astype(np.uint16), name="cells")
    copy = pickle.loads(pickle.dumps(clip))
    assert copy.limits == clip.limits
    np.testing.assert_array_equal(copy.rgb(2), clip.rgb(2))


# ---- nothing to see


def test_nan_found_while_opening_names_frame_and_count() -> None:
    movie = RNG.random((4, 8, 8)).astype(np.float32)
    movie[2, 0, :3] = np.nan
    movie[2, 1, 0] = np.inf
    with pytest.raises(PixelError, match="Frame 2 has 3 NaN and 1 infinite pixels of 64") as caught:
        open_clip(movie)
    assert "nan_to_num" in caught.value.hint


def test_nan_in_a_frame_that_was_not_sampled_is_found_when_it_is_shown() -> None:
    movie = RNG.random((200, 4, 5)).astype(np.float32)
    movie[7, 0, 0] = np.nan
    assert 7 not in sample_indices(200)
    clip = open_clip(movie)
    clip.rgb(6)
    with pytest.raises(PixelError, match="Frame 7 has 1 NaN"):
        clip.rgb(7)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "bool"])
def test_an_all_black_movie_is_refused(dtype: str) -> None:
    with pytest.raises(PixelError, match="Every pixel of all 20 frames has the value 0"):
        open_clip(np.zeros((20, 4, 5), dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_endless_movie_of_nothing_is_not_read_to_its_end(dtype: type) -> None:
    read = []

    def frame(t: int) -> np.ndarray:
        read.append(t)
        return np.zeros((2, 3), dtype)

    with pytest.raises(PixelError, match=r"Every pixel of 10.. of 1000000 frames has the value 0"):
        find_limits(frame, 1_000_000, np.dtype(dtype))
    assert len(read) < 1100


def test_frames_larger_than_the_memory_are_refused() -> None:
    huge = da.zeros((2, 2**22, 2**23), dtype=np.uint8, chunks=(1, 2**20, 2**20))
    with pytest.raises(ClipError, match=r"One frame of array takes 35184\.4 GB"):
        open_clip(huge)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_an_event_between_black_sampled_frames_is_found(dtype: str) -> None:
    movie = np.zeros((40, 4, 5), dtype)
    assert 7 not in sample_indices(40)
    movie[7, 2, 2] = 90
    clip = open_clip(movie)
    assert clip.rgb(7)[2, 2, 0] == (90 if dtype == "uint8" else 255)


@pytest.mark.parametrize("shape", [(0, 4, 5), (3, 0, 5)])
def test_an_empty_movie_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ClipError, match="is empty"):
        open_clip(np.zeros(shape, np.uint8))


def test_complex_pixels_are_refused_with_a_way_out() -> None:
    with pytest.raises(PixelError, match="complex") as caught:
        open_clip(np.ones((3, 4, 5), complex))
    assert "numpy.abs" in caught.value.hint


def test_pixels_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(PixelError, match="of type <U1"):
        open_clip(np.full((3, 4, 5), "a"))


@pytest.mark.parametrize("t", [-1, 3])
def test_a_frame_out_of_range_is_a_bad_request(t: int) -> None:
    clip = open_clip(RNG.integers(0, 200, (3, 4, 5)).astype(np.uint8))
    with pytest.raises(RequestError, match=f"no frame {t} in a clip of 3"):
        clip.rgb(t)


def test_a_clip_of_a_wrong_shape_cannot_be_made() -> None:
    with pytest.raises(ClipError, match=r"\(T, Y, X\)"):
        Clip(da.zeros((2, 3)))


def test_the_description_is_json() -> None:
    clip = open_clip(RNG.integers(0, 4000, (3, 4, 5)).astype(np.uint16), name="cells")
    told = json.loads(json.dumps(clip.describe()))
    assert told["name"] == "cells"
    assert told["limits"] == [list(clip.limits[0])]
    assert (told["num_frames"], told["height"], told["width"]) == (3, 4, 5)
