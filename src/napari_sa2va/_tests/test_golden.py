"""The published reference implementation and ours agree, from tokens to masks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va._tests.golden_cases import cases
from napari_sa2va.core.prompt import Prompt
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.sam2.tracker import Tracker
from napari_sa2va.pipeline.conversation import Conversation
from napari_sa2va.pipeline.segment import segment
from napari_sa2va.presets import preset
from napari_sa2va.readers.open import open_clip
from napari_sa2va.sampling.uniform import Uniform

VIDEO_LOGITS = np.s_[8::16]  # of 1024 px, as stored
KEY_LOGITS = np.s_[2::4]  # of 256 px
PIXEL_ROWS = np.s_[::37]


@pytest.fixture(scope="module", params=cases(), ids=lambda case: case.name)
def golden(request, tmp_path_factory):
    """A case, its model, and what the model says of it; computed once for all stages."""
    case = request.param
    folder = case.write_checkpoint(tmp_path_factory.mktemp(case.name))
    model = Sa2VA.load(folder, device="cpu", dtype="float32")
    seen = model.look(
        [case.frames[t] for t in case.key_frames], case.case["mode"], list(case.regions)
    )
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
    if not grounding.found:
        assert case.masks.size == 0
        return
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


def run_of(case):
    """The clip and the settings that a case is about."""
    settings = preset(case.case["variant"])
    update = {"view": {"video": "movie", "image": "picture"}[case.case["mode"]]}
    if case.case.get("sample_num_frames"):
        update["sampling"] = Uniform(num_key_frames=case.case["sample_num_frames"])
    return open_clip(case.frames, axes="TYXS"), settings.model_copy(update=update)


def is_plain(case):
    """Whether one sentence asks for one mask."""
    return len(case.masks) == 1 and not len(case.regions)


def assert_masks_are_those_of(case, result):
    assert result.record.shown_as == run_of(case)[1].view
    assert result.record.key_frames == list(case.key_frames)
    found = np.stack([m.mask(t) for m in result.masklets for t in range(len(case.frames))])
    different = (found.reshape(case.masks.shape) != case.masks).sum(axis=(2, 3))
    assert different.max() <= 2, f"pixels that differ, per object and frame: {different}"


def test_segment_gives_the_masks_of_the_reference(golden):
    case, model, _, _ = golden
    if not is_plain(case):
        pytest.skip("several masks in one answer, and regions, are matters of a conversation")
    clip, settings = run_of(case)
    text, answer = case.case["text"], case.case["forced_answer"]
    result = segment(clip, text, settings=settings, model=model, answer=answer)
    assert_masks_are_those_of(case, result)


def test_a_conversation_gives_the_masks_of_the_reference(golden):
    case, model, _, grounding = golden
    if is_plain(case) and case.case["mode"] == "video":
        pytest.skip("the test above has drawn it already, the same way")
    clip, settings = run_of(case)
    marks = [Prompt(n, f"region{n}", mask=mask) for n, mask in enumerate(case.regions, 1)]
    mode = case.case["mode"]
    talk = Conversation(
        clip, model, case.key_frames, mode, marks, settings=settings, is_of_movie=mode == "video"
    )
    reply = talk.segment(case.case["text"], answer=case.case["forced_answer"])
    if not grounding.found:
        assert reply.phrases == ()
        return
    assert_masks_are_those_of(case, talk.draw(reply, settings=settings, through_movie=True))


def test_a_picture_the_sa2va_i_way_is_drawn_by_the_tuned_decoder_alone(golden):
    """The published code of Sa2VA-i has no pictures; its first steps alone make one."""
    case, model, _, grounding = golden
    if model.original_decoder is None or not grounding.found:
        pytest.skip("this case has no second decoder")
    # As large as its mask's way through SAM 2 has to change pixels.
    frame = case.frames[:1].repeat(4, axis=1).repeat(5, axis=2)
    clip = open_clip(frame, axes="TYXS")
    result = segment(clip, case.case["text"], model=model, answer=case.case["forced_answer"])
    assert result.record.shown_as == "picture"
    seen = model.look([frame[0]], "image")
    said = model.ground_seen(seen, case.case["text"], case.case["forced_answer"])
    tracker = Tracker(model.sam2, decoder=model.original_decoder, suppress_absent=True)
    drawn = tracker.decode_language(
        tracker.encode(frame[0]), said.embeddings, model.tuned_decoder
    ).to_masks(*frame.shape[1:3], two_step=False)
    np.testing.assert_array_equal(result.masklets[0].mask(0), drawn[0])


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
    # The reference decodes a frame as often as it was sampled.
    sampled = [case.key_frames.index(int(t)) for t in case.expected["sample_idx"]]
    return predictions, np.stack([key_logits[i] for i in sampled], axis=1)


def assert_close_to_range(ours, theirs):
    """Equal within a thousandth of the range of the reference's logits."""
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-3 * np.ptp(theirs)
