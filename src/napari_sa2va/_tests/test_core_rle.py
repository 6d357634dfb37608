from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sa2va.core import rle
from napari_sa2va.core.errors import ShapeMismatch

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))
MASK_OF_3_BY_4 = arrays(bool, (3, 4))


def test_runs_go_down_the_columns_and_start_with_background():
    mask = np.array([[1, 0], [1, 1]], dtype=bool)  # columns: 1 1 | 0 1
    code = rle.encode(mask)
    assert code["size"] == [2, 2]
    assert code["counts"].dtype == np.uint32
    assert code["counts"].tolist() == [0, 2, 1, 1]


@given(masks)
def test_decoding_gives_the_mask_back(mask):
    code = rle.encode(mask)
    np.testing.assert_array_equal(rle.decode(code), mask)
    assert rle.area(code) == mask.sum()


@given(masks)
def test_pycocotools_reads_the_same_mask(mask):
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is a test extra")
    code = rle.encode(mask)
    as_json = {"size": code["size"], "counts": code["counts"].tolist()}
    compressed = coco.frPyObjects(as_json, *code["size"])
    np.testing.assert_array_equal(coco.decode(compressed).astype(bool), mask)


@given(masks, st.integers(1, 5))
def test_a_damaged_code_is_refused(mask, extra):
    code = rle.encode(mask)
    code["counts"] = [*code["counts"], extra]
    with pytest.raises(ShapeMismatch, match="add up"):
        rle.decode(code)


def test_only_planes_are_masks():
    with pytest.raises(ShapeMismatch, match=r"\(2, 2, 2\)"):
        rle.encode(np.zeros((2, 2, 2), dtype=bool))


same_size = array_shapes(min_dims=2, max_dims=2, max_side=6).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


@given(same_size)
def test_masks_are_combined_without_decoding(pair):
    a, b = pair
    codes = rle.encode(a), rle.encode(b)
    assert rle.overlap(*codes) == np.count_nonzero(a & b)
    # Codes are unique, so that comparing them compares the masks.
    assert rle.same(rle.union(codes), rle.encode(a | b))
    assert rle.same(rle.difference(*codes), rle.encode(a & ~b))
    assert rle.same(*codes) == np.array_equal(a, b)


@given(masks)
def test_a_code_goes_through_json(mask):
    code = rle.encode(mask)
    assert rle.same(rle.from_json(json.loads(json.dumps(rle.to_json(code)))), code)


def test_an_empty_code_is_that_of_an_empty_mask():
    assert rle.same(rle.empty(3, 4), rle.encode(np.zeros((3, 4), bool)))


def test_damaged_json_and_masks_of_other_sizes_are_refused():
    with pytest.raises(ShapeMismatch, match="5 px"):
        rle.from_json({"size": [2, 2], "counts": [3, 2]})
    with pytest.raises(ShapeMismatch, match=r"\[2, 2\] and \[2, 3\]"):
        rle.overlap(rle.empty(2, 2), rle.empty(2, 3))
    with pytest.raises(ShapeMismatch):
        rle.union([rle.empty(2, 2), rle.empty(2, 3)])


@given(masks, st.sampled_from("CF"))
def test_filling_writes_the_pixels_of_the_mask_and_no_other(mask, order):
    plane = np.full(mask.shape, 7, np.uint16, order=order)
    rle.fill(rle.encode(mask), plane, 300)
    np.testing.assert_array_equal(plane, np.where(mask, 300, 7))


def test_long_runs_and_short_ones_are_filled_alike():
    even = np.zeros((64, 65), bool)
    even[::2] = True  # a run per pixel
    square = np.zeros((64, 65), bool)
    square[10:50, 3:60] = True
    for mask in (even, square):
        plane = np.zeros(mask.shape, np.uint8, order="F")
        rle.fill(rle.encode(mask), plane, 1)
        np.testing.assert_array_equal(plane, mask)


def test_a_mask_of_another_size_is_not_filled_in():
    with pytest.raises(ShapeMismatch, match=r"\[2, 3\] px"):
        rle.fill(rle.empty(2, 3), np.zeros((3, 2)), 1)


@given(
    arrays(np.uint32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 3))
)
def test_the_codes_of_a_label_image_are_those_of_its_objects(labels):
    codes = rle.encode_labels(labels)
    assert list(codes) == [i for i in np.unique(labels).tolist() if i]
    for object_id, code in codes.items():
        assert rle.same(code, rle.encode(labels == object_id))


def test_a_label_image_with_an_object_per_pixel_is_encoded():
    labels = np.arange(70_000, dtype=np.uint32).reshape(250, 280)
    codes = rle.encode_labels(labels)
    assert len(codes) == 69_999
    assert codes[69_999]["counts"].tolist() == [69_999, 1]
    assert codes[300]["counts"].tolist() == [20 * 250 + 1, 1, 70_000 - 20 * 250 - 2]


def test_labels_without_an_object_have_no_code():
    assert rle.encode_labels(np.zeros((2, 3), np.uint16)) == {}
    assert rle.encode_labels(np.zeros((0, 3), np.uint16)) == {}
    with pytest.raises(ShapeMismatch):
        rle.encode_labels(np.zeros(3, np.uint16))


@given(st.lists(MASK_OF_3_BY_4, max_size=4))
def test_masks_are_apart_if_no_pixel_is_in_two(masks):
    apart = not masks or bool((np.sum(masks, axis=0, dtype=int) < 2).all())
    assert rle.are_apart([rle.encode(mask) for mask in masks]) == apart
