"""The published reference implementation and ours agree, from tokens to masks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va._tests.golden_cases import NAMES, GoldenCase
from napari_sa2va.core.prompt import Prompt, PromptSet
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.sam2.tracker import Tracker
from napari_sa2va.pipeline.segment import segment
from napari_sa2va.readers.open import open_clip

VIDEO_LOGITS = np.s_[8::16]  # of 1024 px, as stored
KEY_LOGITS = np.s_[2::4]  # of 256 px
PIXEL_ROWS = np.s_[::37]


@pytest.fixture(scope="module", params=NAMES)
def golden(request, tmp_path_factory):
    """A case, its model, and what the model says of it; computed once for all stages."""
    case = GoldenCase(request.param)
    folder = case.write_checkpoint(tmp_path_factory.mktemp(case.name))
    model = Sa2VA.load(folder, device="cpu", dtype="float32")
    seen = model.look([case.frames[t] for t in case.key_frames], case.case["mode"])
    grounding = model.ground_seen(seen, case.case["text"], case.case["forced_answer"])
    return case, model, seen, grounding


def test_the_prompt_has_the_tokens_of_the_reference(golden):
    case, _, _, grounding = golden
    np.testing.assert_array_equal(grounding.prompt_ids, case.expected["input_ids"])


def test_the_answer_has_the_tokens_of_the_reference(golden):
    case, _, _, grounding = golden
    np.testing.assert_array_equal(grounding.generated_ids, case.answer_ids)
    assert grounding.answer == case.case["prediction"]


def test_vision_tokens_stand_where_the_reference_puts_them(golden):
    case, model, seen, grounding = golden
    if "inputs_embeds" not in case.expected:
        pytest.skip("this reference takes pictures beside the tokens; see the pictures themselves")
    embeds = model._reader.embed(grounding.prompt_ids.tolist(), seen).detach().numpy()
    np.testing.assert_allclose(embeds, case.expected["inputs_embeds"], atol=1e-4, rtol=0)


def test_pictures_are_resized_and_packed_as_by_the_reference(golden):
    case, model, seen, _ = golden
    if "pixel_values_rows" not in case.expected:
        pytest.skip("this reference shows its pictures to the tower as tiles")
    pictures = [case.frames[t] for t in case.key_frames]
    rows = np.concatenate([model._reader.patches(p, len(pictures))[0] for p in pictures])
    np.testing.assert_array_equal(seen.grids.numpy(), case.expected["image_grid_thw"])
    np.testing.assert_allclose(
        rows[PIXEL_ROWS], case.expected["pixel_values_rows"], atol=1e-5, rtol=0
    )


def test_seg_vectors_are_those_of_the_reference(golden):
    case, _, _, grounding = golden
    np.testing.assert_allclose(grounding.hidden, case.expected["seg_hidden"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(grounding.embeddings, case.expected["seg_embed"], atol=1e-4, rtol=0)


def test_masks_are_those_of_the_reference(golden):
    case, model, _, grounding = golden
    ids = list(range(1, len(grounding.embeddings) + 1))
    if case.case["variant"] == "sa2va-i":
        predictions, key_logits = run_sa2va_i(case, model, grounding, ids)
        assert_close_to_range(key_logits, case.expected["key_logits_64"])
    else:
        predictions = run_sa2va(case, model, grounding, ids)
    height, width = case.frames.shape[1:3]
    side = model.sam2.image_size
    logits = np.stack([p.logits_at(side, side)[:, VIDEO_LOGITS, VIDEO_LOGITS] for p in predictions])
    assert_close_to_range(logits.swapaxes(0, 1), case.expected["video_logits_64"])
    masks = np.stack([p.to_masks(height, width) for p in predictions], axis=1)
    different = (masks != case.masks).sum(axis=(2, 3))
    assert masks.shape == case.masks.shape
    assert different.max() <= 2, f"pixels that differ, per object and frame: {different}"


def test_the_pipeline_gives_the_masks_of_the_reference(golden):
    case, model, _, _ = golden
    clip = open_clip(case.frames, axes="TYXS")
    prompts = PromptSet((Prompt(1, "it", text=case.case["text"]),))
    result = segment(
        clip, prompts, preset=case.case["variant"], model=model, answer=case.case["forced_answer"]
    )
    shown_as = {"video": "movie", "image": "picture"}[case.case["mode"]]
    assert result.record.shown_as == shown_as
    assert result.record.key_frames == list(case.key_frames)
    found = np.stack([m.mask(t) for m in result.masklets for t in range(clip.num_frames)])
    different = (found.reshape(case.masks.shape) != case.masks).sum(axis=(2, 3))
    assert different.max() <= 2, f"pixels that differ, per object and frame: {different}"


def run_sa2va(case, model, grounding, ids):
    """Each key frame is prompted with the sentence; the tuned decoder goes on with memory."""
    tracker = Tracker(model.sam2, decoder=model.tuned_decoder, suppress_absent=False)
    predictions = []
    features = {t: tracker.encode(case.frames[t]) for t in case.key_frames}
    for t in case.key_frames:
        tracker.prompt_language(t, features[t], ids, grounding.embeddings)
    for t, frame in enumerate(case.frames):
        seen = features[t] if t in features else tracker.encode(frame)
        predictions.append(tracker.track(t, seen, ids))
    assert tracker.num_encoded == len(case.frames)
    return predictions


def run_sa2va_i(case, model, grounding, ids):
    """Key frames are decoded alone by the tuned decoder; their masks prompt the original one."""
    tracker = Tracker(model.sam2, decoder=model.original_decoder, suppress_absent=True)
    height, width = case.frames.shape[1:3]
    predictions, key_logits = [], []
    features = {t: tracker.encode(case.frames[t]) for t in case.key_frames}
    for t in case.key_frames:
        found = tracker.decode_language(features[t], grounding.embeddings, model.tuned_decoder)
        key_logits.append(found.logits[:, KEY_LOGITS, KEY_LOGITS].numpy())
        masks = found.to_masks(height, width, two_step=False)
        tracker.prompt_masks(t, features[t], ids, masks)
    for t, frame in enumerate(case.frames):
        seen = features[t] if t in features else tracker.encode(frame)
        predictions.append(tracker.track(t, seen, ids))
    assert tracker.num_encoded == len(case.frames)
    return predictions, np.stack(key_logits, axis=1)


def assert_close_to_range(ours, theirs):
    """Equal within a thousandth of the range of the reference's logits."""
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-3 * np.ptp(theirs)
