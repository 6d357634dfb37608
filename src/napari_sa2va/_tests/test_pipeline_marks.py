"""Objects that are marked on several frames, ranges, and the frame in view."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core import rle
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.pipeline.events import FrameMasks, KeyMasks
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.run import run
from napari_sa2va.pipeline.segment import segment
from napari_sa2va.presets import preset
from napari_sa2va.propagation import Both, Forward, KeyFramesOnly, Propagation, Range
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import RunSettings

RED, GREEN, BLUE = 0, 1, 2


def square(channel: int, t: int) -> np.ndarray:
    """The mask of a colour's square on a frame of `colour_clip`."""
    mask = np.zeros((16, 20), dtype=bool)
    mask[1 + 5 * channel : 5 + 5 * channel, t : t + 4] = True
    return mask


def drawn(object_id: int, channel: int, t: int) -> Prompt:
    return Prompt(object_id, f"object {object_id}", frame=t, mask=square(channel, t))


def clicked(object_id: int, channel: int, t: int) -> Prompt:
    at = Point(y=2 + 5 * channel, x=t + 1)
    return Prompt(object_id, f"object {object_id}", frame=t, points=(at,))


def settings_with(order: Propagation, key_frames: tuple[int, ...] | None = None) -> RunSettings:
    settings = preset("sa2va-i")
    update: dict[str, object] = {
        "tracking": settings.tracking.model_copy(update={"propagation": order})
    }
    if key_frames is not None:
        update["sampling"] = Manual(frames=key_frames)
    return settings.model_copy(update=update)


def events_of(*prompts: Prompt, order: Propagation | None = None, **options):
    model = FakeModel()
    settings = settings_with(order or Forward(), options.pop("key_frames", None))
    clip = options.pop("clip", None) or colour_clip()
    return list(run(clip, PromptSet(prompts), settings, model=model, **options)), model


def final_masks(events):
    return {e.frame: e for e in events if type(e) is FrameMasks}


def key_masks(events):
    return {e.frame: e for e in events if type(e) is KeyMasks}


def prompted(model):
    """What the tracker was prompted with: (frame, track ids) of masks and clicks."""
    return [
        (c[1], c[2] if c[0] == "prompt_masks" else (c[2],))
        for c in model.calls
        if c[0] in ("prompt_masks", "prompt_points")
    ]


def test_every_mark_of_an_object_conditions_it_and_it_is_tracked_everywhere_else():
    events, model = events_of(drawn(1, RED, 0), clicked(1, RED, 3), drawn(1, RED, 5))
    assert prompted(model) == [(0, (1,)), (3, (1,)), (5, (1,))]
    assert [c[1:3] for c in model.calls if c[0] == "track"] == [(1, (1,)), (2, (1,)), (4, (1,))]
    for t, event in final_masks(events).items():
        assert event.object_ids == (1,)
        np.testing.assert_array_equal(event.masks[0], square(RED, t))
    assert {t: round(float(e.scores[0]), 3) for t, e in final_masks(events).items()} == {
        0: 1.0, 1: 0.5, 2: 0.5, 3: 0.9, 4: 0.5, 5: 1.0,
    }  # fmt: skip
    assert model.trackers[0].num_encoded == 6


def test_a_frame_may_condition_one_object_while_the_other_is_tracked_to_it():
    events, model = events_of(
        drawn(1, RED, 0), drawn(2, BLUE, 0), drawn(2, BLUE, 2), clicked(1, RED, 4)
    )
    assert prompted(model) == [(0, (1, 2)), (2, (2,)), (4, (1,))]
    tracked = {c[1]: c[2] for c in model.calls if c[0] == "track"}
    assert tracked == {1: (1, 2), 2: (1,), 3: (1, 2), 4: (2,), 5: (1, 2)}
    for t, event in final_masks(events).items():
        assert event.object_ids == (1, 2), "in the order of the objects, on every frame"
        np.testing.assert_array_equal(event.masks, [square(RED, t), square(BLUE, t)])
    assert model.trackers[0].num_encoded == 6, "a frame that waits is not encoded again"


def test_an_object_with_several_marks_has_one_masklet_and_one_entry_in_the_record():
    nothing = Prompt(4, "cell", frame=5, mask=np.zeros((16, 20), bool))
    prompts = PromptSet((drawn(9, BLUE, 1), clicked(4, RED, 0), nothing, drawn(9, BLUE, 0)))
    result = segment(colour_clip(), prompts, model=FakeModel())
    assert [(m.object_id, m.name) for m in result.masklets] == [(9, "object 9"), (4, "object 4")]
    record = RunRecord.model_validate_json(result.record.model_dump_json())
    nine, four = record.objects
    assert (nine.object_id, four.object_id) == (9, 4)
    assert [mark["frame"] for mark in nine.marked] == [1, 0]
    np.testing.assert_array_equal(rle.decode(nine.marked[0]["mask"]), square(BLUE, 1))
    assert [(mark["frame"], mark["points"]) for mark in four.marked] == [
        (0, [[2, 1, True]]),
        (5, []),
    ]
    assert not rle.decode(four.marked[1]["mask"]).any()
    assert nine.frames_present == [0, 1, 2, 3, 4, 5]
    assert four.frames_present == [0, 1, 2, 3, 4]


