"""The small Sa2VA to be trained: the network that also runs it, and how its weights start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.sam2.build import Sam2Config

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

    from napari_sa2va.models.sa2va.tokenizer import Tokenizer
    from napari_sa2va.training.settings import NanoSettings


def sam2_config(settings: NanoSettings) -> Sam2Config:
    """Sizes of the small SAM 2."""
    return Sam2Config(
        image_size=settings.image_size,
        embed_dim=24,
        num_heads=1,
        stages=(1, 1, 2, 1),
        global_att_blocks=(3,),
        window_spec=(8, 4, 8, 4),
        hidden_dim=96,
        memory_dim=24,
        memory_layers=2,
        memory_feedforward=256,
    )


def published_config(settings: NanoSettings, vocab_size: int) -> dict[str, Any]:
    """The `config.json` of the checkpoint: the published fields plus `sam2_config`."""
    return {
        "model_type": "sa2va_chat",
        "architectures": ["Sa2VAChatModel"],
        "template": "qwen_chat",
        "ps_version": "v2",
        "select_layer": -1,
        "downsample_ratio": 0.5,
        "force_image_size": settings.tile_size,
        "tie_word_embeddings": False,
        "vision_config": {
            "model_type": "intern_vit_6b",
            "architectures": ["InternVisionModel"],
            "hidden_size": settings.vision_width,
            "num_hidden_layers": settings.vision_layers,
            "num_attention_heads": settings.vision_width // 32,
            "intermediate_size": settings.vision_width * 3,
            "image_size": settings.tile_size,
            "patch_size": settings.patch_size,
            "qkv_bias": True,
            "qk_normalization": False,
            "norm_type": "layer_norm",
            "layer_norm_eps": 1e-6,
            "hidden_act": "gelu",
            "num_channels": 3,
        },
        "llm_config": {
            "model_type": "qwen2",
            "architectures": ["Qwen2ForCausalLM"],
            "hidden_size": settings.width,
            "intermediate_size": settings.width * 3,
            "num_hidden_layers": settings.layers,
            "num_attention_heads": settings.width // 32,
            "num_key_value_heads": settings.width // 32,
            "max_position_embeddings": 4096,
            "vocab_size": vocab_size,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
            "hidden_act": "silu",
            "tie_word_embeddings": False,
        },
        "sam2_config": sam2_config(settings).to_json(),
    }


def new_network(settings: NanoSettings, tokenizer: Tokenizer) -> Sa2VA:
    """An untrained network with both decoders.

    Parameters
    ----------
    settings : NanoSettings
    tokenizer : Tokenizer

    Returns
    -------
    Sa2VA
        In evaluation mode, in which it also stays while it is trained: it has no dropout that
        would be of use at this size, and some choices of SAM 2 differ in training mode.
    """
    torch.manual_seed(settings.seed)
    network = Sa2VA(published_config(settings, len(tokenizer)), tokenizer, original_decoder=True)
    tower = network.mllm.model.vision_tower
    for name, weight in tower.named_parameters():
        if "lambda_" in name:
            nn.init.ones_(weight)
        elif weight.dim() > 1:
            nn.init.normal_(weight, std=0.1 if "position" in name else 0.04)
    # A standard deviation of a tenth is what lets attention at this width learn to ground; the
    # matrices that write into the residual stream stay smaller, so that it keeps its input.
    for name, weight in network.mllm.model.language_model.named_parameters():
        if weight.dim() > 1:
            writes = name.endswith(("o_proj.weight", "down_proj.weight"))
            nn.init.normal_(weight, std=0.03 if writes else 0.1)
    nn.init.normal_(network.mllm.lm_head.weight, std=0.1)
    align_attention(network.sam2)
    return network


def align_attention(sam2: SAM2Base) -> None:
    """Let position match position from the first step.

    The inner product of two position codes falls off within some ten px, but unrelated query and
    key projections scramble it, and training then rests for long on "segment every object". So
    the decoder's attention starts with equal query and key projections, and the memory's rotary
    attention with a constant query and key whose rotation alone makes nearby cells attend.
    """
    for name, module in sam2.named_modules():
        if not hasattr(module, "q_proj"):
            continue
        if name.startswith("sam_mask_decoder"):
            nn.init.orthogonal_(module.q_proj.weight, gain=1.8)
            nn.init.zeros_(module.q_proj.bias)
            module.k_proj.load_state_dict(module.q_proj.state_dict())
        elif name.startswith("memory_attention"):
            nn.init.constant_(module.q_proj.bias, 0.6)
            nn.init.constant_(module.k_proj.bias, 0.6)


def start_tuning(network: Sa2VA) -> None:
    """Begin stage 2: the tuned decoder starts as the original one, the rest of SAM 2 is frozen."""
    network.tuned_decoder.load_state_dict(network.sam2.sam_mask_decoder.state_dict())
    network.sam2.requires_grad_(False)


def image_tokens(network: Sa2VA, pixels: torch.Tensor) -> torch.Tensor:
    """Projected image tokens: float32 (F, 3, S, S) -> (F, tokens per frame, D)."""
    found = network.mllm.model.get_image_features(
        pixel_values=pixels,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        return_dict=True,
    )
    return found.pooler_output


def hidden_states(
    network: Sa2VA,
    ids: torch.Tensor,
    images: torch.Tensor,
    mask: torch.Tensor,
    positions: torch.Tensor,
) -> torch.Tensor:
    """Last hidden states of packed sequences.

    Parameters
    ----------
    ids, positions : Tensor of int64, shape (B, L)
    images : Tensor, shape (B * F, tokens per frame, D)
    mask : Tensor of bool, shape (B, 1, L, L)

    Returns
    -------
    Tensor, shape (B, L, D)
        After the final norm.
    """
    language = network.mllm.model.language_model
    embedded = language.embed_tokens(ids)
    here = ids == network.tokenizer.id_of("<IMG_CONTEXT>")
    embedded = embedded.masked_scatter(here[..., None], images.to(embedded.dtype))
    bias = torch.zeros(mask.shape, dtype=embedded.dtype).masked_fill_(~mask, -1e9)
    out = language(
        inputs_embeds=embedded, attention_mask=bias, position_ids=positions, use_cache=False
    )
    return out.last_hidden_state
