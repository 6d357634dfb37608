"""Conversations: what is asked, what the next turn hears, and what an answer draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip, pretend_gpu
from napari_sa2va.core.errors import MemoryShortage, RequestError
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.conversation import Conversation, converse
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.regions import box_mask, region_mask
from napari_sa2va.pipeline.turns import Stopped, turns_of
from napari_sa2va.presets import preset
from napari_sa2va.sampling.first import First
from napari_sa2va.settings import MemorySettings

CAPTION = "<p> a red square </p> [SEG] and <p> a blue one </p> [SEG]."


@pytest.fixture
def model():
    return FakeModel()


@pytest.fixture
def clip():
    return colour_clip(8)


def square(t: int, channel: int) -> np.ndarray:
    return colour_clip(8).rgb(t)[..., channel] > 100


def test_the_first_turn_holds_the_pictures_and_later_ones_the_history(clip, model):
    talk = Conversation.about_movie(clip, model, First(num_key_frames=3))
    talk.ask("How many squares?")
    talk.segment("the red one")
    asked = [call[1] for call in model.calls if call[0] == "ground"]
    assert asked == ["<image>\nHow many squares?", "Please segment the red one."]
    assert talk.frames == (0, 1, 2)
    assert model.histories == [[], [talk.replies[0].exchange]]
    assert talk.replies[1].history == (talk.replies[0].exchange,)
    assert sum(call[0] == "look" for call in model.calls) == 1


def test_what_is_said_is_a_question_or_names_something(clip, model):
    talk = Conversation.about_movie(clip, model)
    talk.say("Which square is red?")
    talk.say("now the one to its left")
    asked = [call[1] for call in model.calls if call[0] == "ground"]
    assert asked[0] == "<image>\nWhich square is red?"
    assert asked[1].startswith("Please segment")


def test_forgetting_begins_anew_without_looking_again(clip, model):
    talk = Conversation.about_movie(clip, model)
    talk.ask("How many?")
    talk.forget()
    talk.ask("How many now?")
    assert model.histories == [[], []]
    assert sum(call[0] == "look" for call in model.calls) == 1


def test_a_movie_answer_is_drawn_on_every_frame(clip, model):
    talk = Conversation.about_movie(clip, model)
    reply = talk.segment("the red one")
    result = talk.draw(reply)
    (masklet,) = result.masklets
    assert masklet.name == "the red one"
    for t in range(8):
        np.testing.assert_array_equal(masklet.mask(t), square(t, 0))


def test_a_caption_names_several_objects_on_its_frame(clip, model):
    talk = Conversation.about_frame(clip, model, 4)
    # The fake points at the colours of the question, so they are named in it.
    model.ground_seen = _pointing(model, [0, 2])
    reply = talk.caption(answer=CAPTION)
    result = talk.draw(reply)
    assert [m.name for m in result.masklets] == ["a red square", "a blue one"]
    assert [m.frames_present for m in result.masklets] == [[4], [4]]
    np.testing.assert_array_equal(result.masklets[1].mask(4), square(4, 2))
    carried = talk.draw(reply, through_movie=True)
    assert all(len(m.frames_present) == 8 for m in carried.masklets)


def test_the_record_says_where_a_phrase_comes_from(clip, model):
    talk = Conversation.about_frame(clip, model, 4)
    talk.ask("How many?")
    reply = talk.segment("the green one")
    record = RunRecord.model_validate_json(talk.draw(reply).record.model_dump_json())
    origin = record.objects[0].origin
    assert origin["frames"] == [4]
    assert origin["mode"] == "image"
    assert origin["phrase"] == 1
    assert origin["exchanges"] == [list(r.exchange) for r in talk.replies]


def test_several_answers_are_drawn_together(clip, model):
    talk = Conversation.about_movie(clip, model)
    replies = [talk.segment("the red one"), talk.ask("How many?"), talk.segment("the blue one")]
    prompts = talk.prompts(*replies)
    assert [(p.object_id, p.name) for p in prompts] == [(1, "the red one"), (2, "the blue one")]


def test_an_answer_that_points_at_nothing_cannot_be_drawn(clip, model):
    talk = Conversation.about_movie(clip, model)
    reply = talk.ask("How many?")
    with pytest.raises(RequestError, match="no mask to draw"):
        talk.prompts(reply)


def test_an_answer_that_was_cut_short_is_no_history(clip, model):
    talk = Conversation.about_movie(clip, model)
    talk.ask("How many?", should_stop=lambda: True)
    assert talk.history == []


def test_captions_and_regions_need_a_frame(clip, model):
    talk = Conversation.about_movie(clip, model)
    with pytest.raises(RequestError, match="one frame"):
        talk.caption()
    with pytest.raises(RequestError, match="one frame"):
        talk.describe()
    with pytest.raises(RequestError, match="no region 1"):
        Conversation.about_frame(clip, model, 0).describe(1)
    with pytest.raises(RequestError, match="single frame"):
        converse(clip, marks=[Prompt(1, "r", box=(0, 0, 4, 4))], model=model)


def test_a_small_region_is_warned_about(clip, model):
    marks = [
        Prompt(1, "small", frame=2, box=(0, 0, 3, 4)),
        Prompt(2, "l", frame=2, box=(0, 0, 9, 9)),
    ]
    talk = converse(clip, frame=2, marks=marks, model=model)
    assert len(talk.notes) == 1
    assert "region1 covers only 3" in talk.notes[0]
    talk.describe(2)
    assert "region2" in talk.replies[0].exchange.question


def test_a_region_on_another_frame_is_refused(clip, model):
    with pytest.raises(RequestError, match="marked on frame 1"):
        converse(clip, frame=2, marks=[Prompt(1, "r", frame=1, box=(0, 0, 3, 3))], model=model)


@pytest.mark.parametrize("question", ["", "  "])
def test_an_empty_question_is_refused(clip, model, question):
    with pytest.raises(RequestError, match="empty"):
        Conversation.about_movie(clip, model).ask(question)


# -- how it is shown --------------------------------------------------------------------------------


def looked_in(model, monkeypatch):
    """The modes in which a model is shown something from now on."""
    modes, look = [], model.look

    def noted(frames, mode="video", regions=()):
        modes.append((len(frames), mode))
        return look(frames, mode, regions)

    monkeypatch.setattr(model, "look", noted)
    return modes


@pytest.mark.parametrize(
    ("num_frames", "frame", "view", "shown"),
    [
        (8, None, "auto", (5, "video")),
        (8, None, "movie", (5, "video")),
        (1, None, "auto", (1, "image")),
        (1, None, "picture", (1, "image")),
        (1, None, "movie", (1, "video")),
        (8, 3, "auto", (1, "image")),
        (8, 3, "picture", (1, "image")),
        (8, 3, "movie", (1, "video")),
    ],
)
def test_a_single_picture_is_shown_as_one_and_the_record_says_how_it_was(
    model, monkeypatch, num_frames, frame, view, shown
):
    modes = looked_in(model, monkeypatch)
    settings = preset("sa2va-i").model_copy(update={"view": view})
    talk = converse(colour_clip(num_frames), frame=frame, model=model, settings=settings)
    record = talk.draw(talk.segment("the red one")).record
    assert modes == [shown]
    assert talk.mode == shown[1]
    assert record.shown_as == {"image": "picture", "video": "movie"}[talk.mode]
    # A mask is carried from a movie, and stays on a frame, however it was shown.
    assert record.frames_done == (num_frames if frame is None else 1)


def test_several_key_frames_are_no_picture(clip, model):
    settings = preset("sa2va-i").model_copy(update={"view": "picture"})
    with pytest.raises(RequestError, match="5 were chosen"):
        Conversation.about_movie(clip, model, settings=settings)
    one = Conversation.about_movie(clip, model, First(num_key_frames=1), settings=settings)
    assert one.mode == "image"


def test_a_picture_has_a_caption_without_a_frame_being_named(model):
    talk = Conversation.about_movie(colour_clip(1), model)
    assert talk.caption(answer=CAPTION).phrases


# -- memory -----------------------------------------------------------------------------------------


@pytest.fixture
def on_gpu(monkeypatch, model):
    """The model is one that conversations load themselves, on a device that is not the CPU."""
    pretend_gpu(monkeypatch, model)
    return model


def failing(monkeypatch, owner, name, times=1):
    """Let a method run out of memory, `times` times from now on."""
    kept, left = getattr(owner, name), [times]

    def method(self, *args, **kwargs):
        if left[0] > 0:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return kept(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, method)


def test_looking_and_answering_go_down_the_ladder_and_the_record_says_so(clip, on_gpu, monkeypatch):
    failing(monkeypatch, FakeModel, "look")
    talk = Conversation.about_movie(clip, None)
    assert on_gpu.pictures_at_once == 1
    assert len(talk.notes) == 1
    assert "one picture at a time" in talk.notes[0]
    failing(monkeypatch, FakeModel, "ground_seen", times=2)
    reply = talk.segment("the red one")
    assert ["bfloat16" in reply.notes[0], "CPU" in reply.notes[1]] == [True, True]
    assert (str(on_gpu.device), on_gpu.dtype) == ("cpu", torch.bfloat16)
    assert talk.replies == [reply]
    record = talk.draw(reply).record
    expected = [("look", "smaller batches"), ("ground", "smaller format"), ("ground", "cpu")]
    assert [(d.step, d.rung) for d in record.step_downs] == expected
    assert len(record.notes) == 3
    assert record.settings.model == preset("sa2va-i").model  # what was asked for
    np.testing.assert_array_equal(talk.draw(reply).masklets[0].mask(3), square(3, 0))


def test_what_drawing_gives_up_is_known_to_the_next_question(clip, on_gpu, monkeypatch):
    kept = []
    monkeypatch.setattr(loaded, "keep", lambda settings, network: kept.append(settings))
    talk = Conversation.about_movie(clip, None)
    reply = talk.segment("the red one")
    failing(monkeypatch, FakeTracker, "track", times=3)
    record = talk.draw(reply).record
    assert [d.rung for d in record.step_downs] == ["offload", "smaller format", "cpu"]
    assert [(s.device, s.dtype) for s in kept] == [("auto", "bfloat16"), ("cpu", "bfloat16")]
    answer = talk.ask("How many?")
    assert "it is now in bfloat16 on the device cpu" in answer.notes[0]
    assert talk.ask("And now?").notes == ()


def test_a_handed_in_network_is_neither_cast_nor_moved(clip, on_gpu, monkeypatch):
    talk = Conversation.about_movie(clip, on_gpu)
    failing(monkeypatch, FakeModel, "ground_seen")
    with pytest.raises(MemoryShortage):
        talk.ask("How many?")
    assert not [c for c in on_gpu.calls if c[0] in ("halve", "to")]
    assert talk.ask("How many?").text  # and the conversation goes on


def test_memory_settings_reach_the_conversation(clip, on_gpu, monkeypatch):
    memory = MemorySettings(pictures_at_once=1, step_down=False)
    settings = preset("sa2va-i").model_copy(update={"memory": memory})
    talk = Conversation.about_movie(clip, None, settings=settings)
    assert on_gpu.pictures_at_once == 1
    failing(monkeypatch, FakeModel, "ground_seen")
    with pytest.raises(MemoryShortage):
        talk.ask("How many?")


def test_too_little_memory_for_a_click_is_a_shortage_and_has_its_rungs(clip, on_gpu, monkeypatch):
    mark = Prompt(1, "r", frame=3, points=(Point(7.0, 4.0),))
    with monkeypatch.context() as patch:
        failing(patch, FakeTracker, "encode")
        with pytest.raises(MemoryShortage):
            region_mask(clip, on_gpu, mark)
    failing(monkeypatch, FakeTracker, "encode")
    talk = Conversation.about_frame(clip, None, 3, [mark])
    np.testing.assert_array_equal(talk.regions[0], square(3, 1))
    assert [d.step for d in talk.record.step_downs] == ["look"]


def test_a_question_waits_for_its_turn_and_can_be_stopped_there(clip, model):
    talk = Conversation.about_movie(clip, model)
    with turns_of(model).take(), pytest.raises(Stopped):
        talk.ask("How many?", should_stop=lambda: True)
    assert talk.replies == []
    assert talk.ask("How many?").text


# -- regions ----------------------------------------------------------------------------------------


def test_a_click_becomes_a_region_through_sam_2(clip, model):
    mark = Prompt(1, "r", frame=3, points=(Point(7.0, 4.0),))
    np.testing.assert_array_equal(region_mask(clip, model, mark), square(3, 1))


@pytest.mark.parametrize(
    ("box", "filled"),
    [
        ((1, 2, 3, 5), 6),
        ((0, 0, 16, 20), 320),
        ((4.2, 4.2, 4.4, 4.4), 1),
        ((15.9, 19.9, 16, 20), 1),
    ],
)
def test_a_box_is_filled_in(box, filled):
    mask = box_mask(box, 16, 20)
    assert mask.shape == (16, 20)
    assert mask.sum() == filled


def test_a_phrase_is_one_kind_of_prompt_of_its_own():
    with pytest.raises(RequestError, match="2 kinds"):
        Prompt(1, "x", text="the cell", embedding=np.zeros(2, np.float32))
    PromptSet((Prompt(1, "x", embedding=np.zeros(2, np.float32)),))


def _pointing(model, channels):
    """A model whose answers point at these channels, whatever was asked."""
    from napari_sa2va._tests.fakes import FakeGrounding

    def ground_seen(seen, text, answer=None, **options):
        vectors = np.array([[c, 0.0] for c in channels], dtype=np.float32)
        return FakeGrounding(answer, vectors)

    return ground_seen
