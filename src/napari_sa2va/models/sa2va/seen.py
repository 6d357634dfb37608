"""Pictures after the vision tower, kept so that several sentences can ask about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Seen:
    """Vision tokens of the key frames of one clip.

    Attributes
    ----------
    tokens : Tensor of the language model's type, shape (n, H)
        All vision tokens, in the order of the prompt; those of marked regions come last.
    token_counts : tuple of int
        How many of them each picture block of the prompt holds.
    num_frames : int
        Frames looked at.
    region_counts : tuple of int
        How many of them each marked region holds.
    grids : Tensor of int64, shape (pictures, 3), or None
        Patches in time, y and x, where the family's positions follow the picture (Qwen-VL).
    deep_tokens : tuple of Tensor, shape (n, H) each
        What the first layers of the language model add to the vision tokens (Qwen3-VL).
    """

    tokens: torch.Tensor
    token_counts: tuple[int, ...]
    num_frames: int
    region_counts: tuple[int, ...] = ()
    grids: torch.Tensor | None = None
    deep_tokens: tuple[torch.Tensor, ...] = ()

    def to(self, device: torch.device, dtype: torch.dtype) -> Seen:
        """Return the same for a language model on a device and of a type.

        They differ from those of looking where the model was moved or cast in between, or where
        the vision tower has another type.
        """
        return replace(
            self,
            tokens=self.tokens.to(device, dtype),
            grids=None if self.grids is None else self.grids.to(device),
            deep_tokens=tuple(tokens.to(device, dtype) for tokens in self.deep_tokens),
        )
