"""What a run is said to take: weights to the byte, and more for more."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_sa2va._tests.tiny_checkpoint import (
    FAMILY_CONFIGS,
    tiny_qwen_config,
    write_tiny,
)
from napari_sa2va.models.formats import Formats, part_of
from napari_sa2va.models.sa2va.checkpoint import Checkpoint
from napari_sa2va.models.sa2va.footprint import Ask, predict
from napari_sa2va.models.sa2va.model import Sa2VA

FORMATS = {
    "float32": {},
    "bfloat16": {"dtype": "bfloat16"},
    "a smaller tower": {"vision_dtype": "float16"},
    "int8": {"quantise_language": "int8", "quantise_vision": "int8"},
    "int4": {"dtype": "bfloat16", "quantise_language": "int4"},
}


@pytest.fixture(scope="module", params=FAMILY_CONFIGS)
def folder(request, tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), FAMILY_CONFIGS[request.param])


@pytest.mark.parametrize("formats", FORMATS)
def test_the_weights_of_each_part_are_counted_to_the_byte(folder, formats):
    model = Sa2VA.load(folder, device="cpu", **({"dtype": "float32"} | FORMATS[formats]))
    checkpoint = Checkpoint.open(folder)
    held = {"language": 0, "vision": 0, "sam2": 0}
    for name, tensor in model.tensors().items():
        if not name.endswith(".code"):  # sixteen numbers per packed layer
            held[part_of(name)] += tensor.numel() * tensor.element_size()
    assert predict(checkpoint.config, checkpoint.tensors, model.formats).parts == held


def test_without_the_weights_they_are_counted_from_the_configuration(folder):
    checkpoint = Checkpoint.open(folder)
    for formats in (Formats(), Formats(quantise_language="int8", quantise_vision="int4")):
        exact = predict(checkpoint.config, checkpoint.tensors, formats).parts
        counted = predict(checkpoint.config, None, formats).parts
        for part in ("language", "vision"):
            assert counted[part] == pytest.approx(exact[part], rel=0.05), part


def entry(name):
    from napari_sa2va.models.zoo import find

    return find(name)


@pytest.mark.parametrize(("name", "billions"), [("sa2va-4b", 3.9), ("sa2va-26b", 25.7)])
def test_a_checkpoint_that_is_not_here_is_counted_from_its_number_of_parameters(name, billions):
    whole = predict({}, None, Formats("bfloat16", "bfloat16"), num_parameters=round(billions * 1e9))
    # 224 million of them are SAM 2's, in float32.
    assert whole.weights == pytest.approx((billions - 0.224) * 2e9 + 0.224 * 4e9, rel=0.01)
    assert whole.peak > whole.weights


BASE = Ask()
# Of published size, so that the steps of a run stand out from the weights of SAM 2.
ONE_B = {
    "force_image_size": 448, "downsample_ratio": 0.5,
    "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                      "patch_size": 14, "image_size": 448},
    "llm_config": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
                   "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151_679},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"num_key_frames": 20}, "looking"),
        ({"num_key_frames": 20}, "grounding"),
        ({"num_key_frames": 20, "num_objects": 2}, "tracking"),
        ({"num_objects": 8}, "tracking"),
        ({"height": 4320, "width": 7680}, "tracking"),
        ({"new_tokens": 2000}, "grounding"),
    ],
    ids=str,
)
def test_what_is_larger_takes_more(change, step):
    small, large = predict(ONE_B, ask=BASE), predict(ONE_B, ask=replace(BASE, **change))
    assert large.steps[step] > small.steps[step]
    assert large.weights == small.weights


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"pictures_at_once": 1}, "looking"),
        ({"objects_at_once": 1}, "tracking"),
        ({"offload_language": True}, "tracking"),
        ({"offload_frames": True}, "tracking"),
    ],
    ids=str,
)
def test_every_choice_that_spares_memory_is_seen_in_its_step(change, step):
    busy = replace(BASE, num_key_frames=16, num_objects=8)
    before, after = predict(ONE_B, ask=busy), predict(ONE_B, ask=replace(busy, **change))
    assert after.steps[step] < before.steps[step]
    assert {k: v for k, v in after.steps.items() if k != step} == {
        k: v for k, v in before.steps.items() if k != step
    }


def test_smaller_formats_take_less():
    order = (
        Formats(),
        Formats("bfloat16", "bfloat16", "bfloat16"),
        Formats("bfloat16", "bfloat16", "bfloat16", "int8", "int8"),
        Formats("bfloat16", "bfloat16", "bfloat16", "int4", "int4"),
    )
    peaks = [predict(ONE_B, formats=formats).peak for formats in order]
    assert peaks == sorted(peaks, reverse=True)
    assert len(set(peaks)) == len(peaks)


def test_larger_pictures_have_more_tokens_in_qwen_vl_and_the_same_in_internvl():
    large = replace(BASE, height=2160, width=3840)
    for config, more in ((ONE_B, False), (tiny_qwen_config("Qwen3-VL"), True)):
        before, after = predict(config, ask=BASE), predict(config, ask=large)
        assert (after.steps["grounding"] > before.steps["grounding"]) == more


@pytest.mark.parametrize(
    "config",
    [{}, {"vision_config": 3}, {"vision_config": {"hidden_size": "wide", "depth": None}},
     {"llm_config": [], "vision_config": {"patch_size": 0}, "downsample_ratio": "half"},
     {"text_config": {"num_attention_heads": -1}, "vision_config": {"deepstack_visual_indexes": 3}}],
    ids=str,
)  # fmt: skip
def test_a_configuration_that_makes_no_sense_is_no_reason_to_fail(config):
    """Loading is what refuses it; a list of models has to be shown all the same."""
    assert predict(config).peak > 0


def test_the_network_of_a_published_size_has_as_many_parameters_as_foretold():
    """Of the hollow network itself, so that no formula is checked with itself."""
    from napari_sa2va._tests.golden_cases import FOLDER
    from napari_sa2va.models.sa2va.loading import Hollow
    from napari_sa2va.models.sa2va.tokenizer import Tokenizer

    config = ONE_B | {"template": "qwen_chat", "vision_config": ONE_B["vision_config"] | {
        "num_attention_heads": 16, "norm_type": "layer_norm", "qkv_bias": True,
        "qk_normalization": False,
    }}  # fmt: skip
    config["llm_config"] = config["llm_config"] | {"architectures": ["Qwen2ForCausalLM"]}
    with Hollow():
        model = Sa2VA(config, Tokenizer.load(FOLDER / "sa2va-qwen2-video"), original_decoder=False)
    exact = sum(t.numel() * torch.float32.itemsize for t in model.tensors().values())
    assert predict(config).weights == pytest.approx(exact, rel=0.002)
