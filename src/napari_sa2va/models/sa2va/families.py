"""The families of checkpoints that can be loaded, and which one a config.json is of.

A family is one file with `NAME`, `recognises`, `build`, `rules`, `hidden_size` and a reader class,
and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.sa2va import internvl, qwen_reader, qwen_vl

if TYPE_CHECKING:
    from torch import nn

    from napari_sa2va.models.sa2va.keymap import Rule
    from napari_sa2va.models.sa2va.reader import Reader


@dataclass(frozen=True)
class Family:
    """What `Sa2VA` needs to know about a multimodal language model.

    Attributes
    ----------
    name : str
    recognises : callable
        config.json -> bool.
    build : callable
        config.json -> the native network, without weights.
    rules : callable
        config.json -> rules from published names to ours.
    hidden_size : callable
        config.json -> width of the hidden states.
    reader : callable
        (network, tokenizer, config.json, preprocessor=preprocessor_config.json, reading=name) ->
        how it looks at pictures and reads a prompt.
    """

    name: str
    recognises: Callable[[Mapping[str, Any]], bool]
    build: Callable[[Mapping[str, Any]], nn.Module]
    rules: Callable[[Mapping[str, Any]], tuple[Rule, ...]]
    hidden_size: Callable[[Mapping[str, Any]], int]
    reader: Callable[..., Reader]


FAMILIES = (
    Family(
        internvl.NAME, internvl.recognises, internvl.build, internvl.rules,
        internvl.hidden_size, internvl.InternVLReader,
    ),
    Family(
        qwen_vl.NAME, qwen_vl.recognises, qwen_vl.build, qwen_vl.rules,
        qwen_vl.hidden_size, qwen_reader.QwenVLReader,
    ),
)  # fmt: skip


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of a checkpoint.

    Raises
    ------
    CheckpointError
        If none recognises it. All families share `model_type` "sa2va_chat", so their parts decide.
    """
    for family in FAMILIES:
        if family.recognises(config):
            return family
    raise CheckpointError(
        f"config.json (model_type {config.get('model_type')!r}) does not describe a Sa2VA "
        "checkpoint: it has no 'vision_config' with 'llm_config' or 'text_config'.",
        "Give the folder of a Sa2VA or Sa2VA-i checkpoint.",
    )
