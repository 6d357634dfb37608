"""From mask logits to masks of the frame's own size, and from scores to confidence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.models.sam2.features import normalised_frame
from napari_sa2va.models.sam2.prediction import (
    MaskPrediction,
    at_frame_size,
    at_image_size,
    at_size,
)


def prediction_of(logits, object_scores=(0.0,), iou=(1.0,)):
    return MaskPrediction(
        torch.as_tensor(logits), torch.tensor(iou), torch.tensor(object_scores), torch.zeros(1, 4)
    )


def test_two_steps_and_one_step_of_resampling_differ_and_each_is_what_it_says():
    logits = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(0))
    prediction = prediction_of(logits)
    two, one = prediction.logits_at(20, 30), prediction.logits_at(20, 30, two_step=False)
    assert two.shape == one.shape == (1, 20, 30)
    assert (two - one).abs().max() > 0.05
    assert torch.equal(two, at_size(at_image_size(logits), 20, 30))
    assert torch.equal(two, at_frame_size(logits, 20, 30))
    assert torch.equal(one, at_size(logits, 20, 30))


def test_resampling_is_bilinear_with_pixel_centres_at_one_half():
    # Doubling (0, 1): centres at -0.25, 0.25, 0.75, 1.25 of the old grid, clamped at its ends.
    doubled = at_size(torch.tensor([[[0.0, 1.0]]]), 1, 4)
    assert doubled[0, 0].tolist() == [0, 0.25, 0.75, 1]
    assert at_image_size(torch.zeros(2, 16, 16)).shape == (2, 64, 64)


def test_a_mask_is_where_the_resampled_logit_is_above_zero():
    # (-1, 3) in one step to four columns is (-1, 0, 2, 3): exactly zero is not the object.
    masks = prediction_of([[[-1.0, 3.0]]]).to_masks(1, 4, two_step=False)
    assert masks.dtype == bool
    assert masks.tolist() == [[[False, False, True, True]]]


def test_confidence_is_presence_times_predicted_iou():
    prediction = prediction_of(torch.zeros(1, 2, 2), object_scores=(0.0,), iou=(0.8,))
    assert prediction.presence.item() == 0.5  # sigmoid(0)
    assert prediction.confidence.item() == pytest.approx(0.4)


def test_frames_are_normalised_with_imagenet_statistics_rounded_to_bfloat16():
    frame = np.full((4, 6, 3), 255, dtype=np.uint8)
    square = normalised_frame(frame, 8)
    assert square.shape == (3, 8, 8)
    # bfloat16 keeps 8 bits: 0.485 -> 0.484375 and 0.229 -> 0.228515625.
    assert square[0, 0, 0].item() == pytest.approx((1 - 0.484375) / 0.228515625, abs=1e-6)


def test_a_frame_that_is_not_rgb_of_uint8_is_refused():
    for frame in (np.zeros((4, 6), np.uint8), np.zeros((4, 6, 3), np.uint16)):
        with pytest.raises(ShapeMismatch, match=r"must be uint8 of shape \(Y, X, 3\)"):
            normalised_frame(frame, 8)
