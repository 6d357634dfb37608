"""Published names map to ours and back, each exactly once, down to a real export's index."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.sa2va.keymap import GroupedQkv, KeyMap, Rule, Stacked
from napari_sa2va.models.sa2va.loading import Hollow
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.sa2va.tokenizer import Tokenizer

KEYS = KeyMap(
    (
        Rule("old.{n}.qkv.{rest}", ("new.{n}.q.{rest}", "new.{n}.k.{rest}"), Stacked(2)),
        Rule("old.{n}.g_weight", ("new.{n}.gamma",)),
        Rule("old.{rest}", ("new.{rest}",)),
    )
)


def test_the_first_rule_that_matches_decides():
    assert KEYS.to_native("old.3.g_weight").native == ("new.3.gamma",)
    assert KEYS.to_native("old.3.other").native == ("new.3.other",)


def test_a_layer_number_is_a_number():
    assert KEYS.to_native("old.x.g_weight").native == ("new.x.g_weight",)


def test_dots_in_a_rule_are_dots():
    assert KEYS.to_native("oldX3.g_weight") is None


def test_one_published_tensor_may_hold_several_of_ours():
    native = {"new.0.q.bias": torch.tensor([1.0, 2.0]), "new.0.k.bias": torch.tensor([3.0, 4.0])}
    published = KEYS.to_published(native)
    assert published["old.0.qkv.bias"].tolist() == [1, 2, 3, 4]
    target = KEYS.to_native("old.0.qkv.bias")
    parts = target.transform.split(published["old.0.qkv.bias"])
    assert dict(zip(target.native, [p.tolist() for p in parts], strict=True)) == {
        "new.0.q.bias": [1, 2],
        "new.0.k.bias": [3, 4],
    }


def test_half_of_a_joined_tensor_cannot_be_published():
    with pytest.raises(CheckpointError, match="needs 2 tensors"):
        KEYS.to_published({"new.0.q.bias": torch.zeros(2)})


def test_a_tensor_without_a_published_name_is_an_error():
    with pytest.raises(CheckpointError, match="no published name"):
        KEYS.to_published({"foreign": torch.zeros(2)})


def test_grouped_attention_is_interleaved_per_key_value_head():
    # 2 key-value heads, 2 queries each, head size 1: rows are q q k v, q q k v.
    rows = torch.tensor([[10.0], [11.0], [20.0], [30.0], [12.0], [13.0], [21.0], [31.0]])
    grouped = GroupedQkv(kv_heads=2, queries=2, head_dim=1)
    q, k, v = grouped.split(rows)
    assert q.flatten().tolist() == [10, 11, 12, 13]
    assert k.flatten().tolist() == [20, 21]
    assert v.flatten().tolist() == [30, 31]
    assert torch.equal(grouped.join([q, k, v]), rows)


@pytest.fixture(scope="module")
def export():
    shared = os.environ.get("NAPARI_SA2VA_SHARED")
    if not shared:
        pytest.skip("NAPARI_SA2VA_SHARED does not name the folder with a real export's index")
    return Path(shared) / "data" / "tokenizers" / "qwen2_sa2va"


def test_every_tensor_of_a_real_export_maps_exactly_once(export):
    """The 8B export on Qwen2: sizes of its parts as their publishers give them."""
    names = set(json.loads((export / "model.safetensors.index.json").read_text())["weight_map"])
    config = {
        "template": "qwen_chat",
        "force_image_size": 448,
        "vision_config": {
            "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
            "num_attention_heads": 16, "image_size": 448, "norm_type": "layer_norm",
            "qkv_bias": True, "qk_normalization": False,
        },
        "llm_config": {
            "architectures": ["Qwen2ForCausalLM"], "vocab_size": 151679, "hidden_size": 3584,
            "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
    }  # fmt: skip
    with Hollow():
        model = Sa2VA(config, Tokenizer.load(export), original_decoder=False)
    shapes = model.key_map.published_shapes({n: tuple(t.shape) for n, t in model.tensors().items()})
    assert len(names) == 1589
    assert shapes.keys() == names
    # The index counts parameters; the Fourier matrix of SAM's point code is a stored constant.
    fourier = 2 * 128
    assert sum(math.prod(shape) for shape in shapes.values()) == 8_182_606_130 + fourier
    targets = [model.key_map.to_native(name) for name in names]
    native = [name for target in targets for name in target.native]
    assert sorted(native) == sorted(model.tensors())
