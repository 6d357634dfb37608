"""Region similarity and contour accuracy: worked examples, and the official DAVIS numbers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.metrics import boundary_f, contour, decay, recall, region_j, score_video

SHARED = os.environ.get("NAPARI_SA2VA_SHARED", "")
DAVIS = Path(SHARED) / "data" / "davis"
needs_davis = pytest.mark.skipif(
    not SHARED or not DAVIS.exists(),
    reason="NAPARI_SA2VA_SHARED does not name a folder with data/davis",
)


def square(y: int, x: int, side: int, shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_j_of_half_overlapping_squares_is_one_third():
    # 10 x 10 px each, 50 px shared: 50 / (100 + 100 - 50)
    assert region_j(square(10, 10, 10), square(10, 15, 10)) == pytest.approx(1 / 3)


def test_two_empty_masks_score_one_and_one_empty_mask_scores_zero():
    empty, full = np.zeros((64, 64), bool), square(10, 10, 10)
    assert region_j(empty, empty) == boundary_f(empty, empty) == 1
    assert region_j(full, empty) == boundary_f(full, empty) == boundary_f(empty, full) == 0


def test_contour_lies_to_the_upper_left_and_not_on_the_frame_border():
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True
    expected = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]], bool)
    np.testing.assert_array_equal(contour(mask), expected)
    assert not contour(np.ones((4, 4), bool)).any()


def test_f_forgives_a_shift_within_the_tolerance_only():
    # diagonal of 64 x 64 is 90.5 px, 0.8 % of it rounds up to 1 px
    truth = square(20, 20, 20)
    assert boundary_f(square(20, 21, 20), truth) == 1
    assert boundary_f(square(20, 24, 20), truth) < 0.7
    assert boundary_f(square(20, 24, 20), truth, tolerance=4) == 1


def test_masks_of_different_size_are_refused():
    with pytest.raises(ShapeMismatch, match="64"):
        region_j(square(0, 0, 2), np.zeros((32, 64), bool))
    with pytest.raises(ShapeMismatch):
        score_video(np.zeros((2, 4, 4), bool), np.zeros((3, 4, 4), bool))


def test_recall_counts_frames_above_a_half_and_decay_compares_the_ends():
    scores = [1.0, 1.0, 0.5, 0.5, 0.0]
    assert recall(scores) == pytest.approx(2 / 5)
    # quarters end at frames 1, 2, 3, 4, 5: the first holds (1, 1), the last (0.5, 0)
    assert decay(scores) == pytest.approx(0.75)


def read_masks(folder: Path, frames: list[str]) -> np.ndarray:
    from PIL import Image

    return np.stack([np.array(Image.open(folder / f"{f}.png")) > 0 for f in frames])


@needs_davis
@pytest.mark.parametrize("case", ["osvos_car-shadow", "perfect", "empty_pred", "full_frame"])
def test_scores_equal_the_official_davis_evaluation(case):
    expected = json.loads((DAVIS / "expected_davis2017.json").read_text())[case]
    truth_folder = next(DAVIS.glob("DAVIS/Annotations*/480p/car-shadow"))
    frames = sorted(p.stem for p in truth_folder.glob("*.png"))
    truth = read_masks(truth_folder, frames)
    pred = {
        "osvos_car-shadow": lambda: read_masks(DAVIS / "results_osvos" / "car-shadow", frames),
        "perfect": truth.copy,
        "empty_pred": lambda: np.zeros_like(truth),
        "full_frame": lambda: np.ones_like(truth),
    }[case]()
    score = score_video(pred, truth)
    np.testing.assert_allclose(score.j, expected["J"], atol=1e-6)
    np.testing.assert_allclose(score.f, expected["F"], atol=1e-5)
    assert [score.j_mean, recall(score.j), decay(score.j)] == pytest.approx(expected["JMRD"])
    assert [score.f_mean, recall(score.f), decay(score.f)] == pytest.approx(expected["FMRD"])


@needs_davis
def test_j_and_f_equal_the_reference_mevis_numbers():
    # Its two sentences about the car share the same masks; the third, about nothing, scores 1.
    oracle = DAVIS.parent / "metrics_oracle"
    expected = json.loads((oracle / "exp_mevis_osvos_all.json").read_text())
    davis = json.loads((DAVIS / "expected_davis2017.json").read_text())["osvos_car-shadow"]
    truth_folder = next(DAVIS.glob("DAVIS/Annotations*/480p/car-shadow"))
    frames = sorted(p.stem for p in truth_folder.glob("*.png"))
    score = score_video(
        read_masks(DAVIS / "results_osvos" / "car-shadow", frames),
        read_masks(truth_folder, frames),
    )
    assert score.j_mean == pytest.approx(davis["J_mean_all"])
    assert round(100 * (2 * score.j_mean + 1) / 3, 2) == pytest.approx(expected["J"], abs=0.011)
    assert round(100 * (2 * score.f_mean + 1) / 3, 2) == pytest.approx(expected["F"], abs=0.011)
