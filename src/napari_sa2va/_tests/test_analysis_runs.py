"""Many run-length codes at once give what they give one by one, and what the pixels give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sa2va.analysis.runs import Runs, areas_and_boxes, overlaps
from napari_sa2va.analysis.shape import cut_out, elongation, shapes_of
from napari_sa2va.core import rle
from napari_sa2va.core.errors import ShapeMismatch

stacks = arrays(bool, array_shapes(min_dims=3, max_dims=3, max_side=7))


def rectangle(y: int, x: int, height: int, width: int, size: tuple[int, int] = (12, 16)):
    mask = np.zeros(size, bool)
    mask[y : y + height, x : x + width] = True
    return rle.encode(mask)


def test_runs_of_two_masks_follow_each_other_on_one_line():
    # columns of the first: 1 1 | 0 1; of the second: 0 0 | 1 0; line: 1 1 0 1 0 0 1 0
    first, second = np.array([[1, 0], [1, 1]], bool), np.array([[0, 1], [0, 0]], bool)
    runs = Runs.of([rle.encode(first), rle.encode(second)], 2, 2)
    assert runs.starts.tolist() == [0, 3, 6]
    assert runs.ends.tolist() == [2, 4, 7]
    assert runs.owner.tolist() == [0, 0, 1]
    assert runs.areas().tolist() == [3, 1]
    assert runs.boxes().tolist() == [[0, 0, 2, 2], [0, 1, 1, 2]]


def test_a_run_that_goes_on_in_the_next_column_touches_top_and_bottom():
    mask = np.array([[0, 1], [0, 0], [1, 0]], bool)  # columns 0 0 1 | 1 0 0: one run of two px
    code = rle.encode(mask)
    assert code["counts"].tolist() == [2, 2, 2]
    assert Runs.of([code], 3, 2).boxes().tolist() == [[0, 0, 3, 2]]


@given(stacks)
def test_areas_and_boxes_are_those_of_the_pixels(masks):
    codes = [rle.encode(mask) for mask in masks]
    areas, boxes = areas_and_boxes(codes, *masks.shape[1:])
    for mask, area, box in zip(masks, areas, boxes, strict=True):
        assert area == mask.sum()
        rows, columns = np.nonzero(mask)
        if len(rows):
            expected = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        else:
            expected = [0, 0, 0, 0]
        assert box.tolist() == expected


@given(stacks, st.randoms())
def test_overlaps_of_many_pairs_are_those_of_each_pair(masks, random):
    order = list(range(len(masks)))
    random.shuffle(order)
    a = [rle.encode(mask) for mask in masks]
    b = [a[k] for k in order]
    shared = overlaps(a, b, *masks.shape[1:])
    assert shared.tolist() == [rle.overlap(*pair) for pair in zip(a, b, strict=True)]


def test_more_masks_than_are_compared_at_a_time_are_compared_too():
    codes = [rectangle(0, k % 5, 2, 3) for k in range(5000)]
    shared = overlaps(codes, [rectangle(0, 0, 1, 3)] * 5000, 12, 16)
    assert shared.tolist() == [3, 2, 1, 0, 0] * 1000
    areas, _ = areas_and_boxes(codes, 12, 16)
    assert areas.tolist() == [6] * 5000


def test_no_mask_at_all_has_no_numbers():
    assert overlaps([], [], 4, 4).shape == (0,)
    assert areas_and_boxes([], 4, 4)[1].shape == (0, 4)
    assert shapes_of([], 4, 4).centroid_yx_px.shape == (0, 2)


@pytest.mark.parametrize("counts", [[3, 5], [], [17]])
def test_a_damaged_code_among_good_ones_is_refused(counts):
    good = rectangle(0, 0, 1, 1, (4, 4))
    damaged = {"size": [4, 4], "counts": np.array(counts, np.uint32)}
    Runs.of([good, good], 4, 4)
    with pytest.raises(ShapeMismatch, match="add up to 4 x 4"):
        Runs.of([good, damaged], 4, 4)


def test_a_code_of_another_size_is_refused():
    with pytest.raises(ShapeMismatch, match=r"\[2, 8\]"):
        Runs.of([rectangle(0, 0, 1, 1, (2, 8))], 4, 4)


def test_the_moments_of_a_rectangle_are_those_of_the_ideal_one():
    # 3 rows from 2 and 12 columns from 4: centre (3, 9.5); variance of a side s is s**2 / 12
    shapes = shapes_of([rectangle(2, 4, 3, 12)], 12, 16)
    assert shapes.area_px.tolist() == [36]
    assert shapes.centroid_yx_px.tolist() == [[3.0, 9.5]]
    assert shapes.box_px.tolist() == [[2, 4, 5, 16]]
    np.testing.assert_allclose(shapes.covariance_yx_px2, [[[9 / 12, 0], [0, 144 / 12]]], atol=1e-12)
    assert elongation(shapes.covariance_yx_px2) == pytest.approx([4])  # 12 / 3


def test_the_direction_of_a_bar_does_not_matter():
    tilted = rle.encode(np.eye(9, dtype=bool))
    # along the diagonal the variance is 2 * (81 - 1) / 12 + 1 / 12, across it 1 / 12
    [ratio] = elongation(shapes_of([tilted], 9, 9).covariance_yx_px2)
    assert ratio == pytest.approx(np.sqrt(161))
    bar, turned = rectangle(0, 0, 1, 9), rectangle(0, 0, 9, 1)
    assert elongation(shapes_of([bar, turned], 12, 16).covariance_yx_px2) == pytest.approx([9, 9])


def test_pixels_that_are_twice_as_high_make_a_square_twice_as_long():
    covariance = shapes_of([rectangle(0, 0, 4, 4), rectangle(0, 0, 2, 4)], 12, 16).covariance_yx_px2
    assert elongation(covariance) == pytest.approx([1, 2])
    assert elongation(covariance, (0.2, 0.1)) == pytest.approx([2, 1])


def test_a_mask_without_a_pixel_has_no_place_and_no_shape():
    shapes = shapes_of([rle.empty(12, 16), rectangle(1, 1, 1, 1)], 12, 16)
    assert shapes.area_px.tolist() == [0, 1]
    assert np.isnan(shapes.centroid_yx_px[0]).all()
    assert shapes.centroid_yx_px[1].tolist() == [1, 1]
    ratio = elongation(shapes.covariance_yx_px2)
    assert np.isnan(ratio[0])
    assert ratio[1] == pytest.approx(1)


@given(stacks)
def test_moments_and_cut_outs_are_those_of_the_pixels(masks):
    codes = [rle.encode(mask) for mask in masks]
    shapes = shapes_of(codes, *masks.shape[1:])
    for k, mask in enumerate(masks):
        if not mask.any():
            continue
        positions = np.argwhere(mask)
        np.testing.assert_allclose(shapes.centroid_yx_px[k], positions.mean(0))
        expected = np.cov(positions.T, bias=True) + np.eye(2) / 12
        np.testing.assert_allclose(shapes.covariance_yx_px2[k], expected, atol=1e-9)
        y0, x0, y1, x1 = shapes.box_px[k]
        np.testing.assert_array_equal(cut_out(codes[k], (y0, x0, y1, x1)), mask[y0:y1, x0:x1])


def test_moments_of_a_small_object_far_from_the_corner_keep_their_digits():
    # 1 x 3 px in the far corner of 3e8 px
    height, width = 17_000, 17_000
    start = (width - 1) * height
    counts = np.array([start, 3, height - 3], np.uint32)
    shapes = shapes_of([{"size": [height, width], "counts": counts}], height, width)
    assert shapes.centroid_yx_px.tolist() == [[1, width - 1]]
    np.testing.assert_allclose(shapes.covariance_yx_px2[0], np.diag([9 / 12, 1 / 12]), rtol=1e-12)
