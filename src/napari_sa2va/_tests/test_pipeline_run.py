from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip
from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import CheckpointError, MemoryShortage, RequestError
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.pipeline.events import Answered, Finished, FrameMasks, KeyMasks, Note, Planned
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.run import run
from napari_sa2va.pipeline.segment import segment
from napari_sa2va.pipeline.sinks import MaskletSink
from napari_sa2va.presets import PRESETS, preset
from napari_sa2va.propagation.backward import Backward
from napari_sa2va.propagation.both import Both
from napari_sa2va.propagation.none import KeyFramesOnly
from napari_sa2va.readers.open import open_clip
from napari_sa2va.sampling.manual import Manual


def changed(name: str = "sa2va-i", **tracking):
    """A preset with some tracking settings changed."""
    settings = preset(name)
    return settings.model_copy(update={"tracking": settings.tracking.model_copy(update=tracking)})


def events_of(texts, settings=None, clip=None, model=None, **kwargs):
    clip = clip or colour_clip()
    model = model or FakeModel()
    prompts = texts if isinstance(texts, PromptSet) else PromptSet.from_texts(texts)
    return list(run(clip, prompts, settings or preset("sa2va-i"), model=model, **kwargs)), model


def final_masks(events):
    return [e for e in events if type(e) is FrameMasks]


@pytest.mark.parametrize("name", PRESETS)
def test_the_events_come_in_order_and_the_last_is_finished(name):
    events, _ = events_of(["the red one", "the blue one"], preset(name))
    kinds = [type(e) for e in events]
    assert kinds[0] is Planned
    assert kinds[-1] is Finished
    assert kinds.count(Answered) == 2
    assert kinds.index(Answered) < kinds.index(KeyMasks) < kinds.index(FrameMasks)
    assert [e.frame for e in final_masks(events)] == list(range(6))


@pytest.mark.parametrize("name", PRESETS)
def test_every_frame_is_encoded_once_whatever_the_number_of_objects(name):
    for texts in (["the red one"], ["the red one", "the green one", "the blue one"]):
        events, model = events_of(texts, preset(name))
        assert model.trackers[0].num_encoded == 6
        assert events[-1].record.frames_encoded == 6


def test_the_vision_tower_looks_once_for_all_sentences():
    _, model = events_of(["the red one", "the green one", "the blue one"])
    assert [c for c in model.calls if c[0] == "look"] == [("look", 5)]
    assert sum(c[0] == "ground" for c in model.calls) == 3


def test_each_sentence_gets_its_own_object():
    events, _ = events_of(["the red one", "the blue one"])
    last = final_masks(events)[-1]
    assert last.object_ids == (1, 2)
    for mask, row in zip(last.masks, (1, 11), strict=True):
        expected = np.zeros((16, 20), dtype=bool)
        expected[row : row + 4, 5:9] = True
        np.testing.assert_array_equal(mask, expected)


def test_sa2va_prompts_with_language_and_tracks_with_the_tuned_decoder():
    _, model = events_of("the red one", preset("sa2va"))
    assert ("new_tracker", "tuned", False, None) in model.calls
    assert ("prompt_language", 0, (1,), "tuned") in model.calls
    assert not any(c[0] == "prompt_masks" for c in model.calls)


def test_sa2va_i_draws_each_key_frame_and_prompts_the_original_decoder_with_masks():
    _, model = events_of("the red one", preset("sa2va-i"))
    assert ("new_tracker", "original", True, None) in model.calls
    assert ("decode_language", "tuned") in model.calls
    assert [c[1] for c in model.calls if c[0] == "prompt_masks"] == [0, 1, 2, 3, 5]
    assert [c[1] for c in model.calls if c[0] == "track"] == [4]


def test_fewer_key_frames_may_prompt_than_the_language_model_sees():
    _, model = events_of("the red one", changed(num_prompt_frames=2))
    assert ("look", 5) in model.calls
    assert [c[1] for c in model.calls if c[0] == "prompt_masks"] == [0, 1]
    assert [c[1] for c in model.calls if c[0] == "track"] == [2, 3, 4, 5]


