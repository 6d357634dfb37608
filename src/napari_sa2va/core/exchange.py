"""One finished turn of a conversation, as a model reads it when the next one begins."""

from __future__ import annotations

from typing import NamedTuple


class Exchange(NamedTuple):
    """What was asked and what was answered.

    Attributes
    ----------
    question : str
        The user's text as it was put to the model; the first one may hold `<image>`.
    answer : str
        The model's answer with its special tokens, e.g. `"Sure, it is [SEG].<|im_end|>"`.
    """

    question: str
    answer: str
