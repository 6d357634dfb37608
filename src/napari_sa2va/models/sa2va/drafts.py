"""Guesses of an answer, which one pass of the language model can check.

Nearly all answers to a request for a mask are one of a few sentences the models were trained on.
Whatever a draft says, the answer is the one that greedy generation gives: a draft only decides how
many tokens are tried at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer

# The answers of the referring data in the models' training.
TRAINED_ANSWERS = (
    "Sure, [SEG].",
    "It is [SEG].",
    "Sure, it is [SEG].",
    "Sure, the segmentation result is [SEG].",
    "[SEG].",
)
_MOST_KEPT = 64


class Drafts:
    """Known answers as tokens, the latest first.

    Parameters
    ----------
    answers : iterable of sequence of int
        Tokens of whole answers, their end included.
    """

    def __init__(self, answers: Iterable[Sequence[int]] = ()) -> None:
        self._answers: OrderedDict[tuple[int, ...], None] = OrderedDict()
        for answer in answers:
            self.add(answer)

    @classmethod
    def trained(cls, tokenizer: Tokenizer, stop: str) -> Drafts:
        """The sentences of training, each with the text that ends an answer."""
        return cls(tokenizer.encode(answer + stop) for answer in TRAINED_ANSWERS)

    def copy(self) -> Drafts:
        """The same, to which others may be added."""
        return Drafts(self._answers)

    def add(self, answer: Sequence[int]) -> None:
        """Remember an answer that was given; it is tried first from now on."""
        key = tuple(int(token) for token in answer)
        self._answers[key] = None
        self._answers.move_to_end(key)
        while len(self._answers) > _MOST_KEPT:
            self._answers.popitem(last=False)

    def after(self, said: Sequence[int]) -> tuple[int, ...]:
        """What may follow what was said so far; empty if no draft begins like that."""
        start = tuple(said)
        for answer in reversed(self._answers):
            if len(answer) > len(start) and answer[: len(start)] == start:
                return answer[len(start) :]
        return ()
