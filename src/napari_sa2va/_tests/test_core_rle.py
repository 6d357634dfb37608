from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sa2va.core import rle
from napari_sa2va.core.errors import ShapeMismatch

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


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
