"""The prompt of the Qwen-VL branch: the stock chat templates' text, and that of training."""

from __future__ import annotations

import pytest

from napari_sa2va._tests.golden_cases import FOLDER
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.exchange import Exchange
from napari_sa2va.models.sa2va.qwen_prompt import READINGS
from napari_sa2va.models.sa2va.qwen_vl import system_text

PUBLISHED, TRAINED = READINGS["published"], READINGS["trained"]
SYSTEM = "You are a helpful assistant."
PAD = "<|image_pad|>"
TEXT = "<image>\nPlease segment the bright cell."
HISTORY = [
    Exchange(TEXT, "Sure, it is [SEG].<|im_end|>"),
    Exchange("Is it round?", "Yes."),
]
# What the template of Qwen3-VL says of turns like ours.
QWEN3_TEMPLATE = """\
{%- for message in messages %}
    {%- if message.role == "user" %}
        {{- '<|im_start|>' + message.role + '\\n' }}
        {%- for content in message.content %}
            {%- if content.type == 'image' %}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
            {%- else %}
                {{- content.text }}
            {%- endif %}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content[0].text + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{{- '<|im_start|>assistant\\n' }}"""


def rendered(template, text, history, counts):
    """The messages of a conversation through a chat template, as the published code sends them."""
    jinja2 = pytest.importorskip("jinja2")
    questions = [*(exchange.question for exchange in history), text]
    messages = []
    for number, question in enumerate(questions):
        pictures = [{"type": "image"}] * (0 if number else len(counts))
        content = [*pictures, {"type": "text", "text": question.replace("<image>", "")}]
        messages.append({"role": "user", "content": content})
        if number < len(history):
            answer = history[number].answer.removesuffix("<|im_end|>")
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    found = environment.from_string(template).render(messages=messages, add_generation_prompt=True)
    # The template knows one placeholder per picture; the processor repeats it.
    begin, *rest = found.split(PAD)
    return begin + "".join(PAD * n + after for n, after in zip(counts, rest, strict=True))


@pytest.mark.parametrize("history", [[], HISTORY[:1], HISTORY], ids=["new", "second", "third"])
@pytest.mark.parametrize("counts", [(), (3,), (3, 2, 4)], ids=["text", "picture", "movie"])
def test_the_published_prompt_is_the_stock_chat_templates_text(history, counts):
    text = "And the dark one?" if history else TEXT
    template = (FOLDER / "sa2va-qwen25-video" / "chat_template.jinja").read_text()
    ours = PUBLISHED.conversation(text, history, counts, system=SYSTEM)
    assert ours == rendered(template, text, history, counts)
    third = PUBLISHED.conversation(text, history, counts, system="")
    assert third == rendered(QWEN3_TEMPLATE, text, history, counts)
    assert ours == f"<|im_start|>system\n{SYSTEM}<|im_end|>\n{third}"


def test_the_published_prompt_has_all_pictures_before_the_text():
    found = PUBLISHED.conversation("Segment this: <image> now.", [], (1, 1), system="")
    block = f"<|vision_start|>{PAD}<|vision_end|>"
    assert found.startswith(f"<|im_start|>user\n{block}{block}Segment this:  now.<|im_end|>")


def test_training_had_no_system_turn_and_a_newline_between_pictures():
    found = TRAINED.conversation(TEXT, [], (1, 1), system=SYSTEM)
    block = f"<|vision_start|>{PAD}<|vision_end|>"
    assert found == (
        f"<|im_start|>user\n{block}\n{block}\nPlease segment the bright cell.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_an_answer_is_followed_by_its_end_mark_once():
    found = TRAINED.conversation("And?", HISTORY, (1,), system="")
    assert found.count("<|im_end|>") == 5  # three questions, two answers
    assert "Sure, it is [SEG].<|im_end|>\n<|im_start|>user\nIs it round?" in found
    assert "Yes.<|im_end|>\n<|im_start|>user\nAnd?" in found


@pytest.mark.parametrize("reading", [PUBLISHED, TRAINED], ids=["published", "trained"])
@pytest.mark.parametrize(
    ("text", "history", "words"),
    [
        ("", [], "empty"),
        ("<image>", [], "empty"),
        ("<image> and <image>", [], "2 times"),
        ("the <|image_pad|> cell", [], "placeholder"),
        (TEXT, HISTORY, "Only the first question"),
    ],
)
def test_a_text_that_would_confuse_the_pictures_is_refused(reading, text, history, words):
    with pytest.raises(RequestError, match=words):
        reading.conversation(text, history, (1,), system="")


SECOND = {"vision_config": {"model_type": "qwen2_5_vl"}, "text_config": {}}
THIRD = {"vision_config": {"model_type": "qwen3_vl"}, "text_config": {}}
IN_QUOTES = "{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"


@pytest.mark.parametrize("config", [SECOND, THIRD], ids=["Qwen2.5-VL", "Qwen3-VL"])
def test_the_system_turn_is_that_of_the_checkpoints_own_template(config):
    stock = (FOLDER / "sa2va-qwen25-video" / "chat_template.jinja").read_text()
    assert system_text(config, stock) == SYSTEM
    assert system_text(config, IN_QUOTES) == SYSTEM
    assert system_text(config, QWEN3_TEMPLATE) == ""
    assert system_text(config) == (SYSTEM if config is SECOND else "")
