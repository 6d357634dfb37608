"""The text a model is shown, word for word."""

from __future__ import annotations

import pytest

from napari_sa2va.core.errors import CheckpointError, RequestError
from napari_sa2va.core.exchange import Exchange
from napari_sa2va.models.sa2va.prompt_format import (
    template_named,
    with_pictures,
)
from napari_sa2va.models.sa2va.wording import (
    as_later_turn,
    free_question,
    image_question,
    is_question,
    question_for,
    video_question,
)


def test_the_qwen_template_has_no_system_turn():
    assert template_named("qwen_chat").prompt("Hello") == (
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_phi3_template_is_written_with_its_own_marks():
    assert template_named("phi3_chat").prompt("Hello") == "<|user|>\nHello<|end|>\n<|assistant|>\n"


def test_braces_in_a_sentence_are_kept():
    assert "{text} {0}" in template_named("qwen_chat").prompt("{text} {0}")


@pytest.mark.parametrize(
    ("template", "text", "finished"),
    [
        ("qwen_chat", "It is [SEG].<|im_end|>", True),
        ("qwen_chat", "It is [SEG].<|im_end|>\n", True),
        ("qwen_chat", "It is [SEG].<|endoftext|>", True),
        ("qwen_chat", "It is [SEG].<|end|>", False),
        ("internlm2_chat", "It is [SEG].<|endoftext|>", False),
        ("internlm2_chat", "It is [SEG].<|im_end|>", True),
        ("phi3_chat", "It is [SEG].<|e\nnd|>", True),  # newlines are deleted before the test
        ("phi3_chat", "It is [SEG].<|end|> And", False),
    ],
)
def test_an_answer_ends_with_the_stop_text_of_its_template(template, text, finished):
    assert template_named(template).is_finished(text) is finished


def test_an_unknown_template_is_an_error_that_lists_the_known():
    with pytest.raises(CheckpointError, match="internlm2_chat"):
        template_named("vicuna")


def test_picture_blocks_are_joined_by_newlines_with_none_at_the_end():
    assert with_pictures("<image>\nWhat?", [2, 1]) == (
        "<img><IMG_CONTEXT><IMG_CONTEXT></img>\n<img><IMG_CONTEXT></img>\nWhat?"
    )


def test_a_missing_placeholder_is_put_in_front():
    assert with_pictures("What?", [1]) == with_pictures("<image>\nWhat?", [1])


@pytest.mark.parametrize("text", ["", "  ", "<image>\n "])
def test_an_empty_text_is_refused(text):
    with pytest.raises(RequestError, match="empty"):
        with_pictures(text, [1])


@pytest.mark.parametrize("text", ["<image> and <image>", "see <IMG_CONTEXT>"])
def test_placeholders_in_the_wrong_number_are_refused(text):
    with pytest.raises(RequestError):
        with_pictures(text, [1])


@pytest.mark.parametrize(
    ("expression", "question"),
    [
        ("the bright cell", "<image>\nPlease segment the bright cell."),
        ("  the bright cell.  ", "<image>\nPlease segment the bright cell."),
        ("segment the bright cell", "<image>\nPlease segment the bright cell."),
        ("Please segment the bright cell.", "<image>\nPlease segment the bright cell."),
        ("the segmented worm", "<image>\nPlease segment the segmented worm."),
        (
            "which cell divides?",
            "<image>\n which cell divides? Please respond with a segmentation mask.",
        ),
        ("Can you segment the bright cell?", "<image>\n Can you segment the bright cell?"),
        ("<image>Please describe the video.", "<image>Please describe the video."),
        (
            "Which segmented worm moves?",
            "<image>\n Which segmented worm moves? Please respond with a segmentation mask.",
        ),
        ("segment 3 of the larva", "<image>\nPlease segment segment 3 of the larva."),
        ("T cells", "<image>\nPlease segment T cells."),
    ],
)
def test_an_expression_is_worded_as_in_the_evaluation_on_videos(expression, question):
    assert video_question(expression) == question
    assert question_for(expression) == question


@pytest.mark.parametrize(
    ("expression", "question"),
    [
        ("the bright cell", "<image>\n Please segment the bright cell in this image."),
        (
            "Please segment the bright cell in this image.",
            "<image>\n Please segment the bright cell in this image.",
        ),
    ],
)
def test_an_expression_is_worded_as_in_the_evaluation_on_images(expression, question):
    assert image_question(expression) == question
    assert question_for(expression, mode="image") == question


@pytest.mark.parametrize("expression", ["", " \n", ".", "<image>", "segment", "Please segment "])
def test_an_empty_expression_is_refused(expression):
    with pytest.raises(RequestError, match="empty"):
        video_question(expression)


def test_a_later_turn_hears_what_was_said_before():
    template = template_named("qwen_chat")
    history = [Exchange("<image>\nWhat?", "A cell [SEG].<|im_end|>"), Exchange("And?", "No.")]
    assert template.conversation("Where?", history, [1]) == (
        "<|im_start|>user\n<img><IMG_CONTEXT></img>\nWhat?<|im_end|>\n<|im_start|>assistant\n"
        "A cell [SEG].<|im_end|>\n"
        "<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\nNo.<|im_end|>\n"
        "<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_phi3_template_ends_earlier_answers_with_its_own_mark():
    template = template_named("phi3_chat")
    prompt = template.conversation("Where?", [Exchange("What?", "A cell.<|end|>")], [1])
    assert prompt.endswith("A cell.<|end|>\n<|user|>\nWhere?<|end|>\n<|assistant|>\n")
    assert prompt.count("<|end|>") == 3


def test_without_pictures_the_text_stands_alone():
    assert with_pictures("<image>Hello?", []) == "Hello?"


@pytest.mark.parametrize("text", ["<image>\nAnd?", "a <IMG_CONTEXT>", ""])
def test_a_later_turn_has_no_pictures_of_its_own(text):
    with pytest.raises(RequestError):
        template_named("qwen_chat").conversation(text, [Exchange("What?", "A.")], [1])


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("How many cells are there?", True), ("describe the picture", True), ("the cell", False),
        ("now the one to its left", False), ("Can you segment the large cell?", False),
        ("Please segment the cell", False), ("is there a red cell", True), ("island", False),
    ],
)  # fmt: skip
def test_a_text_asks_or_names(text, asks):
    assert is_question(text) is asks


def test_a_later_question_is_worded_without_the_picture_mark():
    assert as_later_turn(question_for("the cell")) == "Please segment the cell."
    assert as_later_turn(question_for("which one?")).startswith("which one? Please respond")


WRITTEN_OUT = "<image>\n Please segment  the cell. "


def test_a_prompt_that_was_written_out_is_taken_to_the_letter():
    assert video_question(WRITTEN_OUT) == WRITTEN_OUT
    assert image_question(WRITTEN_OUT) == WRITTEN_OUT
    assert free_question(WRITTEN_OUT) == WRITTEN_OUT
    assert free_question(" How\nmany? ") == "<image>\nHow many?"
    assert with_pictures(WRITTEN_OUT, []) == "\n Please segment  the cell. "
