"""What a memory bank keeps, and what it hands out, with plain strings in place of tensors."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from napari_sa2va.core.errors import RequestError
from napari_sa2va.models.sam2.memory import ConditioningFrame, Memories, MemoryBank


def conditioning(name: str) -> ConditioningFrame:
    return ConditioningFrame(f"map {name}", SimpleNamespace(pointers=[f"pointer {name}"]))


def bank_of(conditioned=(), tracked=(), reverse=False, turning_frame=None) -> MemoryBank:
    """A bank of 3 temporal slots and 4 pointers after these frames."""
    bank = MemoryBank(num_memory_frames=3, max_pointers=4)
    for t in conditioned:
        bank.condition(t, conditioning(str(t)))
    for t in tracked:
        bank.remember(t, f"map {t}", f"pointer {t}")
        bank.prune(t, reverse=reverse, turning_frame=turning_frame)
    return bank


def test_conditioning_frames_take_the_last_slot_and_past_frames_their_distance():
    recall = bank_of(conditioned=[0, 9], tracked=range(1, 6)).recall(6, reverse=False)
    assert recall.slots == (2, 2, 1, 0)
    assert recall.maps == ["map 0", "map 9", "map 4", "map 5"]


def test_pointers_come_from_the_past_only_and_from_one_frame_less_than_their_number():
    bank = bank_of(conditioned=[0, 9], tracked=range(1, 6))
    # Conditioning frame 9 is still to come; of the tracked ones 5, 4 and 3 are within reach.
    pointers = bank.recall(6, reverse=False).pointers
    assert pointers == ["pointer 0", "pointer 5", "pointer 4", "pointer 3"]


def test_in_reverse_the_past_lies_at_later_frames():
    recall = bank_of(conditioned=[9], tracked=[8, 7, 6], reverse=True).recall(5, reverse=True)
    assert recall.slots == (2, 1, 0)
    assert recall.maps == ["map 9", "map 7", "map 6"]
    assert recall.pointers == ["pointer 9", "pointer 6", "pointer 7", "pointer 8"]


@pytest.mark.parametrize("num_frames", [10, 100])
def test_a_bank_keeps_as_many_frames_of_a_long_video_as_of_a_short_one(num_frames):
    bank = bank_of(conditioned=[0], tracked=range(1, num_frames))
    assert sorted(bank.maps) == [num_frames - 2, num_frames - 1]
    assert sorted(bank.pointers) == [num_frames - 3, num_frames - 2, num_frames - 1]


def test_what_lies_next_to_the_turning_frame_is_kept():
    bank = bank_of(conditioned=[10], tracked=range(11, 30), turning_frame=10)
    assert sorted(bank.maps) == [11, 12, 28, 29]
    assert sorted(bank.pointers) == [11, 12, 13, 27, 28, 29]


def test_a_tracked_frame_that_is_prompted_later_is_remembered_once():
    bank = bank_of(conditioned=[0], tracked=[1, 2])
    bank.condition(2, conditioning("corrected"))
    recall = bank.recall(3, reverse=False)
    assert recall.maps == ["map 0", "map corrected", "map 1"]
    assert recall.slots == (2, 2, 1)
    assert recall.pointers == ["pointer 0", "pointer corrected", "pointer 1"]


def test_objects_prompted_on_different_frames_can_still_have_the_same_layout():
    first = bank_of(conditioned=[0], tracked=range(1, 9)).recall(9, reverse=False)
    second = bank_of(conditioned=[3], tracked=range(4, 9)).recall(9, reverse=False)
    third = bank_of(conditioned=[0, 3], tracked=range(4, 9)).recall(9, reverse=False)
    assert first.layout == second.layout != third.layout


def test_each_object_has_its_own_bank():
    memories = Memories(num_memory_frames=3, max_pointers=4)
    memories.condition(5, 0, conditioning("of 5"))
    memories.condition(2, 1, conditioning("of 2"))
    assert memories.object_ids == (5, 2)
    assert memories.conditioning_frame(5, 0).map == "map of 5"
    assert memories.conditioning_frame(5, 1) is None
    with pytest.raises(RequestError, match=r"Object 77 was not prompted; known are \[5, 2\]"):
        memories[77]


def limited_bank(most: int) -> MemoryBank:
    """A bank of 3 temporal slots and 4 pointers that attends to few of its five prompted frames."""
    bank = MemoryBank(num_memory_frames=3, max_pointers=4, max_conditioning=most)
    for t in (0, 3, 4, 9, 20):
        bank.condition(t, conditioning(str(t)))
    for t in (1, 2, 5):
        bank.remember(t, f"map {t}", f"pointer {t}")
    return bank


def test_with_a_limit_the_nearest_conditioning_frames_on_both_sides_are_attended_first():
    assert limited_bank(0).recall(6, reverse=False).slots == (2, 2, 2, 2, 2, 0)
    # Of 0, 3, 4 | 9, 20 the nearest are 4 and 9, then 3; so 0 and 20 are left out.
    three = limited_bank(3).recall(6, reverse=False)
    assert three.maps == ["map 3", "map 4", "map 9", "map 5"]
    assert three.slots == (2, 2, 2, 0)
    assert three.pointers == ["pointer 3", "pointer 4", "pointer 5"]


def test_a_conditioning_frame_beyond_the_limit_is_attended_like_a_tracked_one_while_it_is_near():
    two = limited_bank(2).recall(5, reverse=False)
    # 4 and 9 are taken; 3 is two frames back, so in slot 1, and its pointer among the tracked ones.
    assert two.maps == ["map 4", "map 9", "map 3"]
    assert two.slots == (2, 2, 1)
    assert two.pointers == ["pointer 4", "pointer 3", "pointer 2"]


def test_where_all_conditioning_frames_lie_on_one_side_the_limit_holds_too():
    assert limited_bank(2).recall(30, reverse=False).maps == ["map 9", "map 20"]
    assert limited_bank(1).recall(30, reverse=False).maps == ["map 20"]
