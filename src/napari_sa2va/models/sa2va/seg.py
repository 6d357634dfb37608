"""From the hidden state of a `[SEG]` token to a prompt vector of the mask decoder."""

from __future__ import annotations

from torch import nn


def text_hidden_fcs(hidden_size: int, prompt_size: int) -> nn.Sequential:
    """The projection H -> H -> D; layers 0 and 2 hold the published weights."""
    return nn.Sequential(
        nn.Linear(hidden_size, hidden_size),
        nn.ReLU(),
        nn.Linear(hidden_size, prompt_size),
    )
