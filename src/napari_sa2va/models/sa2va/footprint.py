"""How much memory a checkpoint needs to run, estimated from its configuration; loads no network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.checkpoint import TensorEntry

# Tensors of these published prefixes stay in float32 whatever the language model's type.
_FULL_PRECISION = "grounding_encoder."
_FLOAT32 = 4

# Beyond the weights, SAM 2 at 1024 px took up to 1.3 GB (encoder and memory attention); it grows
# with the number of pixels.
_SAM2_AT_1024 = 1.3e9
# Pictures that are in the vision tower at once, and prompt tokens of a dozen key frames.
_PICTURES, _PROMPT = 8, 4096


def weight_bytes(tensors: Mapping[str, TensorEntry], itemsize: int) -> int:
    """Bytes of the loaded weights.

    Parameters
    ----------
    tensors : mapping of published name to TensorEntry
    itemsize : int
        Bytes per value of the language model: 4 for float32, 2 for bfloat16 and float16.
    """
    return sum(
        math.prod(entry.shape) * (_FLOAT32 if name.startswith(_FULL_PRECISION) else itemsize)
        for name, entry in tensors.items()
    )


def working_bytes(config: Mapping[str, Any], itemsize: int) -> int:
    """Bytes needed beside the weights, roughly: the largest activations and the answer's cache."""
    side = int((config.get("sam2_config") or {}).get("image_size", 1024))
    vision, text = config.get("vision_config") or {}, config.get("llm_config") or {}
    tile = int(config.get("force_image_size") or vision.get("image_size") or 448)
    patches = (tile // int(vision.get("patch_size") or 14)) ** 2
    tower = _PICTURES * patches * 2 * int(vision.get("intermediate_size") or 4096)
    layers, width = int(text.get("num_hidden_layers") or 32), int(text.get("hidden_size") or 4096)
    prompt = min(_PROMPT, 16 * patches)
    heads = int(text.get("num_attention_heads") or 32)
    kept = width * int(text.get("num_key_value_heads") or max(heads // 4, 1)) // heads
    reading = prompt * (2 * int(text.get("intermediate_size") or 11008) + 2 * layers * kept)
    return int(_SAM2_AT_1024 * (side / 1024) ** 2 + itemsize * (tower + reading))
