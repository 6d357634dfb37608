"""What a family's reader does: look at pictures, word a conversation, run the language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import Cache

    from napari_sa2va.core.exchange import Exchange
    from napari_sa2va.models.sa2va.prompt_format import ChatTemplate, Mode
    from napari_sa2va.models.sa2va.seen import Seen


# Pictures in the vision tower together, unless a run says otherwise.
PICTURES_AT_ONCE = 8


class Reader(Protocol):
    """One per family. It holds no state of a conversation: all of that is in its arguments.

    Attributes
    ----------
    template : ChatTemplate
    pictures_at_once : int
        Pictures that go through the vision tower together. Bounds its memory, not its result.
    """

    template: ChatTemplate
    pictures_at_once: int

    @property
    def stop(self) -> str:
        """The text that ends an answer."""
        return self.template.stops[0]

    def is_finished(self, answer: str) -> bool:
        """Whether the decoded answer, as it is so far, ends with a stop text of the template."""
        return self.template.is_finished(answer)

    def look(
        self, frames: Sequence[np.ndarray], mode: Mode, regions: Sequence[np.ndarray] = ()
    ) -> Seen:
        """Turn pictures into vision tokens.

        Parameters
        ----------
        frames : sequence of ndarray of uint8, shape (Y, X, 3)
            In video mode, key frames; in image mode exactly one picture; none for plain text.
        mode : {"video", "image"}
        regions : sequence of ndarray of bool, shape (Y, X)
            Marked regions of the picture, in image mode only.

        Raises
        ------
        RequestError
            If the family cannot take this in.
        """

    def prompt_ids(self, text: str, seen: Seen, history: Sequence[Exchange] = ()) -> list[int]:
        """Tokens of the whole prompt, picture placeholders included, up to the coming answer."""

    def read(self, ids: Sequence[int], seen: Seen, cache: Cache | None = None) -> torch.Tensor:
        """Last hidden states, after the final norm, of a prompt: (P, H). Fills the cache."""

    def extend(self, ids: Sequence[int], seen: Seen, cache: Cache) -> torch.Tensor:
        """Last hidden states of tokens that follow what is in the cache: (n, H)."""

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Scores of the next token: (..., H) -> (..., V)."""
