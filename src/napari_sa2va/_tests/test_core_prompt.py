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


def test_background_is_no_object_and_ids_are_unique():
    with pytest.raises(RequestError, match="start at 1"):
        Prompt(0, "a", text="b")
    mask = np.ones((2, 2), dtype=bool)
    with pytest.raises(RequestError, match="not unique"):
        PromptSet((Prompt(1, "a", text="b"), Prompt(1, "c", mask=mask)))


def test_white_space_is_evened_out_but_not_in_a_prompt_that_was_written_out():
    plain, written = PromptSet.from_texts([" the  cell\n", "<image>\n Segment  it. "])
    assert plain.text == plain.name == "the cell"
    assert written.text == "<image>\n Segment  it. "
    assert written.name == "<image> Segment it."
