"""Checkpoints load completely and exactly, or say which tensor is wrong; nothing in them is run."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import sys

import numpy as np
import pytest
import safetensors
import torch
from safetensors.numpy import load_file, save_file

from napari_sa2va._tests.tiny_checkpoint import (
    INTERNLM2,
    SIX_BILLION_KIND,
    tiny_config,
    tiny_tensors,
    write_tiny,
)
from napari_sa2va.core.errors import CheckpointError, MemoryShortage, ModelError
from napari_sa2va.models import device as devices
from napari_sa2va.models.sa2va import loading
from napari_sa2va.models.sa2va import model as model_module
from napari_sa2va.models.sa2va.model import Sa2VA

DECODER = "grounding_encoder.sam2_model.sam_mask_decoder"
A_DECODER_TENSOR = f"{DECODER}.iou_token.weight"


def load(folder, **kwargs):
    return Sa2VA.load(folder, device="cpu", **kwargs)


@pytest.fixture
def tensors():
    return tiny_tensors(tiny_config())


KINDS = {
    "qwen2": tiny_config(),
    "internlm2": tiny_config(language=INTERNLM2, template="internlm2_chat"),
    "llama": tiny_config(language={"architectures": ["LlamaForCausalLM"]}),
    "qwen3": tiny_config(language={"architectures": ["Qwen3ForCausalLM"], "head_dim": 8}),
    "phi3": tiny_config(language={"architectures": ["Phi3ForCausalLM"]}, template="phi3_chat"),
    "6B tower": tiny_config(vision=SIX_BILLION_KIND),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("both", [False, True], ids=["sa2va", "sa2va-i"])
def test_what_was_loaded_can_be_published_again_unchanged(tmp_path, kind, both):
    folder = write_tiny(tmp_path / "model", KINDS[kind], both=both)
    stored = load_file(folder / "model.safetensors")
    published = load(folder).to_published()
    assert published.keys() == stored.keys()
    for name, values in stored.items():
        np.testing.assert_array_equal(published[name].numpy(), values, err_msg=name)


def test_no_weight_is_left_empty_and_lm_head_is_not_the_embedding(tmp_path):
    model = load(write_tiny(tmp_path))
    everything = [*model.named_parameters(), *model.named_buffers()]
    assert [name for name, tensor in everything if tensor.is_meta] == []
    head = model.mllm.lm_head.weight
    embedding = model.mllm.get_input_embeddings().weight
    assert head.data_ptr() != embedding.data_ptr()
    assert not torch.equal(head, embedding)


def test_layer_scale_of_the_memory_encoder_comes_under_its_published_name(tmp_path, tensors):
    name = "grounding_encoder.sam2_model.memory_encoder.fuser.layers.1.g_weight"
    model = load(write_tiny(tmp_path, tensors=tensors))
    gamma = model.sam2.memory_encoder.fuser.layers[1].gamma
    np.testing.assert_array_equal(gamma.detach().numpy(), tensors[name])


def test_a_missing_tensor_is_named(tmp_path, tensors):
    del tensors["mlp1.1.bias"]
    with pytest.raises(CheckpointError, match=r"1 tensor missing: mlp1\.1\.bias"):
        load(write_tiny(tmp_path, tensors=tensors))


def test_many_missing_tensors_are_counted_and_the_first_named(tmp_path, tensors):
    kept = {name: t for name, t in tensors.items() if not name.startswith("vision_model")}
    count = len(tensors) - len(kept)
    with pytest.raises(CheckpointError, match=rf"{count} tensors missing: .*and {count - 5} more"):
        load(write_tiny(tmp_path, tensors=kept))


def test_a_tensor_that_belongs_nowhere_is_named(tmp_path, tensors):
    tensors["vision_model.encoder.layers.7.ls1"] = np.ones(16, np.float32)
    tensors["something.else"] = np.ones(1, np.float32)
    with pytest.raises(CheckpointError, match=r"2 tensors left over: something\.else, vision_m"):
        load(write_tiny(tmp_path, tensors=tensors))


@pytest.mark.parametrize(
    ("name", "shape", "right"),
    [
        ("text_hidden_fcs.0.weight", (32, 31), r"\[32, 31\] instead of \[32, 32\]"),
        # A published tensor that holds three of ours.
        ("vision_model.encoder.layers.0.attn.qkv.weight", (45, 16), r"\[45, 16\] instead of"),
    ],
)
def test_a_misshapen_tensor_is_named_with_both_shapes(tmp_path, tensors, name, shape, right):
    tensors[name] = np.ones(shape, np.float32)
    with pytest.raises(CheckpointError, match=rf"{name} {right}"):
        load(write_tiny(tmp_path, tensors=tensors))


def test_shards_with_an_index_load_like_one_file(tmp_path, tensors):
    whole = load(write_tiny(tmp_path / "whole", tensors=tensors))
    folder = shard(tmp_path / "whole", tmp_path / "shards", tensors)
    for name, tensor in load(folder).tensors().items():
        assert torch.equal(tensor, whole.tensors()[name]), name


def test_a_missing_shard_is_named(tmp_path, tensors):
    folder = shard(write_tiny(tmp_path / "whole", tensors=tensors), tmp_path / "shards", tensors)
    (folder / "model-2.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks 1 of 2 weight files: \['model-2"):
        load(folder)


def test_an_index_may_not_point_outside_its_folder(tmp_path, tensors):
    folder = shard(write_tiny(tmp_path / "whole", tensors=tensors), tmp_path / "shards", tensors)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "../whole/model.safetensors"}}))
    with pytest.raises(CheckpointError, match="points outside its folder"):
        load(folder)


def test_a_tensor_in_two_files_is_refused(tmp_path, tensors):
    folder = write_tiny(tmp_path, tensors=tensors)
    save_file({"mlp1.1.bias": tensors["mlp1.1.bias"]}, str(folder / "extra.safetensors"))
    with pytest.raises(CheckpointError, match=r"mlp1\.1\.bias is stored twice"):
        load(folder)


def shard(source, target, tensors):
    """Spread the weights of a checkpoint over two files with an index."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors"))
    names = sorted(tensors)
    halves = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    weight_map = {}
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, str(target / file))
        weight_map |= dict.fromkeys(part, file)
    (target / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return target


def test_a_weight_file_that_was_cut_off_is_an_error_of_the_checkpoint(tmp_path):
    folder = write_tiny(tmp_path)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(folder)


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pth"])
def test_pickled_weights_are_refused_and_never_opened(tmp_path, name):
    folder, mark = write_tiny(tmp_path / "model"), tmp_path / "exploded"
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(CheckpointError, match="only as pickles"):
        load(folder)
    assert not mark.exists()


def test_a_pickled_decoder_is_refused(tmp_path):
    folder = write_tiny(tmp_path / "model")
    pickled = tmp_path / "sam2_hiera_large.pt"
    pickled.write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(CheckpointError, match="is a pickle"):
        load(folder, sam2_decoder=pickled)
    assert not (tmp_path / "exploded").exists()


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    config = tiny_config(
        auto_map={
            "AutoConfig": "configuration_sa2va_chat.Sa2VAChatConfig",
            "AutoModel": "modeling_sa2va_chat.Sa2VAChatModel",
        },
    )
    folder = write_tiny(tmp_path / "model", config)
    mark = tmp_path / "was_run"
    for name in ("modeling_sa2va_chat", "configuration_sa2va_chat", "tokenization_internlm2"):
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    load(folder)
    assert not mark.exists()
    assert "modeling_sa2va_chat" not in sys.modules


def test_a_tokenizer_without_seg_is_refused(tmp_path):
    folder = write_tiny(tmp_path)
    path = folder / "tokenizer.json"
    fields = json.loads(path.read_text())
    fields["added_tokens"] = [t for t in fields["added_tokens"] if t["content"] != "[SEG]"]
    path.write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match=r"no token \[SEG\].*Sa2VA"):
        load(folder)


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(tmp_path):
    folder = write_tiny(tmp_path)
    extra = {"added_tokens_decoder": {"267": {"content": "<more>"}}}
    (folder / "tokenizer_config.json").write_text(json.dumps(extra))
    with pytest.raises(CheckpointError, match=r"268 tokens, but .* only 267"):
        load(folder)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (tiny_config(template="vicuna"), "chat template 'vicuna'"),
        (tiny_config(template=None), "chat template None"),
        (tiny_config(select_layer=-2), "vision features from layer -2"),
        (tiny_config(force_image_size=50), "does not divide evenly"),
        (tiny_config(language={"architectures": ["GPT2LMHeadModel"]}), "GPT2LMHeadModel"),
        (tiny_config(vision_config=None), "no usable 'vision_config'"),
        ({"model_type": "llama"}, "does not describe a Sa2VA checkpoint"),
    ],
)
def test_a_configuration_that_cannot_be_run_says_why(tmp_path, config, words, tensors):
    with pytest.raises(CheckpointError, match=words):
        load(write_tiny(tmp_path, config, tensors))


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        load(tmp_path)


