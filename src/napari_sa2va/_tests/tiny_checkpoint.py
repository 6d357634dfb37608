"""Checkpoints in the published layout, small enough to be written and loaded in a moment.

Random weights; the tokenizer is that of the golden cases (bytes and the special tokens).
"""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va._tests.golden_cases import FOLDER, golden_tensor

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA

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

_QWEN_TEXT: dict[str, Any] = {
    "vocab_size": 271,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
}
# The Qwen-VL branch, by what its language model was made from. Pictures have hundreds of vision
# tokens even here: how many follows from the published limits.
QWEN_CONFIGS: dict[str, dict[str, Any]] = {
    "Qwen2.5-VL": {
        "vision_config": {
            "model_type": "qwen2_5_vl",
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": [1],
            "out_hidden_size": 32,
        },
        "text_config": _QWEN_TEXT
        | {
            "model_type": "qwen2_5_vl_text",
            "rope_scaling": {"type": "mrope", "mrope_section": [2, 1, 1]},
        },
    },
    "Qwen3-VL": {
        "vision_config": {
            "model_type": "qwen3_vl",
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "patch_size": 16,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0, 1],
            "out_hidden_size": 32,
        },
        "text_config": _QWEN_TEXT
        | {
            "model_type": "qwen3_vl_text",
            "head_dim": 8,
            "rope_scaling": {
                "rope_type": "default",
                "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
            },
        },
    },
}
# As published: CLIP's statistics, and halves.
_QWEN_COLOURS: dict[str, dict[str, list[float]]] = {
    "Qwen2.5-VL": {
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    },
    "Qwen3-VL": {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
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


def tiny_qwen_config(
    kind: str, *, vision: dict | None = None, language: dict | None = None, **top: Any
) -> dict[str, Any]:
    """A configuration of the Qwen-VL branch with some fields changed; see `QWEN_CONFIGS`."""
    config = copy.deepcopy(QWEN_CONFIGS[kind])
    config |= {name: copy.deepcopy(CONFIG[name]) for name in ("model_type", "sam2_config")}
    config |= {"template": "qwen_chat", "tie_word_embeddings": False, "image_token_id": 261}
    config["vision_config"].update(vision or {})
    config["text_config"].update(language or {})
    config.update(top)
    return config


# One of every way in which a language model and a vision tower are put together.
FAMILY_CONFIGS = {
    "InternVL": tiny_config(),
    "InternVL with InternLM2": tiny_config(language=INTERNLM2, template="internlm2_chat"),
    **{kind: tiny_qwen_config(kind) for kind in QWEN_CONFIGS},
}


def hollow_model(config: dict[str, Any], *, both: bool = False) -> Sa2VA:
    """The network of a configuration, without weights; `both` adds the original decoder."""
    from napari_sa2va.models.sa2va.loading import Hollow
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer

    with Hollow():
        return Sa2VA(
            config,
            Tokenizer.load(tokenizer_folder(config)),
            original_decoder=both,
            preprocessor=preprocessor_of(config),
        )


def preprocessor_of(config: dict[str, Any]) -> dict[str, Any]:
    """The preprocessor_config.json that belongs to a configuration; empty outside Qwen-VL."""
    if "text_config" not in config:
        return {}
    patch = config["vision_config"]["patch_size"]
    return {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "patch_size": patch,
        "merge_size": 2,
        "temporal_patch_size": 2,
        **_QWEN_COLOURS["Qwen2.5-VL" if patch == 14 else "Qwen3-VL"],
    }


def tokenizer_folder(config: dict[str, Any]) -> Path:
    """The golden case whose tokenizer has the tokens of a configuration's family."""
    return FOLDER / ("sa2va-qwen25-video" if "text_config" in config else "sa2va-qwen2-video")


def copy_tokenizer(folder: Path, config: dict[str, Any] = CONFIG) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer_folder(config) / name, folder / name)


def tiny_tensors(config: dict[str, Any], *, both: bool = False) -> dict[str, np.ndarray]:
    """Random weights by published name; `both` adds the original decoder (Sa2VA-i layout)."""
    hollow = hollow_model(config, both=both)
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
    copy_tokenizer(folder, config)
    if preprocessor := preprocessor_of(config):
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder
