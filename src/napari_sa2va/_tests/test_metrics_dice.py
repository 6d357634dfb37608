from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.metrics import dice, region_j


def test_dice_is_twice_the_overlap_by_the_sum_of_the_areas():
    pred, true = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    pred[:4, :4], true[2:4, :6] = True, True
    # 16 px and 12 px, 8 px shared
    assert dice(pred, true) == pytest.approx(16 / 28)
    j = region_j(pred, true)
    assert j == pytest.approx(8 / 20)
    assert dice(pred, true) == pytest.approx(2 * j / (1 + j))


def test_two_empty_masks_score_one_and_one_empty_mask_scores_zero():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    assert dice(empty, empty) == 1
    assert dice(full, empty) == dice(empty, full) == 0


def test_masks_of_different_size_are_refused():
    with pytest.raises(ShapeMismatch, match="4"):
        dice(np.zeros((4, 4), bool), np.zeros((4, 5), bool))
