"""What the chat panel's worker asks, draws and says, without Qt."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import ModelError
from napari_sa2va.core.prompt import Prompt
from napari_sa2va.gui.request import Opened
from napari_sa2va.gui.talk_request import Replied, Silent, Talker, TalkRequest
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.events import Finished, FrameMasks, KeyMasks
from napari_sa2va.pipeline.turns import turns_of
from napari_sa2va.presets import DEFAULT_PRESET, preset
from napari_sa2va.readers.layer import from_array


@pytest.fixture
def model():
    return FakeModel()


def request(task="say", text="", *, frame=None, marks=(), subject=("movie",), **settings):
    frames = np.stack([colour_clip(6).rgb(t) for t in range(6)])
    return TalkRequest(
        task=task,
        text=text,
        frame=frame,
        marks=marks,
        subject=subject,
        recording=from_array(frames, "TYXS"),
        clip_arguments={},
        settings=preset(DEFAULT_PRESET).model_copy(update=settings),
        placement=None,
        through_movie=False,
    )


def regions(count):
    boxes = ((0, 0, 6, 8), (6, 0, 11, 8), (11, 0, 16, 8))
    return tuple(Prompt(i, "r", frame=2, box=boxes[i - 1]) for i in range(1, count + 1))


def describing(model, monkeypatch, *answers):
    """Let the model give these answers to the descriptions of region1, region2 ..."""
    kept = model.ground_seen

    def ground_seen(seen, text, answer=None, **options):
        number = int(text.split("region")[-1].rstrip("?"))
        return kept(seen, text, answers[number - 1], **options)

    monkeypatch.setattr(model, "ground_seen", ground_seen)


def test_every_region_is_described_and_all_their_masks_are_drawn_together(model, monkeypatch):
    describing(model, monkeypatch, "Dark.", "<p> A red one </p> [SEG].", "<p> A blue </p> [SEG].")
    asked = request("describe", frame=2, marks=regions(3))
    messages = list(Talker(model)(asked, CancelToken()))
    replied = [m for m in messages if isinstance(m, Replied)]
    # What points at nothing is said at once, the rest when it can be drawn.
    assert [r.reply.text for r in replied] == [
        "region1: Dark.",
        "region2: A red one. region3: A blue.",
    ]
    (_, together) = replied
    words = [together.reply.text[p.start : p.stop] for p in together.reply.phrases]
    assert words == ["A red one", "A blue"]
    assert [(p.object_id, p.name) for p in together.prompts] == [(1, "A red one"), (2, "A blue")]
    masks = [m for m in messages if isinstance(m, FrameMasks) and not isinstance(m, KeyMasks)]
    assert [m.object_ids for m in masks] == [(1, 2)]
    assert [type(m) for m in messages].count(Finished) == 1
    assert isinstance(messages[-1], Finished)


def test_a_single_answer_that_points_is_said_as_it_is(model):
    messages = list(Talker(model)(request(text="the red one"), CancelToken()))
    (replied,) = [m for m in messages if isinstance(m, Replied)]
    assert replied.reply.text == "It is."
    assert [p.name for p in replied.prompts] == ["the red one"]


def test_what_is_to_know_of_a_conversation_is_said_once(model):
    talker, marks = Talker(model), regions(1)
    small = (Prompt(1, "small", frame=2, box=(0, 0, 3, 4)), *marks[1:])
    notes = []
    for _ in range(2):
        asked = request("describe", frame=2, marks=small)
        notes += [m.notes for m in talker(asked, CancelToken()) if isinstance(m, Replied)]
    assert [len(each) for each in notes] == [1, 0]


def test_another_model_is_loaded_when_nothing_holds_the_last_one(monkeypatch):
    made, alive = [], []

    def load(settings):
        gc.collect()
        alive.append([ref() is not None for ref in made])
        model = FakeModel()
        made.append(weakref.ref(model))
        return model

    monkeypatch.setattr(loaded, "load", load)
    talker = Talker()
    for subject in ("nano", "another"):
        for message in talker(request(text="How many?", subject=(subject,)), CancelToken()):
            assert not isinstance(message, Finished)
        del message
    assert alive == [[], [False]]


def test_a_question_that_is_cancelled_while_another_is_at_work_ends_in_silence(model):
    talker, cancel = Talker(model), CancelToken()
    first = talker(request(text="the red one"), CancelToken())
    while not isinstance(next(first), FrameMasks):
        pass  # a worker that was told to stop, in the middle of a frame
    second = talker(request(text="How many?"), cancel)
    assert isinstance(next(second), Opened)
    cancel.cancel()
    assert [type(m) for m in second] == [Silent]
    first.close()
    assert any(isinstance(m, Replied) for m in talker(request(text="How many?"), CancelToken()))


def test_a_network_that_was_left_half_changed_is_let_go(monkeypatch, model):
    monkeypatch.setattr(loaded, "load", lambda settings: model)
    talker = Talker()
    list(talker(request(text="How many?"), CancelToken()))
    turns_of(model).torn, turns_of(model).last = True, None
    with pytest.raises(ModelError, match="half changed"):
        list(talker(request(text="How many?"), CancelToken()))
    monkeypatch.setattr(loaded, "load", lambda settings: FakeModel())
    assert any(isinstance(m, Replied) for m in talker(request(text="Now?"), CancelToken()))


def test_regions_without_masks_end_in_silence(model):
    asked = request("describe", frame=2, marks=regions(2))
    messages = list(Talker(model)(asked, CancelToken()))
    assert sum(isinstance(m, Replied) for m in messages) == 2
    assert isinstance(messages[-1], Silent)
