"""8 and 4 bits: only the large matrices of the language model and the tower, and close to what they were."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import napari_sa2va
from napari_sa2va._tests.tiny_checkpoint import (
    FAMILY_CONFIGS,
    write_tiny,
)
from napari_sa2va.core.errors import CheckpointError, ModelError
from napari_sa2va.models.formats import Formats, may_be_quantised, part_of
from napari_sa2va.models.sa2va import quantise
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.sa2va.quantise import Int4Linear, Int8Linear, PackedLinear

NANO_FOLDER = Path(napari_sa2va.__file__).parent / "models" / "nano"
FRAMES = [np.random.default_rng(t).integers(0, 255, (40, 60, 3), np.uint8) for t in range(2)]


def load(folder, **kwargs):
    return Sa2VA.load(folder, device="cpu", **kwargs)


def packed_layers(model):
    return {n: m for n, m in model.named_modules() if isinstance(m, PackedLinear)}


@pytest.fixture(scope="module", params=FAMILY_CONFIGS)
def folder(request, tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), FAMILY_CONFIGS[request.param])


@pytest.mark.parametrize(("kind", "layer"), [("int8", Int8Linear), ("int4", Int4Linear)])
def test_layers_of_language_model_and_tower_are_packed_and_nothing_else_is(folder, kind, layer):
    plain = load(folder)
    model = load(folder, quantise_language=kind, quantise_vision=kind)
    packed = packed_layers(model)
    linear = {n for n, m in plain.named_modules() if isinstance(m, nn.Linear)}
    inside = {n for n in linear if (".layers." in n or ".layer." in n or ".blocks." in n)
              and n.startswith("mllm.")}  # fmt: skip
    assert packed.keys() == inside
    assert all(type(module) is layer for module in packed.values())
    assert any("language_model" in name for name in packed)
    assert any("vision_tower" in name or "visual" in name for name in packed)
    untouched = [n for n in linear - inside if n.startswith("mllm.")]
    # The head, and the projector, or what takes its place.
    assert any("lm_head" in n for n in untouched)
    assert any("projector" in n or "merger" in n for n in untouched)
    for name, tensor in plain.tensors().items():
        if name.removesuffix(".weight") not in packed:
            assert torch.equal(tensor, model.tensors()[name]), name


@pytest.mark.parametrize("part", ["language", "vision"])
def test_each_part_can_be_packed_alone(folder, part):
    model = load(folder, **{f"quantise_{part}": "int8"})
    assert {part_of(name + ".weight") for name in packed_layers(model)} == {part}


@pytest.mark.parametrize(
    ("formats", "furthest"),
    [
        ({"dtype": "bfloat16"}, 0.05),
        ({"vision_dtype": "bfloat16"}, 0.05),
        ({"dtype": "bfloat16", "vision_dtype": "float32"}, 0.05),
        ({"quantise_language": "int8", "quantise_vision": "int8"}, 0.05),
        ({"quantise_language": "int4", "quantise_vision": "int4"}, 0.4),
    ],
    ids=str,
)
def test_the_trained_network_points_nearly_where_it_did(formats, furthest):
    def state(**kwargs):
        model = load(NANO_FOLDER, **kwargs)
        return model.ground(FRAMES, "Please segment the cell.", answer="It is [SEG].").hidden[0]

    plain, other = state(), state(**formats)
    assert not np.array_equal(plain, other)
    assert np.linalg.norm(plain - other) < furthest * np.linalg.norm(plain)


@pytest.mark.parametrize("vision_dtype", ["bfloat16", "float16"])
def test_every_family_takes_a_tower_of_another_format(folder, vision_dtype):
    model = load(folder, vision_dtype=vision_dtype)
    assert model.ground(FRAMES, "the cell", answer="It is [SEG].").hidden.dtype == np.float32
    towers = {t.dtype for n, t in model.tensors().items() if part_of(n) == "vision"}
    assert towers == {getattr(torch, vision_dtype)}


def weight(out=48, into=64, seed=0):
    return torch.randn(out, into, generator=torch.Generator().manual_seed(seed))


def packed(kind, matrix, bias=None):
    linear = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None)
    if bias is not None:
        linear.bias.data = bias
    layer = kind(linear)
    layer.take(matrix.clone())
    return layer.requires_grad_(False)


def test_eight_bits_are_off_by_at_most_half_a_step_of_their_row():
    matrix = weight()
    matrix[3] = 0
    steps = matrix.abs().amax(dim=1, keepdim=True) / 127
    error = (packed(Int8Linear, matrix).unpacked(torch.float32) - matrix).abs()
    assert (error <= steps / 2 + 1e-6).all()
    assert not error[3].any()


def test_four_bits_are_the_nf4_code_of_each_block_of_64():
    matrix = weight(into=128)
    found = packed(Int4Linear, matrix).unpacked(torch.float32)
    # NF4's largest gap is between -1 and its neighbour -0.6962 (Dettmers et al. 2023, appendix E).
    largest = matrix.reshape(-1, 64).abs().amax(dim=1).repeat_interleave(64).reshape(48, 128)
    assert ((found - matrix).abs() <= largest * 0.153).all()
    assert len({round(float(v), 4) for v in (found / largest).flatten()}) <= 16


@pytest.mark.parametrize("into", [96, 64, 50])
def test_four_bits_are_the_same_whether_packed_at_once_or_in_portions(monkeypatch, into):
    matrix = weight(out=200, into=into)
    whole = packed(Int4Linear, matrix)
    monkeypatch.setattr(quantise, "_PACKED_AT_ONCE", 1000)
    portions = packed(Int4Linear, matrix)
    assert torch.equal(whole.packed, portions.packed)
    assert torch.equal(whole.scale, portions.scale)
    assert torch.equal(portions.unpacked(torch.float32), whole.unpacked(torch.float32))


@pytest.mark.parametrize("kind", [Int8Linear, Int4Linear])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_packed_layer_computes_in_the_format_it_is_fed(kind, dtype):
    matrix, bias = weight(), torch.randn(48).to(dtype)
    layer = packed(kind, matrix, bias)
    x = torch.randn(3, 5, 64).to(dtype)
    result = layer(x)
    assert result.dtype == dtype
    expected = x.float() @ layer.unpacked(torch.float32).T + bias.float()
    torch.testing.assert_close(result.float(), expected, rtol=0.05, atol=0.1)


def test_large_weights_in_eight_bits_do_not_overflow_float16():
    layer = packed(Int8Linear, weight() * 1e-3)
    x = torch.full((1, 64), 30.0, dtype=torch.float16)  # 64 * 127 * 30 is beyond 65504
    assert torch.isfinite(layer(x)).all()


@pytest.mark.parametrize(("kind", "bits"), [("int8", 8), ("int4", 4)])
def test_a_packed_matrix_takes_as_many_bits_as_foretold(kind, bits):
    matrix = weight(256, 512)
    layer = packed(Int8Linear if kind == "int8" else Int4Linear, matrix)
    held = sum(b.numel() * b.element_size() for n, b in layer.named_buffers() if n != "code")
    name = "language_model.model.layers.0.mlp.up_proj.weight"
    assert held == Formats(quantise_language=kind).bytes_of(name, (256, 512))
    assert held < matrix.numel() * (bits / 8 + 0.07)


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_a_packed_network_can_be_halved_and_moved(folder, kind):
    model = load(folder, quantise_language=kind, quantise_vision=kind)
    model.halve()
    model.to("cpu")
    grounding = model.ground(FRAMES, "the cell", answer="It is [SEG].<|im_end|>")
    assert np.isfinite(grounding.embeddings).all()
    assert model.formats.language == "bfloat16"


def test_a_packed_network_cannot_be_published(folder):
    model = load(folder, quantise_language="int8")
    with pytest.raises(CheckpointError, match="was quantised"):
        model.to_published()


def test_four_bits_without_the_library_say_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match="cannot be imported") as caught:
        load(folder, quantise_language="int4")
    assert "napari-sa2va[int4]" in caught.value.hint
    assert packed_layers(load(folder, quantise_language="int8"))  # needs no library


def test_importing_the_library_hides_what_would_load_code_from_the_hub(monkeypatch):
    """With a package called `kernels` installed, bitsandbytes downloads a kernel on import."""
    monkeypatch.delitem(sys.modules, "kernels", raising=False)
    with quantise._no_code_from_the_hub(), pytest.raises(ImportError):
        import kernels  # noqa: F401
    assert "kernels" not in sys.modules


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("model.model.visual.blocks.3.attn.qkv.weight", (96, 32), True),
        ("model.model.language_model.layers.0.mlp.down_proj.weight", (32, 48), True),
        ("vision_model.encoder.layers.0.mlp.fc1.weight", (24, 16), True),
        ("vision_model.encoder.layers.0.norm1.weight", (16,), False),
        ("vision_model.embeddings.patch_embedding.weight", (16, 3, 14, 14), False),
        ("mlp1.1.weight", (32, 64), False),
        ("model.model.visual.merger.mlp.0.weight", (128, 128), False),
        ("model.model.visual.deepstack_merger_list.0.linear_fc1.weight", (128, 128), False),
        ("text_hidden_fcs.0.weight", (32, 32), False),
        ("language_model.model.embed_tokens.weight", (267, 32), False),
        ("grounding_encoder.sam2_model.memory_attention.layers.0.linear1.weight", (32, 32), False),
    ],
)
def test_what_may_be_quantised(name, shape, expected):
    assert may_be_quantised(name, shape) == expected
