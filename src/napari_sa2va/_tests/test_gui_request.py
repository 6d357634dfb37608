"""What the box of sentences asks for: one object per line, with a name where one is given."""

from __future__ import annotations

import pytest

from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.request import name_and_sentence, prompts_in


@pytest.mark.parametrize(
    ("line", "name", "sentence"),
    [
        ("nucleus: the round bright thing", "nucleus", "the round bright thing"),
        ("left  ventricle :the dark cavity", "left  ventricle", "the dark cavity"),
        ("my third cell: it: the one", "my third cell", "it: the one"),
        ("zelle 3: die helle Zelle", "zelle 3", "die helle Zelle"),
    ],
)
def test_up_to_three_words_before_a_colon_are_the_name(line, name, sentence) -> None:
    assert name_and_sentence(line) == (name, sentence)


@pytest.mark.parametrize(
    "line",
    [
        "the bright cell",
        "the cell on the left: it divides",  # five words
        "https://example.org/a cell",
        "C:\\data\\cell",
        "a 1:2 mixture",
        "nucleus:",
        ": the cell",
        "<image>Find it: the cell",
    ],
)
def test_all_else_is_a_sentence_that_is_its_own_name(line) -> None:
    assert name_and_sentence(line) == (line, line)


def test_every_line_is_an_object_and_empty_lines_are_none() -> None:
    prompts = prompts_in("  nucleus:  the   round thing \n\nthe tail\n")
    assert [(p.object_id, p.name, p.text) for p in prompts] == [
        (1, "nucleus", "the round thing"),
        (2, "the tail", "the tail"),
    ]


def test_without_a_sentence_there_is_nothing_to_ask() -> None:
    with pytest.raises(RequestError, match="no sentence yet"):
        prompts_in(" \n ")
