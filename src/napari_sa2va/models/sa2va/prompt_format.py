"""The text a Sa2VA model is shown: chat templates and picture blocks.

Plain strings only. The InternVL families were trained without any system turn and without labels
between pictures, so neither the tokenizer's own chat template nor a processor may be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_sa2va.core.errors import CheckpointError, RequestError
from napari_sa2va.core.prompt import IMAGE

if TYPE_CHECKING:
    from napari_sa2va.core.exchange import Exchange

IMAGE_START, IMAGE_END, IMAGE_CONTEXT = "<img>", "</img>", "<IMG_CONTEXT>"
QWEN_START, QWEN_END, QWEN_PAD = "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"
_PLACEHOLDERS = (
    IMAGE_START, IMAGE_END, IMAGE_CONTEXT, "<vp>", "</vp>",
    QWEN_START, QWEN_END, QWEN_PAD, "<|video_pad|>",
)  # fmt: skip

Mode = Literal["video", "image"]


@dataclass(frozen=True)
class ChatTemplate:
    """How one turn is written, and how an answer ends.

    Attributes
    ----------
    name : str
        As config.json calls it.
    turn : str
        The user's turn, with `{text}`, up to where the answer begins.
    stops : tuple of str
        Generation ends when the answer's text ends with one of these.
    """

    name: str
    turn: str
    stops: tuple[str, ...]

    def prompt(self, text: str) -> str:
        """One user turn, up to where its answer begins."""
        return self.turn.replace("{text}", text)

    def conversation(
        self,
        text: str,
        history: Sequence[Exchange],
        token_counts: Sequence[int],
        *,
        region_counts: Sequence[int] = (),
    ) -> str:
        """The whole prompt: what was said before, then one more user turn.

        The pictures stand in the first turn, whichever that is, as in training.
        """
        questions = [*(exchange.question for exchange in history), text]
        first, *later = questions
        return self.turns(
            [
                with_pictures(first, token_counts, region_counts=region_counts),
                *(without_pictures(question) for question in later),
            ],
            [exchange.answer for exchange in history],
        )

    def turns(self, questions: Sequence[str], answers: Sequence[str]) -> str:
        """User turns, as they are to be read, with the answer to each but the last behind it.

        An answer is followed by the mark that ended it, once, and a newline.
        """
        parts = [self.prompt(questions[0])]
        for answer, question in zip(answers, questions[1:], strict=True):
            parts.append(f"{self._unmarked(answer)}{self.stops[0]}\n")
            parts.append(self.prompt(question))
        return "".join(parts)

    def _unmarked(self, answer: str) -> str:
        """An answer without the mark that ended it."""
        for stop in self.stops:
            answer = answer.removesuffix(stop)
        return answer

    def is_finished(self, answer: str) -> bool:
        """Whether an answer, as generated so far, has come to its end."""
        return answer.replace("\r", "").replace("\n", "").endswith(self.stops)


_CHATML = "<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"

TEMPLATES = {
    template.name: template
    for template in (
        ChatTemplate("qwen_chat", _CHATML, ("<|im_end|>", "<|endoftext|>")),
        ChatTemplate("internlm2_chat", _CHATML, ("<|im_end|>",)),
        # Also used on a Qwen tokenizer, which does not know these marks and spells them out; the
        # text test of `is_finished` is then the only thing that ends the answer.
        ChatTemplate("phi3_chat", "<|user|>\n{text}<|end|>\n<|assistant|>\n", ("<|end|>",)),
    )
}


def template_named(name: str | None) -> ChatTemplate:
    """The template that a checkpoint's config.json names; `-` and `_` are the same.

    Raises
    ------
    CheckpointError
        If the name is missing or unknown: a wrong template runs, and answers worse.
    """
    template = TEMPLATES.get(str(name).replace("-", "_"))
    if template is None:
        raise CheckpointError(
            f"config.json names the chat template {name!r}.",
            f"Known templates are {sorted(TEMPLATES)}; correct the field 'template'.",
        )
    return template


def picture_blocks(token_counts: Sequence[int]) -> str:
    """Placeholders of the vision tokens, one block per picture, joined by newlines.

    Examples
    --------
    >>> picture_blocks([2, 1])
    '<img><IMG_CONTEXT><IMG_CONTEXT></img>\\n<img><IMG_CONTEXT></img>'
    """
    return "\n".join(f"{IMAGE_START}{IMAGE_CONTEXT * n}{IMAGE_END}" for n in token_counts)


def region_block(region_counts: Sequence[int]) -> str:
    """What stands behind the picture block where regions are marked.

    Examples
    --------
    >>> region_block([1])
    '\\nThere are 1 part regions in the picture: region1<vp><IMG_CONTEXT></vp>.\\n'
    """
    if not region_counts:
        return ""
    said = ", ".join(
        f"region{number}<vp>{IMAGE_CONTEXT * n}</vp>" for number, n in enumerate(region_counts, 1)
    )
    return f"\nThere are {len(region_counts)} part regions in the picture: {said}.\n"


def with_pictures(
    text: str, token_counts: Sequence[int], *, region_counts: Sequence[int] = ()
) -> str:
    """Put the picture blocks in place of `<image>`; see `with_blocks`."""
    return with_blocks(text, picture_blocks(token_counts) + region_block(region_counts))


def with_blocks(text: str, blocks: str) -> str:
    """Put pictures, written as placeholders, in place of `<image>`, or in front if there is none.

    Without any picture, `<image>` is taken out.

    Raises
    ------
    RequestError
        If the text is empty, holds `<image>` more than once, or holds a picture placeholder.
    """
    _check_first(text)
    if not blocks:
        return text.replace(IMAGE, "")
    if IMAGE not in text:
        text = f"{IMAGE}\n{text}"
    return text.replace(IMAGE, blocks)


def behind_blocks(text: str, blocks: str) -> str:
    """Put pictures in front of the text, and take `<image>` out of it.

    Raises
    ------
    RequestError
        As `with_blocks`.
    """
    _check_first(text)
    return blocks + text.replace(IMAGE, "")


def without_pictures(text: str) -> str:
    """A later turn of a conversation, which has no pictures of its own.

    Raises
    ------
    RequestError
        If the text is empty, or holds `<image>` or a picture placeholder.
    """
    _check_text(text)
    if IMAGE in text:
        raise RequestError(
            f"Only the first question of a conversation may hold {IMAGE}.",
            "Leave it out: the model still has the pictures of the first question.",
        )
    return text


def _check_first(text: str) -> None:
    _check_text(text)
    if text.count(IMAGE) > 1:
        raise RequestError(
            f"The text holds {IMAGE} {text.count(IMAGE)} times.",
            "Write it once, where the pictures belong, or leave it out.",
        )


def _check_text(text: str) -> None:
    if not text.replace(IMAGE, "").strip():
        raise RequestError("The sentence is empty.", "Say what to segment.")
    if any(token in text for token in _PLACEHOLDERS):
        raise RequestError(
            "The text holds a picture placeholder of the model.", f"Write {IMAGE} instead."
        )
