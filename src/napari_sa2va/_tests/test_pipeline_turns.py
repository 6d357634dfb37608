"""Two runs on one network: step by step side by side, and never within a step of the other."""

from __future__ import annotations

import gc
import threading
import weakref
from time import sleep

import numpy as np
import pytest
import torch

from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip, pretend_gpu
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import MemoryShortage, ModelError
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.models.sam2.tracker import Tracker
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.conversation import Conversation
from napari_sa2va.pipeline.events import Answered, Finished, FrameMasks, KeyMasks, Note
from napari_sa2va.pipeline.run import run
from napari_sa2va.pipeline.turns import Stopped, Turns, turns_of
from napari_sa2va.presets import preset
from napari_sa2va.settings import ModelSettings

WAIT_S = 120.0  # a guard against hanging only
PROMPTS = PromptSet.from_texts(["the red one", "the blue one"])


def until(true):
    for _ in range(int(WAIT_S / 0.001)):
        if true():
            return
        sleep(0.001)
    raise AssertionError("waited in vain")


def thread(work):
    started = threading.Thread(target=work, daemon=True)
    started.start()
    return started


# -- the queue --------------------------------------------------------------------------------------


def test_turns_are_taken_in_the_order_in_which_they_were_asked_for():
    turns, order = Turns(), []

    def work(name):
        with turns.take():
            order.append(name)

    with turns.take():
        threads = []
        for number in range(3):
            threads.append(thread(lambda number=number: work(number)))
            until(lambda number=number: turns.num_waiting == number + 1)
        order.append("first")
    # Who gives it back and asks again stands behind those who wait.
    with turns.take():
        order.append("again")
    for each in threads:
        each.join(WAIT_S)
    assert order == ["first", 0, 1, 2, "again"]


def test_who_waits_can_be_stopped_and_does_not_stand_in_the_way():
    turns, stopped, cancel = Turns(), [], CancelToken()

    def work():
        try:
            with turns.take(lambda: cancel.cancelled):
                pass
        except Stopped:
            stopped.append(True)

    with turns.take():
        waiting = thread(work)
        until(lambda: turns.num_waiting == 1)
        cancel.cancel()
        waiting.join(WAIT_S)
        assert stopped == [True]
        assert turns.num_waiting == 0
    with turns.take(lambda: True):
        pass  # nobody had to wait, so nobody was asked


def test_a_queue_does_not_keep_its_network_alive():
    model = FakeModel()
    list(run(colour_clip(), PROMPTS, preset("sa2va-i"), model=model))
    assert turns_of(model) is turns_of(model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


# -- runs -------------------------------------------------------------------------------------------


@pytest.fixture
def model(monkeypatch):
    """A network that both runs load, on a device that is not the CPU."""
    fake = FakeModel()
    pretend_gpu(monkeypatch, fake)
    return fake


def begin(**options):
    return run(colour_clip(8), PROMPTS, preset("sa2va"), **options)


def up_to(events, kind):
    for event in events:
        if type(event) is kind:
            return event
    raise AssertionError(f"no {kind}")


def masks_in(events):
    return [e.masks for e in events if type(e) is FrameMasks]


def out_of_memory(*args, **kwargs):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    ("owner", "method"), [(FakeModel, "look"), (FakeModel, "ground_seen"), (FakeTracker, "track")]
)
def test_two_runs_are_never_within_a_step_at_the_same_time(monkeypatch, model, owner, method):
    inside, together, both = [], [], threading.Event()

    def watch(cls, name):
        kept = getattr(cls, name)

        def watched(self, *args, **kwargs):
            inside.append(1)
            together.append(len(inside))
            if (cls, name) == (owner, method) and not both.is_set():
                # Stay in here until the other run is at the door, or has come in.
                until(lambda: turns_of(model).num_waiting or len(inside) > 1)
                both.set()
            try:
                return kept(self, *args, **kwargs)
            finally:
                inside.pop()

        monkeypatch.setattr(cls, name, watched)

    for name in ("look", "ground_seen"):
        watch(FakeModel, name)
    for name in ("prompt_language", "track"):
        watch(FakeTracker, name)
    results = {}
    threads = [
        thread(lambda name=name: results.__setitem__(name, list(begin()))) for name in ("a", "b")
    ]
    for each in threads:
        each.join(WAIT_S)
    assert both.is_set()
    assert max(together) == 1
    for events in results.values():
        assert events[-1].reason == "done"
        assert len(masks_in(events)) == 8


