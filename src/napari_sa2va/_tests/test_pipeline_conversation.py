"""Conversations: what is asked, what the next turn hears, and what an answer draws."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.pipeline.conversation import Conversation, converse
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.regions import box_mask, region_mask
from napari_sa2va.sampling.first import First

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