def test_a_config_that_is_not_json_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{'template': 'qwen_chat'")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(tmp_path)


def test_a_template_name_may_be_written_with_a_hyphen(tmp_path):
    model = load(write_tiny(tmp_path, tiny_config(template="qwen-chat")))
    assert model._reader.template.name == "qwen_chat"


def test_weights_are_cast_while_sam2_stays_in_float32(tmp_path):
    model = load(write_tiny(tmp_path), dtype="bfloat16")
    assert model.dtype == torch.bfloat16
    kinds = {name.split(".")[0]: tensor.dtype for name, tensor in model.tensors().items()}
    assert kinds == {
        "mllm": torch.bfloat16,
        "text_hidden_fcs": torch.bfloat16,
        "sam2": torch.float32,
        "tuned_decoder": torch.float32,
    }


def test_mixed_stored_types_are_cast_to_one(tmp_path, tensors):
    for name in tensors:
        if name.startswith("vision_model"):
            tensors[name] = tensors[name].astype(np.float16)
    model = load(write_tiny(tmp_path, tensors=tensors), dtype="float32")
    assert {tensor.dtype for tensor in model.tensors().values()} == {torch.float32}


def test_in_the_sa2va_layout_the_one_decoder_is_the_tuned_one(tmp_path, tensors):
    model = load(write_tiny(tmp_path, tensors=tensors))
    assert model.original_decoder is None
    assert model.sam2.sam_mask_decoder is model.tuned_decoder
    np.testing.assert_array_equal(
        model.tuned_decoder.iou_token.weight.detach().numpy(), tensors[A_DECODER_TENSOR]
    )


def test_in_the_sa2va_i_layout_modified_is_the_tuned_decoder(tmp_path):
    tensors = tiny_tensors(tiny_config(), both=True)
    model = load(write_tiny(tmp_path, tensors=tensors))
    assert model.sam2.sam_mask_decoder is model.original_decoder
    tuned = tensors[A_DECODER_TENSOR.replace("decoder.", "decoder_modified.")]
    original = tensors[A_DECODER_TENSOR]
    assert not np.array_equal(tuned, original)
    np.testing.assert_array_equal(model.tuned_decoder.iou_token.weight.detach().numpy(), tuned)
    np.testing.assert_array_equal(
        model.original_decoder.iou_token.weight.detach().numpy(), original
    )


def decoder_file(path, tensors, prefix):
    decoder = {
        prefix + name.removeprefix("grounding_encoder.sam2_model."): -values
        for name, values in tensors.items()
        if name.startswith(f"{DECODER}.")
    }
    save_file(decoder | {"image_encoder.neck": np.ones(3, np.float32)}, str(path))
    return path


@pytest.mark.parametrize("prefix", ["", "model.", "grounding_encoder.sam2_model."])
def test_a_plain_checkpoint_can_borrow_the_original_decoder(tmp_path, tensors, prefix):
    folder = write_tiny(tmp_path / "model", tensors=tensors)
    source = decoder_file(tmp_path / "sam2.safetensors", tensors, prefix)
    model = load(folder, sam2_decoder=source)
    assert model.sam2.sam_mask_decoder is model.original_decoder
    borrowed = model.original_decoder.iou_token.weight.detach().numpy()
    np.testing.assert_array_equal(borrowed, -tensors[A_DECODER_TENSOR])
    assert "grounding_encoder.sam2_model.sam_mask_decoder_modified.iou_token.weight" in (
        model.to_published()
    )


def test_a_borrowed_decoder_is_named_among_the_weights_that_were_loaded(tmp_path, tensors):
    folder = write_tiny(tmp_path / "model", tensors=tensors)
    source = decoder_file(tmp_path / "sam2.safetensors", tensors, "")
    assert set(load(folder).weight_hashes) == {"model.safetensors"}
    hashes = load(folder, sam2_decoder=source).weight_hashes
    assert hashes.keys() == {"model.safetensors", "sam2.safetensors"}
    assert hashes["sam2.safetensors"] == hashlib.sha256(source.read_bytes()).hexdigest()


def test_a_borrowed_decoder_of_the_same_file_name_hides_no_weights(tmp_path, tensors):
    folder = write_tiny(tmp_path / "plain", tensors=tensors)
    other = write_tiny(tmp_path / "i", tensors=tiny_tensors(tiny_config(), both=True))
    hashes = load(folder, sam2_decoder=other).weight_hashes
    expected = {
        name: hashlib.sha256((where / "model.safetensors").read_bytes()).hexdigest()
        for name, where in {
            "model.safetensors": folder,
            "model.safetensors (sam2_decoder)": other,
        }.items()
    }
    assert hashes == expected


def test_the_original_decoder_can_be_borrowed_from_a_sa2va_i_checkpoint(tmp_path, tensors):
    other = tiny_tensors(tiny_config(), both=True)
    folder = write_tiny(tmp_path / "plain", tensors=tensors)
    model = load(folder, sam2_decoder=write_tiny(tmp_path / "i", tensors=other))
    borrowed = model.original_decoder.iou_token.weight.detach().numpy()
    np.testing.assert_array_equal(borrowed, other[A_DECODER_TENSOR])


def test_the_decoder_of_a_plain_sa2va_checkpoint_is_not_an_original_one(tmp_path):
    folder = write_tiny(tmp_path)
    with pytest.raises(CheckpointError, match="fine-tuned"):
        load(folder, sam2_decoder=folder)


def test_a_decoder_file_without_a_decoder_is_refused(tmp_path):
    folder, other = write_tiny(tmp_path / "model"), tmp_path / "other.safetensors"
    save_file({"x": np.ones(1, np.float32)}, str(other))
    with pytest.raises(CheckpointError, match=r"no tensor named sam_mask_decoder"):
        load(folder, sam2_decoder=other)


def test_a_checkpoint_with_both_decoders_takes_no_third(tmp_path):
    folder = write_tiny(tmp_path, both=True)
    with pytest.raises(CheckpointError, match="original SAM 2 decoder of its own"):
        load(folder, sam2_decoder=folder)


def test_what_does_not_fit_into_memory_is_not_begun(tmp_path, monkeypatch):
    folder = write_tiny(tmp_path / "tiny")
    monkeypatch.setattr(devices, "free_memory", lambda device: 1000)
    with pytest.raises(MemoryShortage, match=r"tiny needs .* GB to run.*bfloat16"):
        load(folder)


def test_a_device_that_is_not_there_is_a_model_error(tmp_path):
    with pytest.raises(ModelError):
        Sa2VA.load(write_tiny(tmp_path), device="cuda:17")


def test_progress_ends_at_the_whole(tmp_path):
    steps = []
    load(write_tiny(tmp_path), progress=lambda done, total: steps.append((done, total)))
    assert len(steps) > 100
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]


