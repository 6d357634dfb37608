"""The small Sa2VA to be trained: the network that also runs it, and how its weights start."""

from __future__ import annotations

import math
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
            "rope_theta": 1000000.0,
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
    start_eyes(network)
    start_language(network)
    align_attention(network.sam2)
    return network


def start_eyes(network: Sa2VA) -> None:
    """Let patches start out attending to near patches that look alike: mostly, to their own body.

    Shape and size are seen by comparing neighbours. Positions that start small and random leave
    attention an average over the frame, and shapes are then not learned within the whole schedule.
    So positions start as waves along y and x whose inner product falls off within two patches, and
    queries and keys start equal.
    """
    tower = network.mllm.model.vision_tower
    for name, weight in tower.named_parameters():
        if "lambda_" in name:
            nn.init.ones_(weight)
        elif weight.dim() > 1:
            nn.init.normal_(weight, std=0.06)
    with torch.no_grad():
        for layer in tower.encoder.layer:
            nn.init.orthogonal_(layer.attention.q_proj.weight, gain=1.2)
            layer.attention.k_proj.weight.copy_(layer.attention.q_proj.weight)
        positions = tower.embeddings.position_embeddings[0, 1:]  # the first is the class token's
        side, waves = math.isqrt(len(positions)), positions.shape[1] // 4
        phase = torch.arange(side)[:, None] * torch.linspace(0.1, 1.6, waves)
        wave = torch.cat([phase.sin(), phase.cos()], 1)
        positions[:, : 2 * waves] = wave.repeat_interleave(side, 0)
        positions[:, 2 * waves :] = wave.repeat(side, 1)


def start_language(network: Sa2VA) -> None:
    """Let the language model start out comparing and copying words.

    Queries and keys start equal, so a token attends to tokens that hold the same words; values and
    outputs start as each other's transpose, so it takes over what it finds there; the output words
    start as the input words. A random start has to discover all three before anything is grounded,
    and rests on the most frequent answer until then. What layers write stays smaller than what the
    residual stream brings.
    """
    language = network.mllm.model.language_model
    embeddings = language.embed_tokens.weight
    nn.init.normal_(embeddings, std=0.5)
    with torch.no_grad():
        network.mllm.lm_head.weight.copy_(0.1 * embeddings)
        for layer in language.layers:
            attention, mlp = layer.self_attn, layer.mlp
            nn.init.orthogonal_(attention.q_proj.weight, gain=0.8)
            attention.k_proj.weight.copy_(attention.q_proj.weight)
            nn.init.orthogonal_(attention.v_proj.weight)
            attention.o_proj.weight.copy_(0.3 * attention.v_proj.weight.T)
            for projection in (mlp.gate_proj, mlp.up_proj):
                nn.init.normal_(projection.weight, std=0.08)
            nn.init.normal_(mlp.down_proj.weight, std=0.02)
    projector = network.mllm.model.multi_modal_projector
    nn.init.normal_(projector.linear_1.weight, std=0.05)
    nn.init.normal_(projector.linear_2.weight, std=0.1)


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
    images : Tensor, shape (number of picture placeholders, D)
        Or of any shape that flattens to it, in the order of the sequences.
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
