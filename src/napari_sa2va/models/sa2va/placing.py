"""Where the language model is and in which format: moved, cast, and fed in its own format."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def is_on(network: nn.Module, device: torch.device) -> bool:
    """Whether a network is on a device; all of it, or none."""
    return next(network.parameters()).device == device


def halve(network: nn.Module) -> None:
    """Cast parameters from float32 to bfloat16, one after the other.

    Buffers stay: they are the rotary frequencies, which bfloat16 would round away, and what packed
    layers hold.
    """
    for parameter in network.parameters():
        if parameter.dtype == torch.float32:
            parameter.data = parameter.data.to(torch.bfloat16)


def feed_in_own_format(mllm: nn.Module) -> None:
    """Let the projector take what a vision tower of another number format hands it.

    Where the projector is part of the tower (Qwen-VL) there is nothing to do.
    """
    inner = getattr(mllm, "model", None)
    projector = getattr(inner, "multi_modal_projector", None)
    if isinstance(projector, nn.Module):
        projector.register_forward_pre_hook(_cast_first)


def _cast_first(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return args[0].to(next(module.parameters()).dtype), *args[1:]
