"""Every kind of published checkpoint is told from its config.json, and built as what it is."""

from __future__ import annotations

import pytest

from napari_sa2va._tests.tiny_checkpoint import (
    INTERNLM2,
    QWEN_CONFIGS,
    SIX_BILLION_KIND,
    hollow_model,
    tiny_config,
    tiny_qwen_config,
)
from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.sa2va import qwen_vl
from napari_sa2va.models.sa2va.families import FAMILIES, family_of
from napari_sa2va.models.sa2va.loading import Hollow

INTERNVL_CODE = {"AutoModel": "modeling_sa2va_chat.Sa2VAChatModel"}
QWEN_CODE = {"AutoModel": "modeling_sa2va_qwen.Sa2VAChatModelQwen"}
PHI3 = {"architectures": ["Phi3ForCausalLM"]}

# Checkpoint -> (its kind of configuration, family, native language model, template).
PUBLISHED = {
    "Sa2VA-1B": (tiny_config(), "internvl", "Qwen2Model", "qwen_chat"),
    "Sa2VA-4B": (tiny_config(template="phi3_chat"), "internvl", "Qwen2Model", "phi3_chat"),
    "Sa2VA-8B": (
        tiny_config(language=INTERNLM2, template="internlm2_chat"),
        "internvl", "LlamaModel", "internlm2_chat",
    ),
    "Sa2VA-26B": (
        tiny_config(language=INTERNLM2, vision=SIX_BILLION_KIND, template="internlm2_chat"),
        "internvl", "LlamaModel", "internlm2_chat",
    ),
    "Sa2VA-InternVL3-2B": (
        tiny_config(auto_map=INTERNVL_CODE), "internvl", "Qwen2Model", "qwen_chat",
    ),
    "first generation 4B": (
        tiny_config(language=PHI3, template="phi3-chat"), "internvl", "Phi3Model", "phi3_chat",
    ),
    "Sa2VA-Qwen2_5-VL-3B": (
        tiny_qwen_config("Qwen2.5-VL", auto_map=QWEN_CODE),
        "qwen-vl", "Qwen2_5_VLTextModel", "qwen_chat",
    ),
    "Sa2VA-Qwen3-VL-4B": (
        tiny_qwen_config("Qwen3-VL", auto_map=QWEN_CODE),
        "qwen-vl", "Qwen3VLTextModel", "qwen_chat",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("both", [False, True], ids=["sa2va", "sa2va-i"])
def test_a_published_checkpoint_is_built_as_what_it_is(name, both):
    config, family, language, template = PUBLISHED[name]
    assert config["model_type"] == "sa2va_chat"  # all of them: it tells nothing
    assert family_of(config).name == family
    model = hollow_model(config, both=both)
    assert type(model.mllm.model.language_model).__name__ == language
    assert model._reader.template.name == template
    assert (model.original_decoder is not None) == both


@pytest.mark.parametrize("name", PUBLISHED)
def test_no_two_families_recognise_one_checkpoint(name):
    config = PUBLISHED[name][0]
    assert [family.name for family in FAMILIES if family.recognises(config)] == [PUBLISHED[name][1]]


@pytest.mark.parametrize("kind", QWEN_CONFIGS)
def test_a_tower_that_does_not_say_its_kind_is_known_by_its_fields(kind):
    """Exports of some versions leave `model_type` out of the parts."""
    config = tiny_qwen_config(kind)
    del config["vision_config"]["model_type"]
    del config["text_config"]["model_type"]
    with Hollow():
        assert type(qwen_vl.build(config)).__name__[:5] == kind[:5]


# Known sizes of the bases, whose embedding and head are one matrix there and two here.
@pytest.mark.parametrize(
    ("vision", "text", "of_base"),
    [
        (
            {"model_type": "qwen2_5_vl", "hidden_size": 1280, "out_hidden_size": 2048},
            {
                "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
                "num_attention_heads": 16, "num_key_value_heads": 2,
            },
            3_754_622_976,
        ),
        (
            {
                "model_type": "qwen3_vl", "hidden_size": 1024, "depth": 24,
                "intermediate_size": 4096, "out_hidden_size": 2560,
                "deepstack_visual_indexes": [5, 11, 17],
            },
            {
                "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
                "num_key_value_heads": 8,
            },
            4_437_815_808,
        ),
    ],
    ids=["Qwen2.5-VL-3B", "Qwen3-VL-4B"],
)  # fmt: skip
def test_fields_that_a_file_leaves_out_are_those_of_the_published_classes(vision, text, of_base):
    config = {"vision_config": vision, "text_config": text | {"vocab_size": 151936}}
    with Hollow():
        network = qwen_vl.build(config)
    words = 151936 * text["hidden_size"]
    assert sum(p.numel() for p in network.parameters()) == of_base + words
    rope = network.config.text_config.rope_parameters
    assert rope["rope_theta"] == (1e6 if vision["model_type"] == "qwen2_5_vl" else 5e6)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "llama"}, "model_type 'llama'.*'llm_config' or 'text_config'"),
        ({"text_config": {}}, "does not describe a Sa2VA checkpoint"),
        ({"llm_config": {}}, "does not describe a Sa2VA checkpoint"),
    ],
)
def test_what_is_no_sa2va_checkpoint_is_of_no_family(config, words):
    with pytest.raises(CheckpointError, match=words):
        family_of(config)