def test_a_key_frame_scores_as_the_sketch_did_and_not_as_certain():
    events, _ = events_of("the red one")
    by_frame = {e.frame: float(e.scores[0]) for e in final_masks(events)}
    assert by_frame == {0: 0.75, 1: 0.75, 2: 0.75, 3: 0.75, 4: 0.5, 5: 0.75}


def test_what_is_not_there_is_a_finding_and_leaves_an_empty_masklet():
    clip, model = colour_clip(), FakeModel()
    result = segment(clip, ["the yellow one", "the red one"], model=model)
    missing, found = result.masklets
    assert not missing.found
    assert missing.frames_present == []
    assert missing.scores == [0.0] * 6
    assert missing.answer == "There is no such thing."
    assert found.found
    assert len(found.frames_present) == 6
    assert any("not found" in note for note in result.record.notes)
    assert set(np.unique(result.labels)) == {0, 2}


def test_if_nothing_is_found_no_frame_is_encoded():
    events, model = events_of("the yellow one")
    assert [tracker.num_encoded for tracker in model.trackers] == [0]
    assert isinstance(events[-1], Finished)
    assert not events[-1].record.any_found


def test_a_given_answer_is_taken_and_recorded_as_given():
    events, model = events_of("the red one", answers="Look: [SEG].")
    assert [call[2] for call in model.calls if call[0] == "ground"] == ["Look: [SEG]."]
    entry = events[-1].record.objects[0]
    assert entry.answer_given
    assert entry.raw_answer == "Look: [SEG].<|im_end|>"
    assert entry.answer == "Look: ."


def test_answers_and_sentences_must_agree_in_number():
    with pytest.raises(RequestError, match="1 answers were given for 2 sentences"):
        events_of(["the red one", "the blue one"], answers="[SEG]")


def test_of_several_masks_the_first_is_drawn_or_all_as_one_object():
    first, _ = events_of("the red and green one")
    settings = preset("sa2va-i")
    union, _ = events_of(
        "the red and green one",
        settings.model_copy(
            update={"output": settings.output.model_copy(update={"several_masks": "union"})}
        ),
    )
    assert final_masks(first)[0].masks.sum() == 16
    assert final_masks(union)[0].masks.sum() == 32
    assert final_masks(union)[0].object_ids == (1,)
    assert any("2 masks" in e.message for e in first if isinstance(e, Note))


def test_of_several_masks_of_a_picture_all_are_drawn_as_the_published_evaluation_does():
    events, _ = events_of("the red and green one", clip=colour_clip(1))
    assert final_masks(events)[0].masks.sum() == 32
    assert final_masks(events)[0].object_ids == (1,)
    assert not [e for e in events if isinstance(e, Note)]


def test_cancel_keeps_what_is_finished_and_says_so():
    clip, cancel = colour_clip(12), CancelToken()
    prompts = PromptSet.from_texts("the red one")
    sink = MaskletSink(clip, prompts)
    events = []
    for event in run(clip, prompts, preset("sa2va"), model=FakeModel(), cancel=cancel):
        sink.take(event)
        events.append(event)
        if type(event) is FrameMasks and event.frame == 6:
            cancel.cancel()
    assert events[-1].reason == "cancelled"
    assert sink.masklets[1].frames_present == [0, 1, 2, 3, 4, 5, 6]
    assert sink.masklets[1].codes[7] is None
    assert events[-1].record.frames_done == 7


def test_a_cancel_before_the_start_grounds_nothing():
    cancel = CancelToken()
    cancel.cancel()
    events, model = events_of("the red one", cancel=cancel)
    assert events[-1].reason == "cancelled"
    assert not any(c[0] == "ground" for c in model.calls)