def test_a_run_that_is_cancelled_while_it_waits_comes_to_its_end(model):
    cancel, events = CancelToken(), []
    with turns_of(model).take():
        waiting = thread(lambda: events.extend(begin(cancel=cancel)))
        until(lambda: turns_of(model).num_waiting == 1)
        cancel.cancel()
        waiting.join(WAIT_S)
        assert isinstance(events[-1], Finished)
        assert events[-1].reason == "cancelled"
    assert model.calls == [c for c in model.calls if c[0] == "new_tracker"]


@pytest.mark.parametrize("since", [Answered, KeyMasks, FrameMasks])
def test_a_run_goes_on_with_a_network_that_another_has_cast_and_moved(monkeypatch, model, since):
    undisturbed = masks_in(begin())
    first = begin()
    up_to(first, since)
    with monkeypatch.context() as patch:
        patch.setattr(FakeTracker, "track", out_of_memory)
        with pytest.raises(MemoryShortage):
            list(begin())
    assert (model.device.type, model.dtype) == ("cpu", torch.bfloat16)
    model.calls.clear()
    rest = list(first)
    assert ("follow",) in model.calls
    told = [e.message for e in rest if isinstance(e, Note)]
    assert len(told) == 1
    assert told[0].endswith("for want of memory; it is now in bfloat16 on the device cpu.")
    record = rest[-1].record
    assert record.notes == told
    assert record.step_downs == []  # they are the other run's
    assert (record.device, record.formats["language"]) == ("cpu", "bfloat16")
    masks = masks_in(rest)
    for mine, theirs in zip(masks, undisturbed[-len(masks) :], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_each_run_has_its_own_batches_in_each_step(monkeypatch, model):
    seen = []
    kept = FakeModel.ground_seen

    def ground_seen(self, *args, **kwargs):
        seen.append(self.pictures_at_once)
        return kept(self, *args, **kwargs)

    monkeypatch.setattr(FakeModel, "ground_seen", ground_seen)
    first = begin()
    up_to(first, Answered)
    settings = preset("sa2va")
    memory = settings.memory.model_copy(update={"pictures_at_once": 1})
    list(run(colour_clip(), PROMPTS, settings.model_copy(update={"memory": memory})))
    list(first)
    assert seen == [8, 1, 1, 8]


def test_a_network_that_was_left_half_changed_is_given_to_nobody(monkeypatch, model):
    loaded.forget()
    loaded.keep(preset("sa2va").model, model)
    first = begin()
    up_to(first, Answered)
    with monkeypatch.context() as patch:
        patch.setattr(FakeTracker, "track", out_of_memory)
        patch.setattr(FakeModel, "halve", out_of_memory)
        with pytest.raises(MemoryShortage):
            list(begin())
    assert loaded._kept is None
    with pytest.raises(ModelError, match="half changed"):
        list(first)


# -- the network that ships -------------------------------------------------------------------------


def test_a_run_that_casts_the_network_waits_until_a_question_is_answered(monkeypatch):
    choice = ModelSettings(name="nano", device="cpu", dtype="float32")
    settings = preset("sa2va-i").model_copy(update={"model": choice})
    clip, question = colour_clip(6, (48, 64)), "How many squares are there?"
    loaded.forget()
    talk = Conversation.about_movie(clip, None, settings=settings)
    undisturbed = talk.ask(question).text
    talk.forget()
    kept, failed, others, events = Tracker.track, [], [], []

    def fails_once(self, *args, **kwargs):
        if not failed:
            failed.append(True)
            out_of_memory()
        return kept(self, *args, **kwargs)

    def should_stop():
        if not others:  # in the middle of the answer
            prompts = PromptSet.from_texts("the red square")
            other = run(clip, prompts, settings, answers="Sure, it is [SEG].")
            others.append(thread(lambda: events.extend(other)))
            network = loaded.load(choice)
            until(lambda: turns_of(network).num_waiting == 1)
        return False

    monkeypatch.setattr(Tracker, "track", fails_once)
    try:
        assert talk.ask(question, should_stop=should_stop).text == undisturbed
        others[0].join(WAIT_S)
        record = events[-1].record
        assert [down.rung for down in record.step_downs] == ["smaller format"]
        assert record.finished == "done"
        later = talk.ask(question)
        assert later.text
        assert "it is now in bfloat16" in later.notes[0]
    finally:
        loaded.forget()
