"""The native vision towers compute what the published ones do; configurations mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_sa2va._tests.tiny_checkpoint import (
    SIX_BILLION_KIND,
    tiny_config,
    tiny_tensors,
    write_tiny,
)
from napari_sa2va.models.sa2va import internvl
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.sa2va.published_config import rope_parameters


def published_tower(tensors, pixels, config):
    """The tower as its paper and configuration describe it, on published names, without classes."""
    w = {n.removeprefix("vision_model."): torch.from_numpy(t) for n, t in tensors.items()}
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
    rms = config["norm_type"] == "rms_norm"

    def norm(x, name):
        if rms:
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * w[f"{name}.weight"]
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)

    patch = w["embeddings.patch_embedding.weight"]
    x = F.conv2d(pixels, patch, w["embeddings.patch_embedding.bias"], stride=patch.shape[-1])
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([w["embeddings.class_embedding"].expand(len(x), -1, -1), x], dim=1)
    x = x + w["embeddings.position_embedding"]
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layers.{i}"
        y = norm(x, f"{layer}.norm1")
        qkv = F.linear(y, w[f"{layer}.attn.qkv.weight"], w.get(f"{layer}.attn.qkv.bias"))
        q, k, v = qkv.chunk(3, dim=-1)
        if config["qk_normalization"]:  # over the full width, before the heads are split
            q, k = norm(q, f"{layer}.attn.q_norm"), norm(k, f"{layer}.attn.k_norm")
        q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        y = F.linear(y, w[f"{layer}.attn.proj.weight"], w[f"{layer}.attn.proj.bias"])
        x = x + y * w[f"{layer}.ls1"]
        y = norm(x, f"{layer}.norm2")
        y = F.gelu(F.linear(y, w[f"{layer}.mlp.fc1.weight"], w[f"{layer}.mlp.fc1.bias"]))
        y = F.linear(y, w[f"{layer}.mlp.fc2.weight"], w[f"{layer}.mlp.fc2.bias"])
        x = x + y * w[f"{layer}.ls2"]
    return x[:, 1:]  # (n, patches, Dv): without the class token, and no norm at the end


def published_projector(tensors, patches):
    """2 x 2 patches -> one token, row by row; then LayerNorm, Linear, GELU, Linear."""
    w = {n: torch.from_numpy(t) for n, t in tensors.items()}
    side = int(patches.shape[1] ** 0.5)
    grid = patches.unflatten(1, (side // 2, 2, side // 2, 2))  # (n, y, dy, x, dx, Dv)
    merged = grid.permute(0, 1, 3, 2, 4, 5).flatten(3).flatten(1, 2)
    x = F.layer_norm(merged, merged.shape[-1:], w["mlp1.0.weight"], w["mlp1.0.bias"])
    x = F.gelu(F.linear(x, w["mlp1.1.weight"], w["mlp1.1.bias"]))
    return F.linear(x, w["mlp1.3.weight"], w["mlp1.3.bias"])


@pytest.mark.parametrize("vision", [{}, SIX_BILLION_KIND], ids=["300M kind", "6B kind"])
def test_vision_tokens_equal_the_published_computation(tmp_path, vision):
    # An epsilon that shows: the native class ignores it in the norms of q and k.
    config = tiny_config(vision=vision | {"layer_norm_eps": 1e-2})
    tensors = tiny_tensors(config)
    model = Sa2VA.load(write_tiny(tmp_path, config, tensors), device="cpu")
    pixels = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = model._reader.encode(pixels)
    theirs = published_projector(tensors, published_tower(tensors, pixels, config["vision_config"]))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)


def test_old_checkpoints_have_their_vision_tokens_column_by_column(tmp_path):
    config = tiny_config(ps_version="v1")
    tensors = tiny_tensors(config)
    new = Sa2VA.load(write_tiny(tmp_path / "v2", tiny_config(), tensors), device="cpu")
    old = Sa2VA.load(write_tiny(tmp_path / "v1", config, tensors), device="cpu")
    pixels = torch.randn(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        rows, columns = new._reader.encode(pixels)[0], old._reader.encode(pixels)[0]
    # A grid of 2 x 2 tokens: the second by rows is the third by columns.
    assert not torch.allclose(rows[1], rows[2])
    torch.testing.assert_close(columns, rows[[0, 2, 1, 3]])


def test_many_pictures_go_through_the_tower_in_batches_with_the_same_result(tmp_path):
    model = Sa2VA.load(write_tiny(tmp_path), device="cpu")
    frames = np.random.default_rng(0).integers(0, 256, (11, 20, 30, 3), np.uint8)
    together = model.look(frames).tokens
    alone = torch.cat([model.look([frame]).tokens for frame in frames])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize(
    ("published", "rope"),
    [
        ({"rope_theta": 1e6}, {"rope_type": "default", "rope_theta": 1e6}),
        ({}, {"rope_type": "default", "rope_theta": 1e4}),
        (
            {"rope_theta": 1e6, "rope_scaling": {"type": "dynamic", "factor": 2.0}},
            {"rope_type": "dynamic", "rope_theta": 1e6, "factor": 2.0},
        ),
        (
            {"rope_parameters": {"rope_type": "default", "rope_theta": 5e6}},
            {"rope_type": "default", "rope_theta": 5e6},
        ),
        (
            {"rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}},
            {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [16, 24, 24]},
        ),
        (
            {"rope_scaling": {"type": "su", "short_factor": [1.0], "long_factor": [2.0]}},
            {
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "short_factor": [1.0],
                "long_factor": [2.0],
            },
        ),
    ],
)
def test_rotary_settings_are_read_from_old_and_new_files(published, rope):
    assert rope_parameters(published, 1e4) == rope


def test_a_config_that_leaves_the_tower_out_means_the_6b_kind():
    """Exports leave out what equals the defaults of the published classes."""
    config = tiny_config()
    config["vision_config"] = {"image_size": 56, "num_hidden_layers": 1}
    from napari_sa2va.models.sa2va.loading import Hollow

    with Hollow():
        tower = internvl.build(config).model.vision_tower
    attention = tower.encoder.layer[0].attention
    assert attention.q_proj.weight.shape == (3200, 3200)
    assert attention.q_proj.bias is None
    assert attention.q_norm.weight.shape == (3200,)


def test_the_number_of_tokens_follows_from_the_tile():
    assert internvl.tokens_per_tile(tiny_config()) == 4
    assert internvl.tokens_per_tile(tiny_config(force_image_size=448)) == 256