def test_out_of_memory_in_the_middle_is_ours_and_keeps_the_frames_before(monkeypatch):
    def track(self, *args, **kwargs):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(FakeTracker, "track", track)
    clip, prompts = colour_clip(8), PromptSet.from_texts("the red one")
    sink = MaskletSink(clip, prompts)

    def drain():
        for event in run(clip, prompts, preset("sa2va"), model=FakeModel()):
            sink.take(event)

    with pytest.raises(MemoryShortage):
        drain()
    assert sink.frames_done == 5
    assert sink.record.finished == "failed"
    assert sink.masklets[1].frames_present == [0, 1, 2, 3, 4]


def test_bad_key_frames_are_found_before_any_frame_is_read():
    model = FakeModel()
    settings = preset("sa2va-i").model_copy(update={"sampling": Manual(frames=(99,))})
    with pytest.raises(RequestError, match="99"):
        events_of("the red one", settings, model=model)
    assert model.calls == []


@pytest.mark.parametrize(
    ("propagation", "frames"),
    [(Both(), [3, 4, 5, 2, 1, 0]), (Backward(), [3, 2, 1, 0]), (KeyFramesOnly(), [3])],
)
def test_the_direction_decides_which_frames_get_masks(propagation, frames):
    settings = changed(propagation=propagation).model_copy(update={"sampling": Manual(frames=(3,))})
    events, model = events_of("the red one", settings)
    assert [e.frame for e in final_masks(events)] == frames
    reverse = {c[1]: c[3] for c in model.calls if c[0] == "track"}
    assert all(reverse[t] == (t < 3) for t in reverse)


def test_two_sweeps_tell_the_tracker_where_they_turn():
    settings = changed(propagation=Both()).model_copy(update={"sampling": Manual(frames=(3,))})
    _, model = events_of("the red one", settings)
    assert ("new_tracker", "original", True, 3) in model.calls


def test_points_and_sentences_share_one_run():
    prompts = PromptSet(
        (
            Prompt(1, "red", text="the red one"),
            Prompt(2, "blue", frame=2, points=(Point(12, 3),)),
        )
    )
    events, model = events_of(prompts)
    assert ("prompt_points", 2, 2, [[12.0, 3.0]], None) in model.calls
    last = final_masks(events)[-1]
    assert sorted(last.object_ids) == [1, 2]
    assert model.trackers[0].num_encoded == 6
    order = dict(zip(last.object_ids, last.masks, strict=True))
    assert order[2][11:15].any()
    assert not order[2][:11].any()


def test_marks_alone_need_no_language_model():
    mask = np.zeros((16, 20), dtype=bool)
    mask[1:5, 0:4] = True
    events, model = events_of(PromptSet((Prompt(1, "red", mask=mask),)))
    assert not any(c[0] in ("look", "ground") for c in model.calls)
    assert len(final_masks(events)) == 6


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(1, "a", frame=6, points=(Point(1, 1),)),
        Prompt(1, "a", points=(Point(16, 1),)),
        Prompt(1, "a", mask=np.ones((2, 2), dtype=bool)),
    ],
)
def test_marks_outside_the_clip_are_refused(prompt):
    with pytest.raises(RequestError, match=r"Object 1|Points|mask of object 1"):
        events_of(PromptSet((prompt,)))


def test_the_record_can_be_read_back_and_names_what_decided_the_result():
    events, _ = events_of(["the red one", "the yellow one"])
    record = RunRecord.model_validate_json(events[-1].record.model_dump_json())
    assert record == events[-1].record
    assert record.settings == preset("sa2va-i")
    assert record.weights_sha256 == {"model.safetensors": "0" * 64}
    assert record.key_frames == [0, 1, 2, 3, 5]
    assert record.objects[0].frames_present == [0, 1, 2, 3, 4, 5]
    assert record.objects[0].mean_score == pytest.approx((5 * 0.75 + 0.5) / 6)
    assert record.objects[1].mean_score is None
    assert record.finished == "done"
    assert {"python", "torch", "napari-sa2va"} <= set(record.versions)
    assert record.timings_s["total"] >= record.timings_s["tracking"] > 0


