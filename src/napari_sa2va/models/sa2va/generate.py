"""Greedy answers with the stop rules of the family, several tokens at a time where a draft fits.

The loop is our own: it can be stopped between two passes, and it keeps the hidden states of
`[SEG]` tokens only, where the library's `generate` would keep those of every layer and step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_sa2va.models.sa2va.drafts import Drafts

if TYPE_CHECKING:
    from transformers import DynamicCache

    from napari_sa2va.models.sa2va.reader import Reader
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
    passes : int
        How often the language model ran, the prompt included.
    """

    ids: list[int]
    hidden: torch.Tensor
    passes: int = 1


def generate(
    reader: Reader,
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    seen: Seen,
    seg_id: int,
    *,
    drafts: Drafts | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
    should_stop: Callable[[], bool] | None = None,
) -> Answer:
    """Let the model answer, taking the likeliest token each time.

    Ends at the tokenizer's end token, when the decoded answer ends with a stop text of the chat
    template, after `max_new_tokens`, or when `should_stop` says so (the answer is then partial).

    Parameters
    ----------
    reader : Reader
    tokenizer : Tokenizer
    prompt : sequence of int
    seen : Seen
    seg_id : int
    drafts : Drafts, optional
        Guesses. The tokens of one are fed together; those that the model would have said itself
        are kept, and the first that it would not is replaced by what it would. The answer is the
        same as without.
    max_new_tokens : int
    should_stop : callable, optional
        Asked after every pass.
    """
    from transformers.cache_utils import DynamicCache

    cache = DynamicCache()
    states = reader.read(prompt, seen, cache)[-1:]
    passes = 1
    ids: list[int] = []
    rows: list[torch.Tensor] = []

    def is_over() -> bool:
        return (
            ids[-1] == tokenizer.eos_id
            or len(ids) >= max_new_tokens
            or reader.is_finished(tokenizer.decode(ids))
        )

    guess: Sequence[int] = ()  # what was fed last, behind the token that the model had said
    while True:
        # states[i] decides about the token after guess[:i].
        decided = reader.logits(states).argmax(dim=-1).tolist()
        for place, token in enumerate(decided):
            ids.append(token)
            if is_over():
                return Answer(ids, _stacked(rows, states), passes)
            agrees = place < len(guess) and guess[place] == token
            if not agrees:
                break
            if token == seg_id:
                rows.append(states[place + 1])
        if should_stop is not None and should_stop():
            return Answer(ids, _stacked(rows, states), passes)
        _forget_after(cache, len(prompt) + len(ids) - 1)
        guess = drafts.after(ids)[:-1] if drafts is not None else ()
        states = reader.extend([ids[-1], *guess], seen, cache)
        passes += 1
        if ids[-1] == seg_id:
            rows.append(states[0])


def take(
    reader: Reader, prompt: Sequence[int], answer: Sequence[int], seen: Seen, seg_id: int
) -> Answer:
    """Take a given answer instead of generating one, in a single forward pass.

    Gives the same hidden states as `generate` would, had it said this.
    """
    fed = list(answer[:-1])  # the last token of an answer is never fed back
    hidden = reader.read([*prompt, *fed], seen)[len(prompt) :]
    at_seg = torch.tensor([token == seg_id for token in fed], dtype=torch.bool)
    return Answer(list(answer), hidden[at_seg.to(hidden.device)])


def _stacked(rows: list[torch.Tensor], states: torch.Tensor) -> torch.Tensor:
    return torch.stack(rows) if rows else states.new_zeros((0, states.shape[-1]))


def _forget_after(cache: DynamicCache, length: int) -> None:
    """Drop what was fed beyond `length` tokens: guesses that the model did not share."""
    surplus = cache.get_seq_length() - length
    if surplus > 0:
        cache.crop(-surplus)