def test_the_empty_mask_of_an_object_is_kept_on_its_frame():
    nothing = Prompt(1, "cell", frame=2, mask=np.zeros((16, 20), bool))
    events, model = events_of(nothing, clicked(1, RED, 0))
    assert prompted(model) == [(0, (1,)), (2, (1,))]
    assert not final_masks(events)[2].masks.any()


def test_object_ids_need_not_begin_at_one():
    prompts = PromptSet((drawn(3, BLUE, 2),))
    settings = settings_with(Both())
    result = segment(colour_clip(), prompts, settings=settings, model=FakeModel())
    assert [m.object_id for m in result.masklets] == [3]
    assert set(np.unique(result.labels)) == {0, 3}
    np.testing.assert_array_equal(result.labels[4] == 3, square(BLUE, 4))
    (entry,) = result.record.objects
    assert (entry.object_id, entry.frames_done) == (3, 6)


def test_frames_prompted_outside_of_a_range_are_drawn_and_remembered_but_get_no_masks():
    order = Range(first_frame=2, last_frame=3)
    events, model = events_of(drawn(1, RED, 0), clicked(1, RED, 5), drawn(2, BLUE, 5), order=order)
    assert list(key_masks(events)) == [0, 5]
    assert list(final_masks(events)) == [2, 3]
    assert prompted(model) == [(0, (1,)), (5, (2,)), (5, (1,))]
    assert model.trackers[0].num_encoded == 4
    record = events[-1].record
    assert (record.frames_planned, record.frames_done) == (2, 2)
    assert record.finished == "done"


def test_in_a_range_sentences_are_asked_of_key_frames_that_may_lie_outside():
    sentence = Prompt(1, "red", text="the red one")
    order = Range(first_frame=3, direction="forward")
    events, _ = events_of(sentence, order=order, key_frames=(1, 4))
    assert list(key_masks(events)) == [1, 4]
    assert list(final_masks(events)) == [4, 5]


def test_a_range_reaches_its_frames_from_both_sides_of_the_first_prompted_one():
    events, model = events_of(drawn(1, RED, 3), order=Range(first_frame=2, last_frame=4))
    assert list(final_masks(events)) == [3, 4, 2]
    assert [(c[1], c[3]) for c in model.calls if c[0] == "track"] == [(4, False), (2, True)]
    assert ("new_tracker", "original", True, 3) in model.calls, "it turns round at frame 3"


@pytest.mark.parametrize(
    ("near", "frames"),
    [(None, [0, 1, 4, 5]), (4, [4, 5, 1, 0]), (0, [0, 1, 4, 5]), (3, [4, 1, 5, 0])],
)
def test_key_frames_are_drawn_nearest_to_the_frame_in_view_first(near, frames):
    sentence = Prompt(1, "red", text="the red one")
    events, model = events_of(
        sentence, clicked(2, BLUE, 5), key_frames=(0, 1, 4), order=Both(), begin_near=near
    )
    assert list(key_masks(events)) == frames
    assert list(final_masks(events)) == [0, 1, 2, 3, 4, 5], "sweeps stay as published"
    assert events[-1].record.key_frames == [0, 1, 4]
    assert events[0].plan.key_frames.frames == (0, 1, 4)
    assert ("look", 3) in model.calls


def test_key_frames_that_are_all_there_is_get_their_masks_nearest_first():
    sentence = Prompt(1, "red", text="the red one")
    events, _ = events_of(sentence, key_frames=(0, 2, 5), order=KeyFramesOnly(), begin_near=4)
    assert list(final_masks(events)) == [5, 2, 0]
    assert events[-1].record.finished == "done"


def test_what_key_frames_only_tracks_is_not_remembered():
    events, model = events_of(
        clicked(1, RED, 2), clicked(2, BLUE, 3), order=KeyFramesOnly(), begin_near=3
    )
    assert list(final_masks(events)) == [3, 2]
    assert model.trackers[0].forgot == [3, 2]
    _, model = events_of(clicked(1, RED, 2), clicked(2, BLUE, 3), order=Both())
    assert model.trackers[0].forgot == []
    assert not any(c[0] == "new_tracker" and c[3] is None for c in model.calls)


def test_the_tracker_is_told_how_many_prompted_frames_to_attend():
    settings = settings_with(Forward())
    tracking = settings.tracking.model_copy(update={"max_conditioning": 7})
    settings = settings.model_copy(update={"tracking": tracking})
    model = FakeModel()
    segment(colour_clip(), PromptSet((drawn(1, RED, 0),)), settings=settings, model=model)
    assert model.trackers[0].max_conditioning == 7
    assert preset("sa2va-i").tracking.max_conditioning == 0
