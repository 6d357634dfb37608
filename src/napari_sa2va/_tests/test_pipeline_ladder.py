"""When memory runs out, a run goes down a stated ladder, says so, and loses and repeats nothing."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip, pretend_gpu
from napari_sa2va.core.errors import MemoryShortage
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.models.formats import Formats
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.events import Answered, Finished, FrameMasks, KeyMasks, Note
from napari_sa2va.pipeline.ladder import Standing, next_rung
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.run import run
from napari_sa2va.presets import preset
from napari_sa2va.settings import MemorySettings, ModelSettings

ON_GPU = Standing("cuda", Formats(), MemorySettings())


def descent(step, standing, together=5):
    """The names of all rungs that a step goes down, if it fails on each of them."""
    names = []
    while (rung := next_rung(step, standing, together)) is not None:
        assert rung.standing != standing
        assert rung.says
        assert rung.hint
        names.append(rung.name)
        standing = rung.standing
    return names


# -- the policy -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "rungs"),
    [
        ("load", ["smaller format", "cpu"]),
        ("look", ["smaller batches", "smaller format", "cpu"]),
        ("ground", ["smaller format", "cpu"]),
        ("key_frames", ["smaller batches", "offload", "smaller format", "cpu"]),
        ("tracking", ["smaller batches", "offload", "smaller format", "cpu"]),
    ],
)
def test_each_step_has_its_rungs_in_order_and_each_once(step, rungs):
    assert descent(step, ON_GPU) == rungs


def test_a_batch_of_one_is_not_made_smaller():
    assert descent("look", ON_GPU, together=1)[0] != "smaller batches"
    assert descent("tracking", ON_GPU, together=1)[0] == "offload"


def test_on_the_cpu_nothing_is_offloaded_and_there_is_no_cpu_to_go_to():
    assert descent("tracking", replace(ON_GPU, device="cpu")) == [
        "smaller batches", "smaller format",
    ]  # fmt: skip


def test_what_is_in_half_precision_already_is_not_halved_again():
    standing = replace(ON_GPU, formats=Formats("bfloat16", "float16", "bfloat16"))
    assert descent("look", standing) == ["smaller batches", "cpu"]


def test_a_network_that_was_handed_in_is_neither_cast_nor_moved():
    standing = replace(ON_GPU, may_change_network=False)
    assert descent("look", standing) == ["smaller batches"]
    assert descent("ground", standing) == []
    assert descent("tracking", standing) == ["smaller batches", "offload", "smaller format"]
    formats = replace(standing, memory=MemorySettings(offload_language=True, offload_frames=True))
    rung = next_rung("tracking", formats, 1)
    assert rung.standing.formats == Formats(sam2="bfloat16")  # what SAM 2 computes in, no weight


# -- a run ------------------------------------------------------------------------------------------


class Failing:
    """Let a method run out of memory, `times` times from its `first` call on."""

    def __init__(self, monkeypatch, owner, name, *, first=1, times=1, when="before"):
        self.calls = 0
        kept = getattr(owner, name)

        def method(this, *args, **kwargs):
            self.calls += 1
            fails = first <= self.calls < first + times
            if fails and when == "before":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            result = kept(this, *args, **kwargs)
            if fails:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return result

        monkeypatch.setattr(owner, name, method)


@pytest.fixture
def model(monkeypatch):
    """A network that a run loads itself, on a device that is not the CPU."""
    fake = FakeModel()
    pretend_gpu(monkeypatch, fake)
    choices = []

    def load(settings):
        choices.append(settings)
        return fake

    fake.choices, fake.kept = choices, []
    monkeypatch.setattr(loaded, "load", load)
    monkeypatch.setattr(loaded, "keep", lambda settings, network: fake.kept.append(settings))
    return fake


def play(texts, *, name="sa2va-i", model=None, memory=None, clip=None, **kwargs):
    settings = preset(name)
    if memory is not None:
        settings = settings.model_copy(update={"memory": memory})
    prompts = texts if isinstance(texts, PromptSet) else PromptSet.from_texts(texts)
    return list(run(clip or colour_clip(), prompts, settings, model=model, **kwargs))


def same_results(events, others, scores=0.0):
    def results(of):
        return [e for e in of if isinstance(e, Answered | KeyMasks | FrameMasks)]

    assert len(results(events)) == len(results(others))
    for mine, theirs in zip(results(events), results(others), strict=True):
        assert type(mine) is type(theirs)
        if isinstance(mine, Answered):
            assert mine == theirs
            continue
        assert (mine.frame, mine.object_ids) == (theirs.frame, theirs.object_ids)
        np.testing.assert_array_equal(mine.masks, theirs.masks)
        np.testing.assert_allclose(mine.scores, theirs.scores, rtol=0, atol=scores)


TEXTS = ["the red one", "the blue one"]


@pytest.mark.parametrize(
    ("owner", "method", "step", "rung"),
    [
        (FakeModel, "look", "look", "smaller batches"),
        (FakeModel, "ground_seen", "ground", "smaller format"),
        (FakeTracker, "decode_language", "key_frames", "smaller batches"),
        (FakeTracker, "prompt_masks", "key_frames", "smaller batches"),
        (FakeTracker, "track", "tracking", "smaller batches"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_step_that_fails_once_is_run_again_one_rung_down_with_the_same_results(
    monkeypatch, model, owner, method, step, rung, when
):
    undisturbed = play(TEXTS, model=FakeModel())
    Failing(monkeypatch, owner, method, when=when)
    events = play(TEXTS)
    same_results(events, undisturbed)
    record = events[-1].record
    assert record.finished == "done"
    assert [(down.step, down.rung) for down in record.step_downs] == [(step, rung)]
    assert "ran out of memory" in record.step_downs[0].because
    notes = [e for e in events if isinstance(e, Note)]
    assert len(notes) == 1
    assert notes[0].message in record.notes
    assert "From now on" in notes[0].message
    assert notes[0].hint
    assert RunRecord.model_validate_json(record.model_dump_json()) == record


def test_tracking_goes_down_the_whole_ladder_in_order(monkeypatch, model):
    undisturbed = play(TEXTS, name="sa2va", model=FakeModel())
    model.calls.clear()
    # Frames 0 to 4 are key frames of this preset, 5 is tracked.
    Failing(monkeypatch, FakeTracker, "track", times=4)
    events = play(TEXTS, name="sa2va")
    same_results(events, undisturbed)
    record = events[-1].record
    assert [down.rung for down in record.step_downs] == [
        "smaller batches", "offload", "smaller format", "cpu",
    ]  # fmt: skip
    tracker = model.trackers[0]
    assert tracker.objects_per_pass == 1
    assert tracker.precision == torch.bfloat16
    assert not tracker.offload  # of no use any more
    assert [c for c in model.calls if c[0] in ("park_language", "halve", "to")] == [
        ("park_language",), ("halve",), ("park_language",), ("to", "cpu"),
    ]  # fmt: skip
    assert record.device == "cpu"
    assert record.dtype == "bfloat16"
    assert record.formats["sam2"] == "float32, computes in bfloat16"


def test_what_no_rung_helps_fails_and_keeps_what_was_done(monkeypatch, model):
    Failing(monkeypatch, FakeTracker, "track", times=99)
    seen = []
    settings = preset("sa2va")
    prompts = PromptSet.from_texts(TEXTS)

    def collect():
        for event in run(colour_clip(8), prompts, settings):
            seen.append(event)

    with pytest.raises(MemoryShortage):
        collect()
    assert [e.frame for e in seen if type(e) is FrameMasks] == [0, 1, 2, 3, 4]
    record = seen[0].record
    assert record.finished == "failed"
    assert len(record.step_downs) == 4


def test_a_failure_between_two_prompts_of_a_frame_is_undone_before_it_is_visited_again(
    monkeypatch, model
):
    prompts = PromptSet(
        (
            Prompt(1, "a", frame=2, points=(Point(2, 4),)),
            Prompt(2, "b", frame=2, points=(Point(12, 4),)),
        )
    )
    undisturbed = play(prompts, model=FakeModel())
    Failing(monkeypatch, FakeTracker, "prompt_points", first=2)
    events = play(prompts)
    same_results(events, undisturbed)
    marked = [c for c in model.calls if c[0] in ("prompt_points", "forget")]
    assert [c[:3] for c in marked] == [
        ("prompt_points", 2, 1), ("forget", 2), ("prompt_points", 2, 1), ("prompt_points", 2, 2),
    ]  # fmt: skip


def test_frames_that_wait_already_are_offloaded_too(monkeypatch, model):
    """Each object is marked on a frame of its own, where the other is still to be tracked."""
    prompts = PromptSet(
        (
            Prompt(1, "a", frame=2, points=(Point(2, 4),)),
            Prompt(2, "b", frame=4, points=(Point(12, 4),)),
        )
    )
    undisturbed = play(prompts, model=FakeModel())
    aside = []

    def set_aside(self, features):
        aside.append((self.offload, features.tobytes()))
        return features

    monkeypatch.setattr(FakeTracker, "set_aside", set_aside)
    Failing(monkeypatch, FakeTracker, "track", times=2)
    events = play(prompts)
    same_results(events, undisturbed)
    assert [d.rung for d in events[-1].record.step_downs] == ["smaller batches", "offload"]
    offloaded = {data for offload, data in aside if offload}
    assert offloaded == {colour_clip().rgb(t).tobytes() for t in (2, 4)}


def test_loading_goes_down_to_bfloat16_and_then_to_the_cpu(monkeypatch, model):
    def load(settings):
        model.choices.append(settings)
        if settings.device != "cpu":
            raise MemoryShortage("nano needs 9.0 GB to run, but cuda has only 1.0 GB free.")
        return model

    monkeypatch.setattr(loaded, "load", load)
    events = play(TEXTS)
    assert [(c.device, c.dtype) for c in model.choices] == [
        ("auto", "auto"), ("auto", "bfloat16"), ("cpu", "bfloat16"),
    ]  # fmt: skip
    record = events[-1].record
    assert [(d.step, d.rung) for d in record.step_downs] == [
        ("load", "smaller format"), ("load", "cpu"),
    ]  # fmt: skip
    assert record.settings.model == ModelSettings()  # what was asked for is still to be read


def test_a_network_that_was_changed_is_kept_under_what_it_is_now(monkeypatch, model):
    Failing(monkeypatch, FakeModel, "ground_seen")
    play(TEXTS)
    assert [(s.device, s.dtype) for s in model.kept] == [("auto", "bfloat16")]


def test_smaller_batches_alone_leave_the_kept_network_as_it_was_asked_for(monkeypatch, model):
    Failing(monkeypatch, FakeModel, "look")
    play(TEXTS)
    assert model.kept == []
    assert model.pictures_at_once == 1


def test_the_next_run_begins_with_its_own_batches_again(monkeypatch, model):
    Failing(monkeypatch, FakeModel, "look")
    play(TEXTS)
    play(TEXTS)
    assert model.pictures_at_once == MemorySettings().pictures_at_once


def test_a_run_that_is_not_to_step_down_fails_at_once(monkeypatch, model):
    failing = Failing(monkeypatch, FakeModel, "look")
    with pytest.raises(MemoryShortage):
        play(TEXTS, memory=MemorySettings(step_down=False))
    assert failing.calls == 1


def test_a_network_that_was_handed_in_keeps_its_weights_and_its_place(monkeypatch):
    mine = FakeModel()
    mine.device = torch.device("meta")
    Failing(monkeypatch, FakeTracker, "track", times=3)
    events = play(TEXTS, name="sa2va", model=mine)
    assert [d.rung for d in events[-1].record.step_downs] == [
        "smaller batches", "offload", "smaller format",
    ]  # fmt: skip
    assert not any(c[0] in ("halve", "to") for c in mine.calls)
    assert mine.trackers[0].precision == torch.bfloat16


def test_a_shortage_while_stepping_down_leads_one_rung_further(monkeypatch, model):
    Failing(monkeypatch, FakeModel, "ground_seen")
    Failing(monkeypatch, FakeModel, "halve", times=1)
    events = play(TEXTS)
    assert [d.rung for d in events[-1].record.step_downs] == ["smaller format", "cpu"]
    assert [c for c in model.calls if c[0] in ("halve", "to")] == [("to", "cpu"), ("halve",)]


def test_nothing_is_moved_to_a_cpu_that_has_no_room(monkeypatch, model):
    model.nbytes = 10**12
    Failing(monkeypatch, FakeModel, "ground_seen", times=2)
    with pytest.raises(MemoryShortage, match="on the CPU needs 1000"):
        play(TEXTS)
    assert not any(c[0] == "to" for c in model.calls)


def test_a_changed_network_takes_no_other_ones_place():
    mine, theirs = FakeModel(), FakeModel()
    asked, now = ModelSettings(name="mine"), ModelSettings(name="mine", dtype="bfloat16")
    loaded.forget()
    try:
        loaded.keep(asked, mine)
        loaded.keep(now, mine)
        assert loaded.load(now) is mine
        loaded.keep(ModelSettings(name="theirs"), theirs)
        loaded.forget(theirs)
        assert loaded.load(now) is mine
    finally:
        loaded.forget()


def test_the_language_model_is_parked_before_drawing_if_asked_for(model):
    memory = MemorySettings(offload_language=True, offload_frames=True)
    events = play(TEXTS, memory=memory)
    names = [c[0] for c in model.calls]
    assert max(i for i, n in enumerate(names) if n == "ground") < names.index("park_language")
    assert names.index("park_language") < names.index("decode_language")
    assert model.trackers[0].offload
    assert isinstance(events[-1], Finished)
    assert events[-1].record.step_downs == []


def test_on_the_cpu_nothing_is_parked(monkeypatch):
    mine = FakeModel()
    play(TEXTS, model=mine, memory=MemorySettings(offload_language=True, offload_frames=True))
    assert ("park_language",) not in mine.calls
    assert not mine.trackers[0].offload


def test_the_batches_and_formats_of_the_settings_reach_network_and_tracker(model):
    memory = MemorySettings(pictures_at_once=3, objects_at_once=2, sam2_dtype="bfloat16")
    events = play(TEXTS, memory=memory)
    assert model.pictures_at_once == 3
    assert model.trackers[0].objects_per_pass == 2
    assert model.trackers[0].precision == torch.bfloat16
    assert events[-1].record.formats == {
        "language": "float32",
        "vision": "float32",
        "sam2": "float32, computes in bfloat16",
    }


# -- the network that ships -------------------------------------------------------------------------


@pytest.fixture
def nano():
    """Loaded by the run itself, and forgotten afterwards, since runs here cast it."""
    loaded.forget()
    yield ModelSettings(name="nano", device="cpu", dtype="float32")
    loaded.forget()


def play_nano(choice, memory=None):
    settings = preset("sa2va-i").model_copy(update={"model": choice})
    if memory is not None:
        settings = settings.model_copy(update={"memory": memory})
    prompts = PromptSet.from_texts(["the red square", "the blue square"])
    given = ["Sure, it is [SEG]."] * 2
    return list(run(colour_clip(7, (48, 64)), prompts, settings, answers=given))


@pytest.mark.parametrize(
    ("owner", "method", "rung"),
    [
        ("sa2va.model.Sa2VA", "look", "smaller batches"),
        ("sam2.tracker.Tracker", "decode_language", "smaller batches"),
        ("sam2.tracker.Tracker", "prompt_masks", "smaller batches"),
        ("sam2.tracker.Tracker", "track", "smaller batches"),
    ],
)
def test_smaller_batches_change_no_mask(monkeypatch, nano, owner, method, rung):
    undisturbed = play_nano(nano)
    loaded.forget()
    module, name = owner.rsplit(".", 1)
    cls = getattr(importlib.import_module(f"napari_sa2va.models.{module}"), name)
    Failing(monkeypatch, cls, method, when="after")
    events = play_nano(nano)
    same_results(events, undisturbed, scores=1e-4)
    assert [down.rung for down in events[-1].record.step_downs] == [rung]


def test_a_network_that_is_halved_in_the_middle_of_a_run_goes_on(monkeypatch, nano):
    from napari_sa2va.models.sa2va.model import Sa2VA

    undisturbed = play_nano(nano)
    loaded.forget()
    Failing(monkeypatch, Sa2VA, "ground_seen", first=2)
    events = play_nano(nano)
    record = events[-1].record
    assert [down.rung for down in record.step_downs] == ["smaller format"]
    assert record.formats["language"] == "bfloat16"
    final = [[e.masks for e in of if type(e) is FrameMasks] for of in (undisturbed, events)]
    agreement = np.mean([(a == b).mean() for a, b in zip(*final, strict=True)])
    assert agreement > 0.9
    # What is kept now is not what was asked for, and is not handed out as such.
    changed = loaded.load(nano.model_copy(update={"dtype": "bfloat16", "vision_dtype": "bfloat16"}))
    assert changed.dtype == torch.bfloat16
    assert loaded.load(nano).dtype == torch.float32


def test_the_cpu_needs_room_for_what_is_not_there_yet_only(nano):
    network, cpu = loaded.load(nano), torch.device("cpu")
    assert network.nbytes_outside(cpu) == 0
    language = sum(t.numel() * t.element_size() for t in network.mllm.state_dict().values())
    network.to("meta")
    assert network.nbytes_outside(cpu) == network.nbytes
    network.mllm.to_empty(device="cpu")  # as if it was offloaded
    assert network.nbytes_outside(cpu) == network.nbytes - language


def test_quantised_and_of_mixed_formats_a_run_goes_through(nano):
    choice = nano.model_copy(
        update={"vision_dtype": "bfloat16", "quantise_language": "int8", "quantise_vision": "int8"}
    )
    memory = MemorySettings(pictures_at_once=2, objects_at_once=1, sam2_dtype="bfloat16",
                            offload_language=True, offload_frames=True)  # fmt: skip
    events = play_nano(choice, memory)
    record = events[-1].record
    assert record.finished == "done"
    assert record.step_downs == []
    assert record.formats == {
        "language": "float32, layers in int8",
        "vision": "bfloat16, layers in int8",
        "sam2": "float32, computes in bfloat16",
    }
