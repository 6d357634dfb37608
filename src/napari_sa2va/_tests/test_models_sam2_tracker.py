"""The tracker against `SAM2VideoPredictor` on the same modules, and what only the tracker does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sam2.modeling.sam.mask_decoder import MaskDecoder

from napari_sa2va._tests.sam2_reference import (
    SMALL,
    moving_square,
    reference_logits,
    reference_state,
    small_predictor,
    spread_weights,
)
from napari_sa2va.core.errors import ModelError, RequestError, ShapeMismatch
from napari_sa2va.models.sam2.build import build_sam2
from napari_sa2va.models.sam2.tracker import Tracker

# Long enough that 6 memory frames and 16 pointers have been pushed out again.
NUM_FRAMES = 24
CLOSE = {"atol": 1e-4, "rtol": 0}
SQUARE = np.zeros((90, 120), dtype=bool)
SQUARE[20:50, 5:35] = True
LATER = np.roll(SQUARE, 30, axis=1)


@pytest.fixture(scope="module")
def predictor():
    return small_predictor()


@pytest.fixture(scope="module")
def frames():
    return moving_square(NUM_FRAMES)


@pytest.fixture(scope="module")
def tuned_decoder() -> MaskDecoder:
    decoder = build_sam2(SMALL).sam_mask_decoder
    spread_weights(decoder, seed=7)
    return decoder


def embeddings(num_objects: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.standard_normal((num_objects, SMALL.hidden_dim)).astype(np.float32)


class Both:
    """The reference and the tracker, given the same prompts and asked for the same frames."""

    def __init__(self, predictor, frames, **options):
        self.predictor, self.frames = predictor, frames
        self.state = reference_state(predictor, frames)
        self.tracker = Tracker(predictor, **options)
        self.object_ids: list[int] = []

    def mask(self, t, object_id, mask):
        self.predictor.add_new_mask(self.state, t, object_id, mask)
        prediction = self.tracker.prompt_masks(t, self.encode(t), [object_id], mask[None])
        self._seen(object_id)
        return prediction

    def points(self, t, object_id, points_yx=(), labels=(), box_yx=None):
        points_xy = [(x, y) for y, x in points_yx] or None
        box_xy = None if box_yx is None else [box_yx[k] for k in (1, 0, 3, 2)]
        self.predictor.add_new_points_or_box(
            self.state, t, object_id, points=points_xy, labels=list(labels) or None, box=box_xy
        )
        prediction = self.tracker.prompt_points(
            t, self.encode(t), object_id, points_yx, labels, box_yx
        )
        self._seen(object_id)
        return prediction

    def run(self, start, stop, reverse=False):
        """Track from `start` to `stop`, both included; return tracker and reference logits."""
        order = range(start, stop - 1, -1) if reverse else range(start, stop + 1)
        results = self.predictor.propagate_in_video(
            self.state, start, max_frame_num_to_track=abs(stop - start), reverse=reverse
        )
        assert [t for t, *_ in results] == list(order)
        reference = [reference_logits(self.state, self.object_ids, t) for t in order]
        ours = [
            self.tracker.track(t, self.encode(t), self.object_ids, reverse).logits for t in order
        ]
        return torch.stack(ours), torch.stack(reference)

    def encode(self, t):
        return self.tracker.encode(self.frames[t])

    def _seen(self, object_id):
        if object_id not in self.object_ids:
            self.object_ids.append(object_id)


def track_all(tracker, frames, object_ids, order=None):
    order = range(len(frames)) if order is None else order
    return torch.stack(
        [tracker.track(t, tracker.encode(frames[t]), object_ids).logits for t in order]
    )


@pytest.mark.parametrize(
    ("last", "prompt"),
    [
        (NUM_FRAMES - 1, lambda both: both.mask(0, 1, SQUARE)),
        (6, lambda both: both.points(0, 1, [(30, 20)], [1])),
        (6, lambda both: both.points(0, 1, [(30, 20), (5, 100), (40, 10)], [1, 0, 1])),
        (6, lambda both: both.points(0, 1, box_yx=(20, 5, 50, 35))),
        (6, lambda both: both.points(0, 1, [(30, 20)], [1], box_yx=(20, 5, 50, 35))),
    ],
    ids=["mask", "one click", "three clicks", "box", "box and click"],
)
def test_one_object_prompted_on_the_first_frame_equals_the_reference(
    predictor, frames, prompt, last
):
    both = Both(predictor, frames)
    prompt(both)
    ours, reference = both.run(0, last)
    assert reference[:, 0].flatten(1).std(dim=1).max() > 1
    torch.testing.assert_close(ours, reference, **CLOSE)


def test_objects_with_different_prompts_and_prompt_frames_equal_the_reference(predictor, frames):
    both = Both(predictor, frames)
    both.mask(0, 4, SQUARE)
    both.points(0, 9, box_yx=(20, 5, 50, 35))
    both.points(10, 2, [(30, 50)], [1])  # not before frame 10, but tracked from frame 0
    both.mask(10, 4, LATER)
    both.mask(17, 4, np.zeros_like(SQUARE))  # gone from here on
    ours, reference = both.run(0, NUM_FRAMES - 1)
    assert (ours[5, 0] - ours[5, 1]).abs().max() > 0.01
    torch.testing.assert_close(ours, reference, **CLOSE)


def test_reverse_from_a_middle_frame_equals_the_reference(predictor, frames):
    both = Both(predictor, frames)
    both.mask(18, 1, LATER)
    both.points(20, 2, [(30, 70)], [1])
    both.mask(6, 3, SQUARE)
    ours, reference = both.run(22, 0, reverse=True)
    torch.testing.assert_close(ours, reference, **CLOSE)


def test_reverse_and_forward_give_different_masks_on_the_same_frames(predictor, frames):
    forward, backward = Both(predictor, frames), Both(predictor, frames)
    for both in (forward, backward):
        both.mask(0, 1, SQUARE)
        both.mask(12, 1, LATER)
    up, _ = forward.run(0, 12)
    down, _ = backward.run(12, 0, reverse=True)
    assert (up - down.flip(0))[1:12].abs().max() > 0.01


def test_a_second_pass_against_time_sees_what_the_first_one_left_at_the_turning_frame(
    predictor, frames
):
    passes = {}
    for turning_frame in (None, 12):
        both = Both(predictor, frames, turning_frame=turning_frame)
        both.mask(12, 1, SQUARE)
        both.run(12, NUM_FRAMES - 1)
        passes[turning_frame], reference = both.run(12, 0, reverse=True)
    assert (passes[None] - passes[12]).abs().max() > 0.01
    torch.testing.assert_close(passes[12], reference, **CLOSE)


def test_clicks_on_a_conditioning_frame_refine_its_logits_like_the_reference(predictor, frames):
    both, fresh = Both(predictor, frames), Both(predictor, frames)
    both.points(0, 1, [(30, 20)], [1])
    refined = both.points(0, 1, [(30, 20), (60, 90)], [1, 0])
    afresh = fresh.points(0, 1, [(30, 20), (60, 90)], [1, 0])
    assert (refined.logits - afresh.logits).abs().max() > 0.01
    ours, reference = both.run(0, 3)
    torch.testing.assert_close(ours, reference, **CLOSE)


def test_a_conditioning_frame_returns_the_answer_to_its_prompt_without_features(predictor, frames):
    tracker = Tracker(predictor)
    prompted = tracker.prompt_masks(3, tracker.encode(frames[3]), [1, 2], np.stack([SQUARE] * 2))
    again = tracker.track(3, None, [2, 1])
    torch.testing.assert_close(again.logits, prompted.logits.flip(0))
    with pytest.raises(RequestError, match="Frame 4"):
        tracker.track(4, None, [1])


def test_suppress_absent_blanks_masks_whose_object_score_is_not_positive(predictor, frames):
    logits, scores = {}, {}
    for suppress in (True, False):
        tracker = Tracker(predictor, suppress_absent=suppress)
        tracker.prompt_masks(0, tracker.encode(frames[0]), [1], SQUARE[None])
        answers = [tracker.track(t, tracker.encode(frames[t]), [1]) for t in range(NUM_FRAMES)]
        logits[suppress] = torch.cat([a.logits for a in answers])
        scores[suppress] = torch.cat([a.object_scores for a in answers])
    absent = scores[True] <= 0
    assert 0 < absent.sum() < NUM_FRAMES
    assert (logits[True][absent] == -1024).all()
    assert (logits[True][~absent] > -1024).all()
    assert (logits[False] > -1024).all()


def test_without_suppression_tracking_equals_the_reference_patched_alike(frames):
    predictor = small_predictor()
    predictor.suppress_absent = False
    both = Both(predictor, frames, suppress_absent=False)
    both.mask(0, 1, SQUARE)
    both.points(0, 2, box_yx=(20, 5, 50, 35))
    ours, reference = both.run(0, NUM_FRAMES - 1)
    torch.testing.assert_close(ours, reference, **CLOSE)


def test_another_decoder_tracks_like_a_reference_built_with_it(predictor, frames, tuned_decoder):
    swapped = small_predictor()
    swapped.sam_mask_decoder = tuned_decoder
    both = Both(swapped, frames)
    both.mask(0, 1, SQUARE)
    _, reference = both.run(0, 8)

    logits = {}
    for decoder in (None, tuned_decoder):
        tracker = Tracker(predictor, decoder=decoder)
        tracker.prompt_masks(0, tracker.encode(frames[0]), [1], SQUARE[None])
        logits[decoder] = track_all(tracker, frames[:9], [1])
    assert (logits[None] - logits[tuned_decoder])[1:].abs().max() > 0.1
    torch.testing.assert_close(logits[tuned_decoder], reference, **CLOSE)


@torch.inference_mode()
def language_by_hand(network, decoder, image, embedding):
    """Decode one language token on one image, module by module, as section 4.3 says."""
    s0, s1, top = network.image_encoder(image[None])["backbone_fpn"]
    not_a_point = network.sam_prompt_encoder.not_a_point_embed.weight
    sparse = torch.cat([not_a_point, not_a_point, torch.from_numpy(embedding)[None]])[None]
    dense = network.sam_prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
    masks, ious, tokens, score = decoder(
        image_embeddings=top + network.no_mem_embed.reshape(1, -1, 1, 1),
        image_pe=network.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense.expand_as(top),
        multimask_output=True,
        repeat_image=False,
        high_res_features=[decoder.conv_s0(s0), decoder.conv_s1(s1)],
    )
    best = int(ious[0].argmax())
    pointer = network.obj_ptr_proj(tokens[:, best]) if score > 0 else network.no_obj_ptr
    return masks[:, best], ious[0, best], score, pointer


@pytest.mark.parametrize("objects_per_pass", [16, 2])
def test_a_language_prompt_equals_the_modules_called_by_hand(
    predictor, frames, tuned_decoder, objects_per_pass
):
    tracker = Tracker(predictor, objects_per_pass=objects_per_pass)
    features, vectors = tracker.encode(frames[0]), 3 * embeddings(5)
    ours = tracker.decode_language(features, vectors, tuned_decoder)
    own = tracker.decode_language(features, vectors)
    assert (ours.logits - own.logits).abs().max() > 0.1
    image = reference_state(predictor, frames[:1])["images"][0]
    for i, vector in enumerate(vectors):
        logits, iou, score, pointer = language_by_hand(predictor, tuned_decoder, image, vector)
        torch.testing.assert_close(ours.logits[i : i + 1], logits, **CLOSE)
        torch.testing.assert_close(ours.pointers[i : i + 1], pointer, **CLOSE)
        torch.testing.assert_close(ours.iou[i], iou, **CLOSE)
        torch.testing.assert_close(ours.object_scores[i], score[0, 0], **CLOSE)


def test_sa2va_language_on_the_first_frames_then_tracking_equals_the_reference(
    frames, tuned_decoder
):
    reference = small_predictor()
    reference.suppress_absent, reference.sam_mask_decoder = False, tuned_decoder
    state = reference_state(reference, frames)
    index = reference._obj_id_to_idx(state, 1)
    vector = embeddings(1)
    for t in range(3):
        logits, _, score, pointer = language_by_hand(
            reference, tuned_decoder, state["images"][t], vector[0]
        )
        state["temp_output_dict_per_obj"][index]["cond_frame_outputs"][t] = {
            "maskmem_features": None, "maskmem_pos_enc": None, "pred_masks": logits[:, None],
            "obj_ptr": pointer, "object_score_logits": score,
        }  # fmt: skip
    for _ in reference.propagate_in_video(state):
        pass
    expected = torch.stack([reference_logits(state, [1], t) for t in range(NUM_FRAMES)])

    tracker = Tracker(small_predictor(), decoder=tuned_decoder, suppress_absent=False)
    for t in range(3):
        tracker.prompt_language(t, tracker.encode(frames[t]), [1], vector)
    torch.testing.assert_close(track_all(tracker, frames, [1]), expected, **CLOSE)


def test_objects_share_one_pass_and_a_frame_is_encoded_once(predictor, frames):
    calls = {"image_encoder": 0, "memory_attention": 0, "memory_encoder": 0, "sam_mask_decoder": 0}

    def count(name):
        def hook(*_):
            calls[name] += 1

        return getattr(predictor, name).register_forward_hook(hook)

    hooks = [count(name) for name in calls]
    try:
        tracker = Tracker(predictor)
        features, ids = tracker.encode(frames[0]), [1, 2, 3, 4, 5]
        tracker.prompt_masks(0, features, ids[:2], np.stack([SQUARE, LATER]))
        tracker.prompt_language(0, features, ids[2:], embeddings(3))
        calls.update(dict.fromkeys(calls, 0))
        for t in range(1, 11):
            tracker.track(t, tracker.encode(frames[t]), ids)
    finally:
        for hook in hooks:
            hook.remove()
    assert set(calls.values()) == {10}
    assert tracker.num_encoded == 11


def test_objects_tracked_together_equal_objects_tracked_alone_and_in_small_passes(
    predictor, frames
):
    masks = np.stack([SQUARE, LATER, np.zeros_like(SQUARE)])

    def run(objects_per_pass, *groups):
        logits = []
        for ids in groups:
            tracker = Tracker(predictor, objects_per_pass=objects_per_pass)
            tracker.prompt_masks(0, tracker.encode(frames[0]), ids, masks[ids])
            logits.append(track_all(tracker, frames[:8], ids))
        return torch.cat(logits, dim=1)

    together = run(16, [0, 1, 2])
    torch.testing.assert_close(together, run(16, [0], [1], [2]), **CLOSE)
    torch.testing.assert_close(together, run(2, [0, 1, 2]), **CLOSE)


def test_the_memory_stops_growing_once_the_bank_is_full(predictor):
    tracker, frames = Tracker(predictor, turning_frame=0), moving_square(34)
    tracker.prompt_masks(0, tracker.encode(frames[0]), [1, 2], np.stack([SQUARE, LATER]))
    sizes = []
    for t in range(34):
        tracker.track(t, tracker.encode(frames[t]), [1, 2])
        sizes.append(tracker.memory_bytes)
    # The window of the turning frame fills until frame 15, the moving one until 15 frames later.
    assert sizes[5] < sizes[15] < sizes[30]
    assert len(set(sizes[30:])) == 1


def test_an_empty_mask_is_a_prompt_that_says_absent(predictor, frames):
    tracker = Tracker(predictor)
    prediction = tracker.prompt_masks(
        0, tracker.encode(frames[0]), [1, 2], np.stack([SQUARE, np.zeros_like(SQUARE)])
    )
    assert prediction.object_scores.tolist() == [10, -10]
    assert not prediction.to_masks(90, 120)[1].any()
    torch.testing.assert_close(prediction.pointers[1:], predictor.no_obj_ptr.data)
    assert (prediction.pointers[:1] - predictor.no_obj_ptr).abs().max() > 0.01


def test_bfloat16_stays_near_float32_and_halves_the_memory_maps(predictor, frames):
    runs, sizes = {}, {}
    for precision in (torch.float32, torch.bfloat16):
        tracker = Tracker(predictor, precision=precision, suppress_absent=False)
        tracker.prompt_masks(0, tracker.encode(frames[0]), [1], SQUARE[None])
        runs[precision] = track_all(tracker, frames[:4], [1])
        sizes[precision] = tracker.memory_bytes
    assert runs[torch.bfloat16].dtype == torch.float32
    assert sizes[torch.bfloat16] < sizes[torch.float32]
    difference = (runs[torch.bfloat16] - runs[torch.float32]).abs()
    assert 0 < difference.mean() < 0.1 * runs[torch.float32].std()


def both_ways() -> list[tuple[int, bool]]:
    """Frames from the sixth on, then back from it, and whether they are tracked against time."""
    return [(t, False) for t in range(7, 12)] + [(t, True) for t in range(5, 0, -1)]


def track_both_ways(tracker, frames, order) -> list[torch.Tensor]:
    return [tracker.track(t, tracker.encode(frames[t]), [4, 2], back).logits for t, back in order]


def prompted_at_six(predictor, frames, **options) -> Tracker:
    """Two objects, the later id first, prompted on frames 6 and 9; one of them on frame 6 only."""
    tracker = Tracker(predictor, turning_frame=6, **options)
    masks = np.stack([SQUARE, LATER])
    tracker.prompt_masks(6, tracker.encode(frames[6]), [4, 2], masks)
    tracker.prompt_masks(9, tracker.encode(frames[9]), [4], SQUARE[None])
    return tracker


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_another_tracker_goes_on_from_what_one_remembers(predictor, frames, precision):
    order = both_ways()
    undisturbed = prompted_at_six(predictor, frames, precision=precision)
    left = [undisturbed.memories()]
    logits = []
    for step in order:
        logits += track_both_ways(undisturbed, frames, [step])
        left.append(undisturbed.memories())
    assert any(tensor.dtype == precision for tensor in left[0].values())
    # Only now: what was handed out has not changed when the tracker went on.
    for done, memories in enumerate(left):
        other = Tracker(predictor, precision=precision, turning_frame=6, offload=done % 2 == 1)
        other.restore(memories)
        assert other.object_ids == undisturbed.object_ids == (4, 2)
        found = track_both_ways(other, frames, order[done:])
        assert all(torch.equal(a, b) for a, b in zip(found, logits[done:], strict=True))


def test_a_tracker_in_float32_goes_on_from_memories_in_bfloat16(predictor, frames):
    half = prompted_at_six(predictor, frames, precision=torch.bfloat16)
    full = Tracker(predictor, turning_frame=6)
    full.restore(half.memories())
    memories = full.memories()
    assert {m.dtype for name, m in memories.items() if name != "object_ids"} == {torch.float32}
    # On frame 3 all that is known lies ahead, so there is no pointer, which would be in float32.
    for t in (3, 7):
        mine, theirs = (k.track(t, k.encode(frames[t]), [4, 2]).logits for k in (full, half))
        assert ((mine > 0) == (theirs > 0)).float().mean() > 0.95


def test_the_network_is_left_as_it_was(predictor, frames):
    before = {k: v.clone() for k, v in predictor.state_dict().items()}
    attributes = set(vars(predictor))
    tracker = Tracker(predictor)
    tracker.prompt_masks(0, tracker.encode(frames[0]), [1], SQUARE[None])
    tracker.track(1, tracker.encode(frames[1]), [1])
    assert set(vars(predictor)) == attributes
    assert all(torch.equal(v, before[k]) for k, v in predictor.state_dict().items())


def test_no_object_gives_an_empty_prediction(predictor, frames):
    tracker = Tracker(predictor)
    features = tracker.encode(frames[0])
    for prediction in (
        tracker.track(0, features, []),
        tracker.prompt_masks(0, features, [], np.zeros((0, 90, 120), dtype=bool)),
        tracker.decode_language(features, embeddings(0)),
    ):
        assert prediction.to_masks(90, 120).shape == (0, 90, 120)


def test_an_object_must_be_prompted_before_it_is_tracked(predictor, frames):
    tracker = Tracker(predictor)
    features = tracker.encode(frames[0])
    tracker.prompt_masks(0, features, [2], np.stack([LATER]))
    assert tracker.object_ids == (2,)
    with pytest.raises(RequestError, match="Object 1 was not prompted"):
        tracker.track(1, features, [1])


def test_features_kept_for_one_decoder_serve_it_with_less_memory(predictor, frames, tuned_decoder):
    tracker = Tracker(predictor)
    whole = tracker.encode(frames[0])
    lean = tracker.encode(frames[0], decoders=[tuned_decoder])
    assert lean.nbytes < whole.nbytes / 3
    vectors = embeddings(1)
    expected = tracker.decode_language(whole, vectors, tuned_decoder).logits
    assert torch.equal(tracker.decode_language(lean, vectors, tuned_decoder).logits, expected)
    with pytest.raises(ModelError, match="other mask decoders"):
        tracker.decode_language(lean, vectors)


def test_requests_that_cannot_be_met_are_refused_with_the_reason(predictor, frames):
    tracker = Tracker(predictor)
    features = tracker.encode(frames[0])
    with pytest.raises(ShapeMismatch, match="float32 of shape"):
        tracker.encode(frames[0].astype(np.float32))
    with pytest.raises(ShapeMismatch, match=r"\(N, 64\), not \(1, 5\)"):
        tracker.decode_language(features, np.zeros((1, 5)))
    with pytest.raises(ShapeMismatch, match="2 prompts"):
        tracker.prompt_language(0, features, [1, 1], embeddings(2))
    with pytest.raises(ShapeMismatch, match=r"\(N, Y, X\)"):
        tracker.prompt_masks(0, features, [1], SQUARE)
    with pytest.raises(RequestError, match="neither a point nor a box"):
        tracker.prompt_points(0, features, 1)
    with pytest.raises(ShapeMismatch, match="1 points came with 0 labels"):
        tracker.prompt_points(0, features, 1, [(3, 4)])


def test_a_network_that_is_not_sam_2_0_is_refused():
    network = build_sam2(SMALL)
    network.binarize_mask_from_pts_for_mem_enc = True
    with pytest.raises(ModelError, match="binarize_mask_from_pts_for_mem_enc"):
        Tracker(network)


def test_weights_that_are_not_float32_are_refused():
    with pytest.raises(ModelError, match="bfloat16"):
        Tracker(build_sam2(SMALL).to(torch.bfloat16))
