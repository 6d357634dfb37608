"""Answers taken apart: plain text, phrases, and the vectors that belong to them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.grounding import Grounding
from napari_sa2va.core.reply import read_reply

NONE = np.zeros(0, np.int64)


def grounding(answer: str, count: int | None = None) -> Grounding:
    """An answer whose n-th vector is full of n."""
    count = answer.count("[SEG]") if count is None else count
    vectors = np.arange(1, count + 1, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    return Grounding(answer, vectors, NONE, NONE, 1)


@pytest.mark.parametrize(
    ("answer", "text", "names"),
    [
        (
            "<p> A cell </p> [SEG] lies by <p> its rim </p> [SEG].<|im_end|>",
            "A cell lies by its rim.",
            ["A cell", "its rim"],
        ),
        ("Sure, it is the small cell, [SEG].<|im_end|>", "Sure, it is the small cell.", ["it"]),
        ("It is [SEG] and [SEG].", "It is and.", ["it (1)", "it (2)"]),
        ("There are  three\ncells.<|end|>", "There are three cells.", []),
        ("[SEG].", ".", ["it"]),
    ],
)
def test_an_answer_has_a_text_and_its_masks_have_names(answer, text, names):
    reply = read_reply("it", "<image>\nWhat?", grounding(answer))
    assert reply.text == text
    assert [phrase.name for phrase in reply.phrases] == names
    assert reply.exchange == ("<image>\nWhat?", answer)
    assert not reply.notes


def test_the_nth_phrase_has_the_nth_vector_and_stands_where_it_says():
    answer = "The picture shows <p> a large cell </p> [SEG], <p>a dim one</p>[SEG] and more."
    reply = read_reply("caption", "asked", grounding(answer))
    assert [float(phrase.embedding[0]) for phrase in reply.phrases] == [1, 2]
    assert [reply.text[p.start : p.stop] for p in reply.phrases] == ["a large cell", "a dim one"]
    assert reply.text == "The picture shows a large cell, a dim one and more."


@pytest.mark.parametrize(
    ("answer", "count", "paired"),
    [
        ("<p> a </p> [SEG] and <p> b </p>.", 1, ["a"]),
        ("<p> a </p> [SEG] and [SEG].", 2, ["a"]),
        ("<p> a </p> [SEG] and <p> b </p> [SEG]", 1, ["a"]),  # the last token has no vector
    ],
)
def test_phrases_and_masks_that_differ_in_number_are_paired_as_far_as_they_go(
    answer, count, paired
):
    reply = read_reply("caption", "asked", grounding(answer, count))
    assert [phrase.name for phrase in reply.phrases] == paired
    assert len(reply.notes) == 1
    assert "are paired" in reply.notes[0]