def test_weights_too_large_for_float16_are_named_and_load_in_bfloat16(tmp_path, tensors):
    tensors["mlp1.1.bias"][3] = 1e5
    folder = write_tiny(tmp_path, tensors=tensors)
    with pytest.raises(CheckpointError, match=r"mlp1\.1\.bias \(up to 1e\+05, too large for flo"):
        load(folder, dtype="float16")
    # The projector is the language model's: a tower in float16 has nothing to do with it.
    assert load(folder, dtype="bfloat16", vision_dtype="float16").formats.vision == "float16"


def test_all_tensors_that_are_no_numbers_are_counted(tmp_path, tensors):
    tensors["mlp1.1.bias"][3] = np.nan
    tensors[A_DECODER_TENSOR][0, 0] = -np.inf
    with pytest.raises(CheckpointError, match=r"2 tensors .*iou_token.*infinite.*mlp1.*NaN"):
        load(write_tiny(tmp_path, tensors=tensors))


def test_a_file_that_is_read_in_portions_loads_whole(tmp_path, tensors, monkeypatch):
    folder = write_tiny(tmp_path, tensors=tensors)
    whole = load(folder).tensors()
    opened = []
    safe_open = safetensors.safe_open

    def counting(*args, **kwargs):
        opened.append(args[0])
        return safe_open(*args, **kwargs)

    monkeypatch.setattr(loading, "READ_AT_ONCE", 20_000)
    monkeypatch.setattr(safetensors, "safe_open", counting)
    portions = load(folder).tensors()
    assert len(opened) > 3
    assert all(torch.equal(portions[name], tensor) for name, tensor in whole.items())


def test_a_file_that_is_exchanged_while_it_is_read_is_noticed(tmp_path, tensors, monkeypatch):
    folder = write_tiny(tmp_path, tensors=tensors)
    fill = model_module.fill

    def exchange(*args, **kwargs):
        save_file({"mlp1.1.bias": np.zeros(1, np.float32)}, str(folder / "model.safetensors"))
        return fill(*args, **kwargs)

    monkeypatch.setattr(model_module, "fill", exchange)
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read"):
        load(folder)
