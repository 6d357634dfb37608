"""The timeline of small masklets, built at once and kept up to date."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sa2va.analysis import Thresholds, Timeline, TimelineBuilder, timeline_of
from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.core.palette import color_of

NAN = float("nan")
Box = tuple[int, int, int, int]  # y, x, height, width


def masklet(object_id: int, boxes: list[Box | None], scores: list[float] | None = None) -> Masklet:
    """Rectangles in frames of 12 x 16 px; None where nothing is known."""
    made = Masklet.empty(object_id, f"object {object_id}", "", (len(boxes), 12, 16))
    for t, box in enumerate(boxes):
        if box is not None:
            made.set_mask(t, rectangle(*box), NAN if scores is None else scores[t])
    return made


def rectangle(y: int, x: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((12, 16), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def plain(masklets: list[Masklet], **more) -> Timeline:
    return timeline_of(masklets, **({"colors": {}, "locked": {}, "corrected": {}} | more))


def assert_same(a: Timeline, b: Timeline) -> None:
    assert a.num_frames == b.num_frames
    assert a.doubts == b.doubts
    assert len(a.lanes) == len(b.lanes)
    for one, other in zip(a.lanes, b.lanes, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)


def test_a_lane_tells_what_is_known_of_each_frame():
    # 4 x 4 px; moved by 2 px, so 8 of 24 px are shared; gone; not known; 2 x 4 px
    boxes: list[Box | None] = [(0, 0, 4, 4), (0, 2, 4, 4), (0, 0, 0, 0), None, (0, 0, 2, 4)]
    timeline = plain(
        [masklet(3, boxes, scores=[0.9, 0.8, 0.0, NAN, NAN])],
        colors={3: (9, 8, 7)},
        locked={3: [0, 4]},
        corrected={3: [1], 5: [0]},
    )
    assert timeline.num_frames == 5
    [lane] = timeline.lanes
    assert (lane.object_id, lane.name, lane.color) == (3, "object 3", (9, 8, 7))
    assert lane.known.tolist() == [True, True, True, False, True]
    assert lane.present.tolist() == [True, True, False, False, True]
    np.testing.assert_array_equal(lane.area_px, [16, 16, 0, NAN, 8])
    np.testing.assert_array_equal(lane.steadiness, [NAN, 8 / 24, NAN, NAN, NAN])
    np.testing.assert_array_equal(lane.score, [0.9, 0.8, 0.0, NAN, NAN])
    assert lane.locked.tolist() == [True, False, False, False, True]
    assert lane.corrected.tolist() == [False, True, False, False, False]


def test_an_object_without_a_colour_keeps_that_of_the_palette():
    assert plain([masklet(2, [None])]).lanes[0].color == color_of(2)


def test_marks_and_curves_stand_in_the_timeline():
    curves = {"Area (µm²)": {1: np.array([1.0, NAN])}}
    timeline = plain([masklet(1, [None, None])], key_frames=[1, 0], reviewed=[1], curves=curves)
    assert timeline.key_frames == (0, 1)
    assert timeline.reviewed == frozenset({1})
    np.testing.assert_array_equal(timeline.curves["Area (µm²)"][1], [1, NAN])


def test_objects_that_overlap_are_doubtful():
    # 4 x 4 px each, 2 x 4 shared on frame 1: 8 of 16
    one = masklet(1, [(0, 0, 4, 4), (0, 0, 4, 4)])
    two = masklet(2, [(0, 8, 4, 4), (0, 2, 4, 4)])
    strict = Thresholds(lowest_steadiness=0)
    doubts = plain([one, two], thresholds=strict).doubts
    assert [(d.frame, d.object_id, d.reason) for d in doubts] == [
        (1, 1, "overlap"),
        (1, 2, "overlap"),
    ]
    assert "8 px, 50 %" in doubts[0].words
    assert (
        plain([one, two], thresholds=Thresholds(lowest_steadiness=0, overlap_share=0.5)).doubts
        == ()
    )


def test_boxes_that_meet_without_a_common_pixel_are_no_overlap():
    corner = np.zeros((12, 16), bool)
    corner[0, :], corner[:, 0] = True, True
    one, two = masklet(1, [(1, 1, 4, 4)]), masklet(2, [None])
    two.set_mask(0, corner)
    assert plain([one, two]).doubts == ()


def test_the_next_doubtful_frame_is_the_nearest_and_its_worst_doubt():
    one = masklet(1, [(0, 0, 4, 4)] * 6, scores=[0.9, 0.9, 0.5, 0.9, 0.1, 0.9])
    two = masklet(2, [(6, 0, 4, 4)] * 6, scores=[0.7, 0.9, 0.2, 0.9, 0.9, 0.9])
    timeline = plain([one, two])
    assert [(d.frame, d.object_id) for d in timeline.doubts] == [(0, 2), (2, 2), (2, 1), (4, 1)]

    def at(after: int, **more) -> tuple[int, int] | None:
        doubt = timeline.next_doubtful(after, **more)
        return None if doubt is None else (doubt.frame, doubt.object_id)

    assert at(-1) == (0, 2)
    assert at(0) == (2, 2)
    assert at(2) == (4, 1)
    assert at(4) is None
    assert at(4, backward=True) == (2, 2)
    assert at(3, backward=True, object_id=1) == (2, 1)
    assert at(0, object_id=1) == (2, 1)
    assert at(0, backward=True) is None
    assert [(d.frame, d.object_id) for d in timeline.worst_first] == [
        (4, 1), (2, 2), (2, 1), (0, 2)
    ]  # fmt: skip


def test_without_an_object_there_is_a_timeline_without_lanes():
    assert plain([]).num_frames == 0
    timeline = plain([], num_frames=7, key_frames=[6])
    assert (timeline.num_frames, timeline.lanes, timeline.doubts) == (7, (), ())
    assert timeline.next_doubtful(-1) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"key_frames": [2]}, r"Frames \[2\] are outside the clip, which has 2 frames"),
        ({"reviewed": [-1]}, r"Frames \[-1\]"),
        ({"locked": {1: [5]}}, r"Frames \[5\]"),
        ({"corrected": {1: [5]}}, r"Frames \[5\]"),
    ],
)
def test_marks_outside_the_clip_are_refused(more, said):
    with pytest.raises(RequestError, match=said):
        plain([masklet(1, [None, None])], **more)


def test_what_belongs_to_another_clip_is_refused():
    with pytest.raises(ShapeMismatch, match="Object 2"):
        plain([masklet(1, [None]), masklet(2, [None, None])])
    with pytest.raises(ShapeMismatch, match="'Area'"):
        plain([masklet(1, [None])], curves={"Area": {1: np.zeros(3)}})
    with pytest.raises(ShapeMismatch, match="the clip has 3"):
        plain([masklet(1, [None])], num_frames=3)
    with pytest.raises(RequestError, match="Two objects have the id 1"):
        plain([masklet(1, [None]), masklet(1, [None])])


def test_a_timeline_stays_as_it_was_when_masks_change():
    builder, one = TimelineBuilder(), masklet(1, [(0, 0, 4, 4), (0, 0, 4, 4)])
    builder.update([one])
    before = builder.timeline(colors={}, locked={}, corrected={})
    one.set_mask(1, rectangle(0, 0, 2, 2))
    builder.update([one], [1])
    after = builder.timeline(colors={}, locked={}, corrected={})
    assert before.lanes[0].area_px.tolist() == [16, 16]
    assert after.lanes[0].area_px.tolist() == [16, 4]
    assert before.lanes[0].steadiness[1] == 1
    assert after.lanes[0].steadiness[1] == 4 / 16


def test_only_the_frames_named_are_looked_at_for_changes():
    builder, one = TimelineBuilder(), masklet(1, [(0, 0, 4, 4)] * 3)
    builder.update([one])
    for t in range(3):
        one.set_mask(t, rectangle(0, 0, 2, 2))
    builder.update([one], [1])
    lane = builder.timeline(colors={}, locked={}, corrected={}).lanes[0]
    assert lane.area_px.tolist() == [16, 4, 16]
    # the frame after a change has a new frame before it
    np.testing.assert_array_equal(lane.steadiness, [NAN, 0.25, 0.25])


def test_a_frame_that_is_not_there_cannot_be_updated():
    with pytest.raises(RequestError, match=r"\[3\]"):
        TimelineBuilder().update([masklet(1, [None])], [3])


def test_names_and_scores_are_taken_anew():
    builder, one = TimelineBuilder(), masklet(1, [(0, 0, 4, 4)])
    builder.update([one])
    one.name, one.scores[0] = "renamed", 0.25
    builder.update([one], [])
    lane = builder.timeline(colors={}, locked={}, corrected={}).lanes[0]
    assert (lane.name, lane.score.tolist()) == ("renamed", [0.25])


def test_objects_that_went_leave_no_doubt_behind():
    one, two = masklet(1, [(0, 0, 4, 4)]), masklet(2, [(0, 0, 4, 4)])
    builder = TimelineBuilder()
    builder.update([one, two])
    assert len(builder.timeline(colors={}, locked={}, corrected={}).doubts) == 2
    builder.update([two])
    timeline = builder.timeline(colors={}, locked={}, corrected={})
    assert ([lane.object_id for lane in timeline.lanes], timeline.doubts) == ([2], ())
    builder.update([])
    assert builder.timeline(colors={}, locked={}, corrected={}).lanes == ()


def test_a_builder_that_meets_another_clip_starts_anew():
    builder = TimelineBuilder()
    builder.update([masklet(1, [(0, 0, 4, 4)] * 3), masklet(2, [(0, 0, 4, 4)] * 3)])
    other = [masklet(1, [(0, 0, 2, 2), None])]
    builder.update(other, [])
    assert_same(builder.timeline(colors={}, locked={}, corrected={}), plain(other))


boxes = st.none() | st.tuples(*[st.integers(0, 6)] * 4)
changes = st.lists(
    st.tuples(st.sampled_from(["mask", "add", "drop", "swap"]), st.integers(0, 3), boxes),
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(boxes, min_size=4, max_size=4), max_size=3), changes, st.booleans())
def test_a_timeline_kept_up_to_date_is_the_one_built_anew(start, steps, named):
    objects = [masklet(i + 1, made) for i, made in enumerate(start)]
    builder, next_id = TimelineBuilder(), len(objects) + 1
    builder.update(objects)
    for kind, t, box in steps:
        if kind == "add":
            objects = [*objects, masklet(next_id, [box] * 4)]
            next_id += 1
        elif kind == "drop":
            objects = objects[1:]
        elif kind == "swap":
            objects = objects[::-1]
        elif objects and box is not None:
            objects[t % len(objects)].set_mask(t, rectangle(*box))
        elif objects:
            objects[t % len(objects)].codes[t] = None
        builder.update(objects, [t] if named else None)
        now = builder.timeline(colors={}, locked={}, corrected={}, num_frames=4)
        assert_same(now, plain(objects, num_frames=4))
