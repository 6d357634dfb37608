"""First-generation checkpoints on Phi3: the published computation, by hand, on published names."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_sa2va._tests.tiny_checkpoint import tiny_config, tiny_tensors, write_tiny
from napari_sa2va.models.sa2va.model import Sa2VA

# The 4B is made from a Phi3 for long texts: beyond `original_max_position_embeddings` tokens it
# takes other rotary factors.
LONG = {
    "architectures": ["Phi3ForCausalLM"],
    "original_max_position_embeddings": 16,
    "max_position_embeddings": 512,
    "rope_scaling": {
        "type": "su",
        "short_factor": [1.0, 1.1, 1.2, 1.3],
        "long_factor": [1.0, 2.0, 4.0, 8.0],
    },
    "sliding_window": 400,
}
PLAIN = {"architectures": ["Phi3ForCausalLM"], "rope_scaling": None}


def published_states(tensors, ids, config):
    """Last hidden states of a Phi3 with fused projections, as its publishers describe it."""
    w = {
        name.removeprefix("language_model.model."): torch.from_numpy(values)
        for name, values in tensors.items()
        if name.startswith("language_model.model.")
    }
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    size = config["hidden_size"] // heads
    cos, sin = rotation(len(ids), size, config)

    def norm(x, name):
        eps = config["rms_norm_eps"]
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * w[f"{name}.weight"]

    def turned(x):  # (heads, P, size)
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-second, first], dim=-1) * sin

    x = w["embed_tokens.weight"][torch.tensor(ids)]
    for i in range(config["num_hidden_layers"]):
        layer = f"layers.{i}"
        qkv = norm(x, f"{layer}.input_layernorm") @ w[f"{layer}.self_attn.qkv_proj.weight"].T
        q, k, v = qkv.split([heads * size, kv_heads * size, kv_heads * size], dim=-1)
        q, k, v = (t.unflatten(-1, (-1, size)).transpose(0, 1) for t in (q, k, v))
        k, v = (t.repeat_interleave(heads // kv_heads, dim=0) for t in (turned(k), v))
        y = F.scaled_dot_product_attention(turned(q), k, v, is_causal=True)
        x = x + y.transpose(0, 1).flatten(1) @ w[f"{layer}.self_attn.o_proj.weight"].T
        y = norm(x, f"{layer}.post_attention_layernorm")
        gate, up = (y @ w[f"{layer}.mlp.gate_up_proj.weight"].T).chunk(2, dim=-1)
        x = x + (up * F.silu(gate)) @ w[f"{layer}.mlp.down_proj.weight"].T
    return norm(x, "norm")


def rotation(length, size, config):
    factors, scaling = torch.ones(size // 2), 1.0
    if config["rope_scaling"]:
        trained = config["original_max_position_embeddings"]
        kind = "long_factor" if length > trained else "short_factor"
        factors = torch.tensor(config["rope_scaling"][kind])
        stretch = config["max_position_embeddings"] / trained
        scaling = math.sqrt(1 + math.log(stretch) / math.log(trained))
    powers = torch.arange(0, size, 2).float() / size
    angles = torch.arange(length).float()[:, None] / (factors * config["rope_theta"] ** powers)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos() * scaling, angles.sin() * scaling


@pytest.mark.parametrize("language", [PLAIN, LONG], ids=["4k kind", "128k kind"])
@pytest.mark.parametrize("length", [10, 40])
def test_hidden_states_equal_the_published_computation(tmp_path, language, length):
    config = tiny_config(language=language, template="phi3_chat")
    tensors = tiny_tensors(config)
    model = Sa2VA.load(write_tiny(tmp_path, config, tensors), device="cpu")
    ids = np.random.default_rng(0).integers(0, 256, length).tolist()
    with torch.inference_mode():
        ours = model._reader.read(ids, model.look([]))
    theirs = published_states(tensors, ids, config["llm_config"])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)


def test_a_phi3_checkpoint_answers_about_pictures_and_stops_at_its_own_mark(tmp_path):
    config = tiny_config(language=LONG, template="phi3_chat")
    model = Sa2VA.load(write_tiny(tmp_path, config), device="cpu")
    frames = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8)
    grounding = model.ground(frames, "Segment the cell.", "It is [SEG].<|end|>")
    assert model.tokenizer.decode(grounding.prompt_ids).startswith("<|user|>\n<img>")
    assert model.tokenizer.decode(grounding.prompt_ids).endswith("<|end|>\n<|assistant|>\n")
    assert len(grounding.embeddings) == 1
    assert model._reader.is_finished(grounding.answer)
