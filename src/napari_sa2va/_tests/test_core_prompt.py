from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import Point, Prompt, PromptSet


def test_sentences_become_objects_numbered_from_one_with_the_sentence_as_name():
    prompts = PromptSet.from_texts(["the bright cell", "  the   dim\tcell "])
    assert [(p.object_id, p.name, p.text) for p in prompts] == [
        (1, "the bright cell", "the bright cell"),
        (2, "the dim cell", "the dim cell"),
    ]


def test_one_string_is_one_sentence_and_not_one_per_letter():
    assert len(PromptSet.from_texts("the cell")) == 1


@pytest.mark.parametrize("texts", ["", "   ", ["the cell", "\n"], [None]])
def test_an_empty_sentence_is_refused_by_number(texts):
    with pytest.raises(RequestError, match=r"Prompt \d is empty"):
        PromptSet.from_texts(texts)


def test_no_sentence_at_all_is_refused():
    with pytest.raises(RequestError, match="No prompt"):
        PromptSet.from_texts([])


def test_an_object_has_one_kind_of_prompt():
    with pytest.raises(RequestError, match="2 kinds"):
        Prompt(1, "a", text="the cell", points=(Point(1, 2),))
    with pytest.raises(RequestError, match="0 kinds"):
        Prompt(1, "a")
    both = Prompt(1, "a", points=(Point(1, 2),), box=(0, 0, 4, 4))
    assert both.box == (0, 0, 4, 4)


def test_a_mask_may_come_with_points_that_put_it_right_and_with_nothing_else():
    mask, points = np.ones((2, 2), dtype=bool), (Point(1, 1, positive=False),)
    prompt = Prompt(1, "a", mask=mask, points=points)
    assert prompt.is_refined
    assert prompt.is_marked
    assert not Prompt(1, "a", mask=mask).is_refined
    assert not Prompt(1, "a", points=points).is_refined
    box, vector = (0.0, 0.0, 2.0, 2.0), np.zeros(4, np.float32)
    for more in ({"box": box}, {"text": "the cell"}, {"embedding": vector}):
        with pytest.raises(RequestError, match=r"by \d kinds of prompt"):
            Prompt(1, "a", mask=mask, points=points, **more)
    with pytest.raises(RequestError, match="2 kinds"):
        Prompt(1, "a", mask=mask, box=box)


def test_a_mask_without_a_pixel_cannot_be_put_right():
    with pytest.raises(RequestError, match="put right a mask without a pixel"):
        Prompt(1, "a", mask=np.zeros((2, 2), dtype=bool), points=(Point(1, 1),))


def test_background_is_no_object():
    with pytest.raises(RequestError, match="start at 1"):
        Prompt(0, "a", text="b")


def test_an_object_may_be_marked_on_several_frames_and_is_listed_once():
    mask = np.ones((2, 2), dtype=bool)
    prompts = PromptSet(
        (
            Prompt(7, "cell", frame=4, mask=mask),
            Prompt(3, "tip", frame=4, points=(Point(1, 2),)),
            Prompt(7, "same cell", frame=0, box=(0, 0, 2, 2)),
        )
    )
    assert len(prompts) == len(list(prompts)) == 3
    assert prompts.object_ids == (7, 3)
    assert [(p.object_id, p.name, p.frame) for p in prompts.objects] == [
        (7, "cell", 4),
        (3, "tip", 4),
    ]
    assert [p.frame for p in prompts.of(7)] == [4, 0]
    assert prompts.of(1) == ()


def test_two_marks_of_an_object_on_one_frame_are_refused():
    clicked = Prompt(7, "cell", frame=4, points=(Point(1, 2),))
    with pytest.raises(RequestError, match=r"Object 7 \('cell'\) is marked twice on frame 4"):
        PromptSet((clicked, Prompt(7, "cell", frame=4, box=(0, 0, 2, 2))))


SENTENCE = Prompt(1, "a", text="b")
PHRASE = Prompt(1, "a", embedding=np.zeros(4, np.float32))
MARK = Prompt(1, "a", frame=3, points=(Point(1, 2),))


@pytest.mark.parametrize(
    "pair",
    [
        (SENTENCE, SENTENCE),
        (SENTENCE, MARK),
        (MARK, SENTENCE),
        (PHRASE, PHRASE),
        (PHRASE, SENTENCE),
        (MARK, PHRASE),
    ],
)
def test_a_sentence_or_phrase_is_all_that_asks_for_its_object(pair):
    with pytest.raises(RequestError, match=r"Object 1 \('a'\) is asked for twice"):
        PromptSet(pair)


def test_an_empty_mask_is_a_mark_that_says_absent():
    nothing = np.zeros((2, 2), dtype=bool)
    assert Prompt(1, "a", mask=nothing).is_empty
    assert Prompt(1, "a", mask=nothing).is_marked
    assert not Prompt(1, "a", mask=~nothing).is_empty
    assert not MARK.is_empty
    assert MARK.is_marked
    assert not SENTENCE.is_marked
    assert not PHRASE.is_marked


def test_white_space_is_evened_out_but_not_in_a_prompt_that_was_written_out():
    plain, written = PromptSet.from_texts([" the  cell\n", "<image>\n Segment  it. "])
    assert plain.text == plain.name == "the cell"
    assert written.text == "<image>\n Segment  it. "
    assert written.name == "<image> Segment it."
