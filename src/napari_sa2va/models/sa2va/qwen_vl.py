"""The Qwen-VL family: published configuration and names -> native transformers classes.

Covers Qwen2.5-VL and Qwen3-VL, told apart by their vision towers. How such a model looks at pictures
and reads a prompt stands in `qwen_reader`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.sa2va.keymap import Rule
from napari_sa2va.models.sa2va.published_config import is_qwen_vl, part, rope_parameters

NAME = "qwen-vl"

# A system turn that a Jinja template spells out; one that it takes from the messages has braces or
# quotes in between. The newline may be written as two characters.
_SYSTEM_TURN = re.compile(r"<\|im_start\|>system(?:\\n|\n)([^<{}'\"]+)<\|im_end\|>")


@dataclass(frozen=True)
class _Generation:
    """One of the two generations of Qwen-VL.

    Attributes
    ----------
    name : str
    kind : str
        How `model_type` begins in the configuration of its vision tower.
    mark : str
        A field that only its vision tower has.
    vision, text : mapping
        Published fields, and what a config.json means that leaves one out: the defaults of the
        published classes.
    rope : mapping
        Likewise, of the rotary positions.
    system : str
        What its chat template says before the first turn.
    """

    name: str
    kind: str
    mark: str
    vision: Mapping[str, Any]
    text: Mapping[str, Any]
    rope: Mapping[str, Any]
    system: str = ""


_TOWER = {"in_channels": 3, "spatial_merge_size": 2, "temporal_patch_size": 2}
_SECOND = _Generation(
    name="Qwen2.5-VL",
    kind="qwen2_5_vl",
    mark="fullatt_block_indexes",
    vision=_TOWER | {
        "depth": 32, "hidden_size": 3584, "hidden_act": "silu", "intermediate_size": 3420,
        "num_heads": 16, "patch_size": 14, "tokens_per_second": 4, "window_size": 112,
        "out_hidden_size": 3584, "fullatt_block_indexes": [7, 15, 23, 31],
    },
    text={
        "vocab_size": 152064, "hidden_size": 8192, "intermediate_size": 29568,
        "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
        "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-5,
        "use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 80,
    },
    rope={"rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    system="You are a helpful assistant.",
)  # fmt: skip
_THIRD = _Generation(
    name="Qwen3-VL",
    kind="qwen3_vl",
    mark="deepstack_visual_indexes",
    vision=_TOWER | {
        "depth": 27, "hidden_size": 1152, "hidden_act": "gelu_pytorch_tanh",
        "intermediate_size": 4304, "num_heads": 16, "patch_size": 16, "out_hidden_size": 3584,
        "num_position_embeddings": 2304, "deepstack_visual_indexes": [8, 16, 24],
    },
    text={
        "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 128000,
        "rms_norm_eps": 1e-6, "attention_bias": False,
    },
    # Not the default of today's class, whose theta is a tenth of it.
    rope={"rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True},
)  # fmt: skip


def recognises(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of this family."""
    return is_qwen_vl(config)


def hidden_size(config: Mapping[str, Any]) -> int:
    """Width of the language model's hidden states."""
    return int(_fields(part(config, "text_config"), _generation(config).text)["hidden_size"])


def vision_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the vision tower, those that the file leaves out too."""
    return _fields(part(config, "vision_config"), _generation(config).vision)


def system_text(config: Mapping[str, Any], chat_template: str = "") -> str:
    """What the chat template says before the first turn; empty if nothing.

    Parameters
    ----------
    config : mapping
    chat_template : str
        The template of the checkpoint; without one, that of the base model is meant.
    """
    if not chat_template:
        return _generation(config).system
    said = _SYSTEM_TURN.search(chat_template)
    return said[1] if said else ""


def _generation(config: Mapping[str, Any]) -> _Generation:
    """Which Qwen-VL a config.json is of. All have `model_type` "sa2va_chat", so the tower decides."""
    tower = part(config, "vision_config")
    kind = str(tower.get("model_type", ""))
    found = [
        generation
        for generation in (_SECOND, _THIRD)
        if kind in (generation.kind, f"{generation.kind}_vision")
        or (not kind and generation.mark in tower)
    ]
    if len(found) != 1 or "num_experts" in part(config, "text_config"):
        raise CheckpointError(
            f"config.json has a vision tower {kind!r} that is neither Qwen2.5-VL's nor Qwen3-VL's, "
            "or a language model that does not belong to it.",
            "Give the folder of a Sa2VA checkpoint.",
        )
    return found[0]


def _fields(published: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the network needs; everything else in the file is left aside."""
    return {
        name: default if published.get(name) is None else published[name]
        for name, default in defaults.items()
    }