def test_segment_takes_an_array_a_preset_and_gives_labels():
    clip = colour_clip()
    seen = []
    result = segment(
        clip, "the green one", preset="sa2va-lii", model=FakeModel(), on_event=seen.append
    )
    assert result.record.key_frames == [0, 3, 5]
    assert result.labels.shape == (6, 16, 20)
    assert result.answer == "It is ."
    assert isinstance(seen[-1], Finished)


def test_a_missing_decoder_is_found_out_before_any_sentence_is_asked(monkeypatch):
    def refuse(self, **_):
        raise CheckpointError("no original decoder")

    monkeypatch.setattr(FakeModel, "new_tracker", refuse)
    model = FakeModel()
    with pytest.raises(CheckpointError):
        events_of("the red one", model=model)
    assert model.calls == []


def test_an_answer_comes_before_the_note_about_it():
    events, _ = events_of("the red one and the blue one")
    kinds = [type(e) for e in events]
    assert kinds.index(Answered) < kinds.index(Note)


def test_a_cancel_after_the_last_frame_cuts_nothing_off():
    cancel = CancelToken()
    for event in run(
        colour_clip(6), PromptSet.from_texts("the red one"), preset("sa2va-i"), model=FakeModel(),
        cancel=cancel,
    ):  # fmt: skip
        if type(event) is FrameMasks and event.frame == 5:
            cancel.cancel()
    assert event.reason == "done"


@pytest.mark.parametrize(
    ("error", "finished"), [(KeyboardInterrupt, "cancelled"), (ZeroDivisionError, "failed")]
)
def test_the_record_says_how_a_run_ended_that_was_torn_off(monkeypatch, error, finished):
    def track(self, *args, **kwargs):
        raise error

    monkeypatch.setattr(FakeTracker, "track", track)
    steps = run(
        colour_clip(8), PromptSet.from_texts("the red one"), preset("sa2va"), model=FakeModel()
    )
    record = next(steps).record
    with pytest.raises(error):
        list(steps)
    assert record.finished == finished
    assert record.timings_s["total"] > 0


def test_the_record_tells_how_to_run_again():
    mask = np.zeros((16, 20), dtype=bool)
    mask[1:5, 2:6] = True
    prompts = PromptSet((
        Prompt(1, "clicked", frame=2, points=(Point(y=2, x=3), Point(y=12, x=3, positive=False))),
        Prompt(2, "drawn", frame=0, mask=mask),
        Prompt(3, "said", text="the red one"),
    ))  # fmt: skip
    frames = np.stack([colour_clip(8).rgb(t) for t in range(8)])
    clip = open_clip(frames, axes="TYXS", limits=(np.float32(0), np.int64(200)))
    events, _ = events_of(prompts, clip=clip)
    record = RunRecord.model_validate_json(events[-1].record.model_dump_json())
    assert record.clip["opened_with"] == {"axes": "TYXS", "limits": [0.0, 200]}
    clicked, drawn, said = record.objects
    (clicks,), (outline,) = clicked.marked, drawn.marked
    assert (clicks["frame"], outline["frame"]) == (2, 0)
    assert clicks["points"] == [[2, 3, True], [12, 3, False]]
    np.testing.assert_array_equal(rle.decode(outline["mask"]), mask)
    assert said.marked == []


def test_a_given_answer_that_ends_in_seg_still_has_its_mask():
    events, model = events_of("the red one", answers="Sure, [SEG]")
    assert [call[2] for call in model.calls if call[0] == "ground"] == ["Sure, [SEG]."]
    assert events[-1].record.any_found


def test_an_object_that_is_pointed_at_and_has_no_pixel_is_told():
    dim = np.zeros((6, 16, 20, 3), np.uint8)
    dim[:, 0, 0] = 9
    events, _ = events_of("the red one", clip=open_clip(dim))
    told = [e.message for e in events if isinstance(e, Note)]
    assert told == ["'the red one' has no mask on any frame, although it was pointed at."]
    events, _ = events_of("the red one", clip=colour_clip(6))
    assert not [e for e in events if isinstance(e, Note)]
