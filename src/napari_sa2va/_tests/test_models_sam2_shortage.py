"""A tracker that ran out of memory on a frame can be asked for the frame again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sa2va._tests.sam2_reference import moving_square, small_predictor
from napari_sa2va.core.errors import RequestError
from napari_sa2va.models.sam2 import decode
from napari_sa2va.models.sam2 import tracker as tracker_module
from napari_sa2va.models.sam2.prediction import MaskPrediction
from napari_sa2va.models.sam2.tracker import Tracker

CPU = torch.device("cpu")
META = torch.device("meta")  # stands for a second device
SQUARE = np.zeros((2, 90, 120), dtype=bool)
SQUARE[0, 20:50, 5:35] = True
SQUARE[1, 20:50, 60:90] = True


@pytest.fixture(scope="module")
def network():
    return small_predictor()


@pytest.fixture(scope="module")
def frames():
    return moving_square(6)


def prompted(network, frames, **options):
    tracker = Tracker(network, **options)
    tracker.prompt_masks(0, tracker.encode(frames[0]), [1, 2], SQUARE)
    return tracker


def track(tracker, frames, t):
    return tracker.track(t, tracker.encode(frames[t]), [1, 2]).logits


def out_of_memory(*args, **kwargs):
    raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.mark.parametrize(
    ("owner", "name"), [(decode, "decode"), (tracker_module, "attend"), (MaskPrediction, "select")]
)
def test_a_tracked_frame_that_failed_is_the_same_the_second_time(
    network, frames, monkeypatch, owner, name
):
    undisturbed, other = prompted(network, frames), prompted(network, frames)
    for t in (1, 2):
        torch.testing.assert_close(track(undisturbed, frames, t), track(other, frames, t))
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, out_of_memory)
        with pytest.raises(torch.OutOfMemoryError):
            track(other, frames, 3)
    for t in (3, 4, 5):
        assert torch.equal(track(undisturbed, frames, t), track(other, frames, t))


def test_one_of_two_batches_may_fail_and_both_are_made_again(network, frames, monkeypatch):
    undisturbed, other = (prompted(network, frames, objects_per_pass=1) for _ in range(2))
    calls = []
    memory_maps = tracker_module.memory_maps

    def second_fails(*args):
        calls.append(1)
        if len(calls) == 2:
            out_of_memory()
        return memory_maps(*args)

    monkeypatch.setattr(tracker_module, "memory_maps", second_fails)
    with pytest.raises(torch.OutOfMemoryError):
        track(other, frames, 1)
    for t in (1, 2, 3):
        assert torch.equal(track(undisturbed, frames, t), track(other, frames, t))


def test_a_prompt_that_failed_half_way_leaves_no_object_behind(network, frames, monkeypatch):
    tracker = Tracker(network)
    select, calls = MaskPrediction.select, []

    def second_fails(self, rows):
        calls.append(1)
        if len(calls) == 2:
            out_of_memory()
        return select(self, rows)

    monkeypatch.setattr(MaskPrediction, "select", second_fails)
    with pytest.raises(torch.OutOfMemoryError):
        tracker.prompt_masks(0, tracker.encode(frames[0]), [1, 2], SQUARE)
    assert tracker.object_ids == ()


def test_clicks_on_a_frame_that_was_forgotten_are_first_clicks_again(network, frames):
    tracker = Tracker(network)
    features = tracker.encode(frames[0])
    first = tracker.prompt_points(0, features, 1, [(30, 20)], [1]).logits
    refined = tracker.prompt_points(0, features, 1, [(30, 20)], [1]).logits
    assert not torch.equal(first, refined)
    tracker.forget(0)
    with pytest.raises(RequestError, match="was not prompted"):
        tracker.track(1, features, [1])
    assert torch.equal(tracker.prompt_points(0, features, 1, [(30, 20)], [1]).logits, first)


def test_forgetting_a_frame_leaves_the_others(network, frames):
    tracker = prompted(network, frames)
    expected = track(prompted(network, frames), frames, 1)
    tracker.prompt_masks(3, tracker.encode(frames[3]), [1, 2], SQUARE)
    assert not torch.equal(track(tracker, frames, 1), expected)
    tracker.forget(3)
    tracker.forget(1)
    assert torch.equal(track(tracker, frames, 1), expected)


def test_what_a_tracker_computes_in_may_change_between_two_frames(network, frames):
    plain, other = prompted(network, frames), prompted(network, frames)
    for t in (1, 2):
        track(plain, frames, t), track(other, frames, t)
    other.precision = torch.bfloat16
    for t in (3, 4, 5):
        full, half = track(plain, frames, t), track(other, frames, t)
        assert half.dtype == torch.float32
        assert not torch.equal(full, half)
        assert ((full > 0) == (half > 0)).float().mean() > 0.95


def test_offloading_changes_no_number(network, frames):
    plain, other = prompted(network, frames), prompted(network, frames, offload=True)
    for t in (1, 2, 3):
        waiting = other.set_aside(other.encode(frames[t]))
        theirs = other.track(t, other.take_up(waiting), [1, 2]).logits
        assert torch.equal(track(plain, frames, t), theirs)
    other.follow()  # and nor does a move
    assert torch.equal(track(plain, frames, 4), track(other, frames, 4))


def test_features_are_moved_whole():
    network = small_predictor()
    tracker = Tracker(network)
    frame = moving_square(1)[0]
    for decoders in (None, (network.sam_mask_decoder,)):
        features = tracker.encode(frame, decoders=decoders)
        moved = features.to(META)
        assert moved.nbytes == features.nbytes
        assert moved.top.device == moved.position.device == META
        if decoders:
            assert all(m.device == META for m in moved.fine_maps(network.sam_mask_decoder))
        assert features.to(CPU) is features


def test_memories_are_moved_whole(network, frames):
    tracker = prompted(network, frames)
    track(tracker, frames, 1)
    tracker._memories.to(META, META)
    bank = tracker._memories[1]
    recall = bank.recall(2, reverse=False)
    assert {m.device.type for m in [*recall.maps, *recall.pointers]} == {"meta"}
    answer = bank.conditioning[0].prediction
    assert {x.device.type for x in (answer.logits, answer.iou, answer.object_scores)} == {"meta"}


def test_answers_wait_where_they_are_to_wait_when_memories_are_moved(network, frames, monkeypatch):
    tracker = prompted(network, frames, offload=True)
    # Of the network itself only the device is asked.
    monkeypatch.setattr(Tracker, "device", property(lambda self: META))
    tracker.follow()
    frame = tracker._memories[1].conditioning[0]
    assert frame.map.device == frame.pointer.device == META
    assert frame.prediction.logits.device == CPU
    tracker.offload = False
    tracker.follow()
    assert tracker._memories[1].conditioning[0].prediction.logits.device == META


def test_answers_of_earlier_frames_go_once_there_is_offloading(network, frames):
    tracker = prompted(network, frames)
    tracker._memories.to(CPU, META)  # as if the main memory was elsewhere
    frame = tracker._memories[1].conditioning[0]
    assert frame.map.device == frame.pointer.device == CPU
    assert frame.prediction.logits.device == META
