"""What the language model said about a clip, and where it pointed.

One `Grounding` per sentence: the answer, and one embedding for every `[SEG]` in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

SEG = "[SEG]"

# Tokens of the chat format and of the markup in answers; none of them is meant for a reader.
_MARKUP = re.compile(r"<\|[^|<>]*\|>|</?(?:p|vp|s|img|ref|box|quad|IMG_CONTEXT)>")
_SEG_RUN = re.compile(r"\s*\[SEG\]")


def _no_rows() -> np.ndarray:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Grounding:
    """An answer and the embeddings of its `[SEG]` tokens.

    Attributes
    ----------
    answer : str
        What the model said, special tokens included, e.g. `"Sure, it is [SEG].<|im_end|>"`.
    embeddings : ndarray of float32, shape (N, D)
        One prompt vector for the mask decoder per `[SEG]`, in order of appearance.
    prompt_ids : ndarray of int64, shape (P,)
        The tokens the model was shown.
    generated_ids : ndarray of int64, shape (G,)
        The tokens of the answer.
    num_frames : int
        Key frames the model looked at.
    passes : int
        How often the language model ran for this answer, the prompt included.
    hidden : ndarray of float32, shape (N, H)
        The language model's last hidden state at each `[SEG]`, from which `embeddings` follow.
    """

    answer: str
    embeddings: np.ndarray
    prompt_ids: np.ndarray
    generated_ids: np.ndarray
    num_frames: int
    passes: int = 1
    hidden: np.ndarray = field(default_factory=_no_rows)

    @property
    def found(self) -> bool:
        """Whether the model pointed at anything."""
        return len(self.embeddings) > 0

    @property
    def display(self) -> str:
        """The answer as a sentence for people: without special tokens and `[SEG]` marks.

        Examples
        --------
        >>> empty = np.zeros(0, np.int64)
        >>> vector = np.zeros((1, 256), np.float32)
        >>> Grounding("It is the cell [SEG].<|im_end|>", vector, empty, empty, 5).display
        'It is the cell.'
        >>> Grounding("It is the cell, [SEG].", vector, empty, empty, 5).display
        'It is the cell.'
        """
        text = _SEG_RUN.sub("", _MARKUP.sub("", self.answer))
        # A comma that stood before the mark is left hanging before the full stop.
        text = re.sub(r"[\s,]+([.;:!?])", r"\1", re.sub(r"\s+", " ", text))
        return re.sub(r"\s+,", ",", text).strip()
