"""Greedy answers, one token at a time, with the stop rules of the family.

The loop is our own: it can be stopped between two tokens, and it keeps the hidden states of
`[SEG]` tokens only, where the library's `generate` would keep those of every layer and step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.internvl import InternVLReader
    from napari_sa2va.models.sa2va.seen import Seen
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer

MAX_NEW_TOKENS = 2048


@dataclass(frozen=True, eq=False)
class Answer:
    """Generated (or given) tokens and the hidden states at the `[SEG]` tokens among them.

    Attributes
    ----------
    ids : list of int
    hidden : Tensor, shape (N, H)
        The state at each `[SEG]`'s own position, not at the one that predicted it. A `[SEG]` that
        is the very last token has none: it is never fed back to the model.
    """

    ids: list[int]
    hidden: torch.Tensor


def generate(
    reader: InternVLReader,
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    seen: Seen,
    seg_id: int,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    should_stop: Callable[[], bool] | None = None,
) -> Answer:
    """Let the model answer, taking the likeliest token each time.

    Ends at the tokenizer's end token, when the decoded answer ends with a stop text of the chat
    template, after `max_new_tokens`, or when `should_stop` says so (the answer is then partial).
    """
    from transformers.cache_utils import DynamicCache

    cache = DynamicCache()
    state = reader.read(prompt, seen, cache)[-1]
    ids: list[int] = []
    rows: list[torch.Tensor] = []
    while True:
        token = int(reader.logits(state).argmax())
        ids.append(token)
        if token == tokenizer.eos_id or len(ids) >= max_new_tokens:
            break
        if reader.template.is_finished(tokenizer.decode(ids)):
            break
        if should_stop is not None and should_stop():
            break
        state = reader.step(token, cache)
        if token == seg_id:
            rows.append(state)
    hidden = torch.stack(rows) if rows else state.new_zeros((0, len(state)))
    return Answer(ids, hidden)


def take(
    reader: InternVLReader, prompt: Sequence[int], answer: Sequence[int], seen: Seen, seg_id: int
) -> Answer:
    """Take a given answer instead of generating one, in a single forward pass.

    Gives the same hidden states as `generate` would, had it said this.
    """
    fed = list(answer[:-1])  # the last token of an answer is never fed back
    hidden = reader.read([*prompt, *fed], seen)[len(prompt) :]
    at_seg = torch.tensor([token == seg_id for token in fed], dtype=torch.bool)
    return Answer(list(answer), hidden[at_seg.to(hidden.device)])
