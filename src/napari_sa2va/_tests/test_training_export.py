"""A trained network is written in the published layout and comes back unchanged."""

from __future__ import annotations

import json

import pytest
import torch

from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.training.export import export_checkpoint
from napari_sa2va.training.nano import nano_tokenizer
from napari_sa2va.training.network import new_network
from napari_sa2va.training.settings import NanoSettings

SETTINGS = NanoSettings(
    image_size=64, tile_size=32, vision_width=32, vision_layers=1, width=32, layers=1
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    network = new_network(SETTINGS, nano_tokenizer(SETTINGS))
    torch.nn.init.normal_(network.tuned_decoder.iou_token.weight)
    folder = tmp_path_factory.mktemp("nano")
    export_checkpoint(network, folder)
    return network, folder


def test_the_loader_of_published_checkpoints_reads_back_what_was_trained(exported):
    network, folder = exported
    loaded = Sa2VA.load(folder, device="cpu", dtype="float32")
    before, after = network.tensors(), loaded.tensors()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor.half().float(), atol=0, rtol=0)


def test_names_are_those_of_the_published_consistent_layout(exported):
    from safetensors import safe_open

    with safe_open(str(exported[1] / "model.safetensors"), "pt") as file:
        names = set(file.keys())
    sam2 = "grounding_encoder.sam2_model."
    assert "vision_model.encoder.layers.0.attn.qkv.weight" in names
    assert "language_model.lm_head.weight" in names
    assert f"{sam2}sam_mask_decoder_modified.iou_token.weight" in names
    assert f"{sam2}sam_mask_decoder.iou_token.weight" in names
    assert f"{sam2}memory_encoder.fuser.layers.0.g_weight" in names
    assert not any("gamma" in name for name in names)


def test_the_configuration_says_how_large_everything_is(exported):
    config = json.loads((exported[1] / "config.json").read_text())
    assert config["model_type"] == "sa2va_chat"
    assert config["force_image_size"] == 32
    assert config["sam2_config"]["image_size"] == 64
