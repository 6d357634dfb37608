"""Pictures after the vision tower, kept so that several sentences can ask about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Seen:
    """Vision tokens of the key frames of one clip.

    Attributes
    ----------
    tokens : Tensor of the language model's type, shape (n, H)
        All vision tokens, in the order of the prompt.
    token_counts : tuple of int
        How many of them each picture block of the prompt holds.
    num_frames : int
        Frames looked at.
    """

    tokens: torch.Tensor
    token_counts: tuple[int, ...]
    num_frames: int