def build(config: Mapping[str, Any]) -> Any:
    """Build the native model of a published configuration, without weights.

    Returns
    -------
    Qwen2_5_VLForConditionalGeneration or Qwen3VLForConditionalGeneration

    Raises
    ------
    CheckpointError
        If the configuration is of another model, or contradicts itself.
    """
    generation = _generation(config)
    vision = _fields(part(config, "vision_config"), generation.vision)
    if vision["hidden_size"] % (4 * vision["num_heads"]):  # its positions have two rotary axes
        raise CheckpointError(
            f"config.json gives a vision tower {vision['hidden_size']} values and "
            f"{vision['num_heads']} heads, whose positions do not divide evenly.",
            "Take config.json from the checkpoint again.",
        )
    token = vision["patch_size"] * vision["spatial_merge_size"]
    if vision.get("window_size", token) < token:
        raise CheckpointError(
            f"config.json gives the vision tower windows of {vision['window_size']} px, which are "
            f"smaller than a vision token of {token} px.",
            "Take config.json from the checkpoint again.",
        )
    published = part(config, "text_config")
    text = _fields(published, generation.text)
    if vision["out_hidden_size"] != text["hidden_size"]:
        raise CheckpointError(
            f"config.json gives vision tokens {vision['out_hidden_size']} values, and the language "
            f"model {text['hidden_size']}.",
            "Take config.json from the checkpoint again.",
        )
    rope = rope_parameters(published, generation.rope["rope_theta"])
    text["rope_parameters"] = dict(generation.rope) | rope
    _check_rope(text)
    # The default ties lm_head to the embedding in some versions, which would silently replace it.
    text["tie_word_embeddings"] = False
    # The tokenizer decides about these; the native defaults may lie outside the vocabulary.
    text.update(bos_token_id=None, eos_token_id=None, pad_token_id=None)
    tokens = {
        name: config[name]
        for name in ("image_token_id", "video_token_id", "vision_start_token_id")
        if name in config
    }
    if generation is _SECOND:
        return _second(vision, text, tokens).eval()
    return _third(vision, text, tokens).eval()


def _check_rope(text: Mapping[str, Any]) -> None:
    """The three axes of the positions share half of a head."""
    sections = text["rope_parameters"]["mrope_section"]
    half = (text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]) // 2
    whole = isinstance(sections, list | tuple) and all(
        isinstance(n, int) and n >= 0 for n in sections
    )
    if not whole or len(sections) != 3 or sum(sections) != half:
        raise CheckpointError(
            f"config.json gives the axes of positions mrope_section {sections}, not three numbers "
            f"with the sum {half}.",
            "Take config.json from the checkpoint again.",
        )


def _second(vision: dict[str, Any], text: dict[str, Any], tokens: dict[str, Any]) -> Any:
    from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLTextConfig,
        Qwen2_5_VLVisionConfig,
    )
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
        Qwen2_5_VLForConditionalGeneration,
    )

    native = Qwen2_5_VLConfig(
        text_config=Qwen2_5_VLTextConfig(**text),
        vision_config=Qwen2_5_VLVisionConfig(**vision),
        tie_word_embeddings=False,
        **tokens,
    )
    return Qwen2_5_VLForConditionalGeneration(native)


def _third(vision: dict[str, Any], text: dict[str, Any], tokens: dict[str, Any]) -> Any:
    from transformers.models.qwen3_vl.configuration_qwen3_vl import (
        Qwen3VLConfig,
        Qwen3VLTextConfig,
        Qwen3VLVisionConfig,
    )
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

    native = Qwen3VLConfig(
        text_config=Qwen3VLTextConfig(**text),
        vision_config=Qwen3VLVisionConfig(**vision),
        tie_word_embeddings=False,
        **tokens,
    )
    return Qwen3VLForConditionalGeneration(native)


def rules(config: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Published names of the multimodal language model -> ours (`mllm.`).

    The published wrapper holds the native model as its `model`, so exactly one `model.` goes.
    """
    return (Rule("model.{rest}", ("mllm.{rest}",)),)
