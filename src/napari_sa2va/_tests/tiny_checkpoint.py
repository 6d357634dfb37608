"""Checkpoints in the published layout, small enough to be written and loaded in a moment.

Random weights; the tokenizer is that of the golden cases (bytes and the special tokens).
"""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from napari_sa2va._tests.golden_cases import FOLDER, golden_tensor

SALT = "tiny"
SEG_ID, IM_END_ID, CONTEXT_ID = 262, 258, 261

CONFIG: dict[str, Any] = {
    "model_type": "sa2va_chat",
    "architectures": ["Sa2VAChatModel"],
    "template": "qwen_chat",
    "force_image_size": 56,
    "downsample_ratio": 0.5,
    "select_layer": -1,
    "ps_version": "v2",
    "vision_config": {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_channels": 3,
        "patch_size": 14,
        "image_size": 56,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-6,
        "norm_type": "layer_norm",
        "qkv_bias": True,
        "qk_normalization": False,
    },
    "llm_config": {
        "architectures": ["Qwen2ForCausalLM"],
        "vocab_size": 267,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_act": "silu",
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
    },
    "sam2_config": {
        "image_size": 64,
        "embed_dim": 8,
        "num_heads": 1,
        "stages": [1, 1, 2, 1],
        "global_att_blocks": [3],
        "window_spec": [8, 4, 8, 4],
        "window_pos_embed_bkg_spatial_size": [4, 4],
        "hidden_dim": 32,
        "memory_dim": 16,
        "memory_layers": 1,
        "memory_feedforward": 32,
    },
}

# What turns the vision tower into one of the 6B kind.
SIX_BILLION_KIND = {"norm_type": "rms_norm", "qkv_bias": False, "qk_normalization": True}
INTERNLM2 = {"architectures": ["InternLM2ForCausalLM"], "bias": False}


def tiny_config(
    *, vision: dict | None = None, language: dict | None = None, **top: Any
) -> dict[str, Any]:
    """The configuration above with some fields changed."""
    config = copy.deepcopy(CONFIG)
    config["vision_config"].update(vision or {})
    config["llm_config"].update(language or {})
    config.update(top)
    return config


def copy_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(FOLDER / "sa2va-qwen2-video" / name, folder / name)


def tiny_tensors(config: dict[str, Any], *, both: bool = False) -> dict[str, np.ndarray]:
    """Random weights by published name; `both` adds the original decoder (Sa2VA-i layout)."""
    from napari_sa2va.models.sa2va.loading import Hollow
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer

    with Hollow():
        hollow = Sa2VA(config, Tokenizer.load(FOLDER / "sa2va-qwen2-video"), original_decoder=both)
    native = {name: tuple(tensor.shape) for name, tensor in hollow.tensors().items()}
    shapes = hollow.key_map.published_shapes(native)
    return {name: golden_tensor(name, list(shape), SALT) for name, shape in shapes.items()}


def write_tiny(
    folder: Path,
    config: dict[str, Any] | None = None,
    tensors: dict[str, np.ndarray] | None = None,
    *,
    both: bool = False,
) -> Path:
    """Write a tiny checkpoint and return its folder."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = tiny_config() if config is None else config
    tensors = tiny_tensors(config, both=both) if tensors is None else tensors
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, str(folder / "model.safetensors"))
    copy_tokenizer(folder)
    return folder
