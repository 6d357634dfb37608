from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.region_box import Box
from napari_sa2va.core.rle_boxes import crop, paste


@st.composite
def masks_in_frames(draw):
    """A frame's mask, and a box in the frame."""
    mask = draw(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)))
    rows = sorted(draw(st.sets(st.integers(0, mask.shape[0]), min_size=2, max_size=2)))
    columns = sorted(draw(st.sets(st.integers(0, mask.shape[1]), min_size=2, max_size=2)))
    return mask, Box(rows[0], columns[0], rows[1], columns[1])


@given(masks_in_frames())
def test_a_code_is_cut_out_as_the_mask_would_be(case):
    mask, box = case
    assert rle.same(crop(rle.encode(mask), box), rle.encode(box.crop(mask)))


@given(masks_in_frames())
def test_a_code_is_put_into_a_frame_as_the_mask_would_be(case):
    mask, box = case
    part = box.crop(mask)
    assert rle.same(
        paste(rle.encode(part), box, *mask.shape), rle.encode(box.paste(part, *mask.shape))
    )


@given(masks_in_frames())
def test_what_is_put_into_a_frame_is_cut_out_again(case):
    mask, box = case
    code = rle.encode(box.crop(mask))
    assert rle.same(crop(paste(code, box, *mask.shape), box), code)


def test_a_column_that_reaches_over_the_box_worked_out_by_hand():
    mask = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=bool)
    part = crop(rle.encode(mask), Box(0, 0, 2, 2))  # 1 1 | 1 1: one run over two columns
    assert part["size"] == [2, 2]
    assert part["counts"].tolist() == [0, 4]
    frame = paste(part, Box(1, 0, 3, 2), 3, 3)  # 0 1 1 | 0 1 1 | 0 0 0: two runs
    assert frame["size"] == [3, 3]
    assert frame["counts"].tolist() == [1, 2, 1, 2, 3]


def test_a_tile_of_a_large_frame_needs_no_memory_for_the_frame():
    tile = np.zeros((200, 300), dtype=bool)
    tile[50:150, 40:260] = True
    code, side = rle.encode(tile), 60_000
    tracemalloc.start()
    frame = paste(code, Box(40_000, 59_000, 40_200, 59_300), side, side)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rle.area(frame) == 100 * 220
    assert int(frame["counts"][0]) == 59_040 * side + 40_050
    assert peak < 1e6  # decoded, the frame has 3.6 GB


def test_what_does_not_fit_is_refused():
    code = rle.empty(4, 4)
    with pytest.raises(RequestError, match="reach over"):
        crop(code, Box(0, 0, 5, 4))
    with pytest.raises(RequestError, match="reach over"):
        paste(code, Box(0, 0, 4, 4), 4, 3)
    with pytest.raises(ShapeMismatch, match=r"\[4, 4\].*4 × 5 px"):
        paste(code, Box(0, 0, 4, 5), 9, 9)
    with pytest.raises(ShapeMismatch, match="70000 × 70000 px is too large"):
        paste(code, Box(0, 0, 4, 4), 70_000, 70_000)
