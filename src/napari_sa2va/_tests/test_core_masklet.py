from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.masklet import Masklet, label_frame


def masklet(object_id: int, columns: slice, num_frames: int = 3) -> Masklet:
    made = Masklet.empty(object_id, f"object {object_id}", "a thing", (num_frames, 4, 6))
    mask = np.zeros((4, 6), dtype=bool)
    mask[:, columns] = True
    made.set_mask(1, mask, 0.75)
    return made


def test_a_frame_that_was_not_reached_is_empty_and_its_score_unknown():
    made = masklet(1, slice(0, 2))
    assert made.codes[0] is None
    assert not made.mask(0).any()
    assert np.isnan(made.scores[0])
    assert made.area(1) == 8
    assert made.scores[1] == 0.75
    assert made.frames_present == [1]


def test_an_absent_object_is_empty_on_every_frame_with_score_zero():
    made = masklet(1, slice(0, 2))
    made.declare_absent()
    assert made.frames_present == []
    assert made.scores == [0.0, 0.0, 0.0]
    assert all(code is not None for code in made.codes)


def test_the_overlap_rule_decides_who_keeps_a_pixel():
    pair = [masklet(1, slice(0, 4)), masklet(2, slice(2, 6))]
    assert label_frame(pair, 1, "last")[0].tolist() == [1, 1, 2, 2, 2, 2]
    assert label_frame(pair, 1, "first")[0].tolist() == [1, 1, 1, 1, 2, 2]


def test_a_label_image_is_of_16_bit_and_empty_where_no_object_is():
    frames = [label_frame([masklet(7, slice(0, 1))], t) for t in range(3)]
    assert [f.max() for f in frames] == [0, 7, 0]
    assert frames[0].dtype == np.uint16


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ShapeMismatch, match="4 x 6"):
        masklet(1, slice(0, 1)).set_mask(0, np.zeros((4, 5), dtype=bool))


def test_an_id_beyond_16_bits_is_refused_and_not_wrapped():
    with pytest.raises(RequestError, match="70000"):
        label_frame([masklet(70000, slice(0, 1))], 1)


def test_there_must_be_something_to_paint():
    with pytest.raises(RequestError):
        label_frame([], 0)
