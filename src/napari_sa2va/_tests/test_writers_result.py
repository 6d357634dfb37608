"""What writers are given: objects, and their masks frame by frame."""

from dataclasses import replace

import numpy as np
import pytest

from napari_sa2va.core import rle
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers.result import Result, Shown, Subject, of_labels, of_masklets

LEFT = np.array([[1, 1, 0], [0, 0, 0]], bool)
MIDDLE = np.array([[0, 1, 1], [0, 0, 0]], bool)


@pytest.fixture
def clip() -> Clip:
    return open_clip(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), axes="TYX")


def masklet(object_id: int, *masks: np.ndarray) -> Masklet:
    made = Masklet.empty(object_id, f"object {object_id}", "", (len(masks), 2, 3))
    for t, mask in enumerate(masks):
        made.set_mask(t, mask, 0.5)
    return made


@pytest.mark.parametrize(("overlap", "shared"), [("last", 7), ("first", 2)])
def test_the_overlap_rule_says_who_keeps_a_pixel(clip, overlap, shared):
    result = of_masklets(
        clip, [masklet(7, MIDDLE, MIDDLE), masklet(2, LEFT, ~LEFT & False)], overlap=overlap
    )
    first, second = map(result.labels, range(2))
    assert first.tolist() == [[2, shared, 7], [0, 0, 0]]
    assert second.tolist() == [[0, 7, 7], [0, 0, 0]]
    assert [s.object_id for s in result.subjects] == [2, 7]


def test_only_what_is_there_is_shown(clip):
    result = of_masklets(clip, [masklet(1, LEFT, ~LEFT & False)])
    assert list(result.frame(0).codes) == [1]
    assert result.frame(0).scores == {1: 0.5}
    assert dict(result.frame(1).codes) == {}


def test_ids_beyond_16_bits_make_wider_labels(clip):
    narrow = of_masklets(clip, [masklet(65_535, LEFT, LEFT)])
    wide = of_masklets(clip, [masklet(65_536, LEFT, LEFT)])
    assert narrow.labels(0).dtype == np.uint16
    assert wide.labels(0).dtype == np.uint32
    assert wide.labels(0).max() == 65_536


def test_planes_follow_each_other(clip):
    result = of_masklets(clip, [masklet(1, LEFT, LEFT, MIDDLE, MIDDLE)], num_planes=2)
    assert result.num_frames == 4
    np.testing.assert_array_equal(result.labels(3) == 1, MIDDLE)


def test_the_planes_of_a_time_point_stand_together(clip):
    """Frame t of plane z has the number z * 2 + t: here 3 planes of 2 frames."""
    planes = of_masklets(clip, [masklet(1, *[LEFT] * 6)], num_planes=3)
    assert (planes.num_times, planes.num_z) == (2, 3)
    assert list(planes.in_time()) == [0, 2, 4, 1, 3, 5]


def test_where_z_plays_all_frames_are_of_one_time(clip):
    volume = of_masklets(replace(clip, time_axis="Z"), [masklet(1, LEFT, LEFT)])
    assert (volume.num_times, volume.num_z) == (1, 2)
    assert list(volume.in_time()) == [0, 1]


@pytest.mark.parametrize(("overlap", "areas"), [("last", {1: 1, 2: 2}), ("first", {1: 2, 2: 1})])
def test_masks_are_taken_apart_by_the_overlap_rule(clip, overlap, areas):
    masklets = [masklet(1, LEFT, LEFT), masklet(2, MIDDLE, MIDDLE), masklet(3, LEFT & ~LEFT, LEFT)]
    result = of_masklets(clip, masklets, overlap=overlap)
    assert {i: rle.area(code) for i, code in result.apart(result.frame(0).codes).items()} == areas
    # On frame 1 object 3 has the pixels of object 1: one of the two is not seen.
    seen = result.apart(result.frame(1).codes)
    assert set(seen) == ({2, 3} if overlap == "last" else {1, 2})


def test_label_images_are_given_back_as_they_were(clip):
    images = np.array([[[0, 3, 3], [70_000, 0, 3]], [[0, 0, 0], [0, 0, 0]]], np.uint32)
    result = of_labels(clip, images.__getitem__, names={70_000: "b", 3: "a"})
    np.testing.assert_array_equal([result.labels(f) for f in range(2)], images)
    assert [s.name for s in result.subjects] == ["a", "b"]
    assert not result.may_overlap


def test_masks_of_another_clip_are_refused(clip):
    with pytest.raises(ShapeMismatch, match="Object 1"):
        of_masklets(clip, [masklet(1, LEFT)])


@pytest.mark.parametrize("ids", [(2, 1), (1, 1), (0, 1)])
def test_ids_are_unique_and_rise_from_one(clip, ids):
    with pytest.raises(RequestError, match="its own"):
        Result(clip, tuple(Subject(i) for i in ids), lambda f: Shown({}))
