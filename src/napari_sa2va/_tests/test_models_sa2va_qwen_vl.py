"""Checkpoints of the Qwen-VL branch: what our reader computes is what the native model computes.

The native model is fed here as its publishers do: pictures by the library's own processor, the
tokens' kinds beside them, and its own `forward` and `generate`.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sa2va._tests.tiny_checkpoint import (
    QWEN_CONFIGS,
    tiny_qwen_config,
    tiny_tensors,
    write_tiny,
)
from napari_sa2va.core.errors import CheckpointError, RequestError
from napari_sa2va.core.exchange import Exchange
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.pipeline import loaded
from napari_sa2va.pipeline.segment import segment
from napari_sa2va.readers.open import open_clip
from napari_sa2va.settings import ModelSettings

TEXT = "<image>\nPlease segment the bright cell."
ANSWER = "Sure, it is [SEG].<|im_end|>"
KINDS = tuple(QWEN_CONFIGS)
PUBLISHED_PX, TRAINED_PX = (401_408, 1_605_632), (100_352, 401_408)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp(kind), tiny_qwen_config(kind))


@pytest.fixture(scope="module")
def model(folder):
    return Sa2VA.load(folder, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def trained(folder):
    return Sa2VA.load(folder, device="cpu", dtype="float32", reading="trained")


@pytest.fixture(scope="module")
def frames():
    """Two frames of different shapes, so that their grids differ."""
    draw = np.random.default_rng(0).integers
    return [draw(0, 256, (60, 90, 3), np.uint8), draw(0, 256, (110, 60, 3), np.uint8)]


def processed(model, images, pixels):
    """Pictures through the library's processor."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    layout = model._reader._layout
    processor = Qwen2VLImageProcessorPil(
        patch_size=layout.side,
        merge_size=layout.merge,
        image_mean=list(layout.mean),
        image_std=list(layout.std),
        size={"shortest_edge": pixels[0], "longest_edge": pixels[1]},
    )
    return dict(processor(images=images, return_tensors="pt"))


def native_inputs(model, frames, ids):
    """What the published code hands to the native model."""
    # Both sides to multiples of 28 px, as its helper does with pictures of these sizes.
    before = [
        Image.fromarray(f).resize([round(n / 28) * 28 for n in (f.shape[1], f.shape[0])])
        for f in frames
    ]
    tokens = torch.tensor([ids])
    kinds = (tokens == model.tokenizer.id_of("<|image_pad|>")).int()
    return processed(model, before, PUBLISHED_PX) | {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        "mm_token_type_ids": kinds,
    }


@torch.inference_mode()
def native_states(model, frames, ids):
    """Last hidden states (P, H) of the native model's own forward pass."""
    model.mllm.model.rope_deltas = None
    inputs = native_inputs(model, frames, ids)
    inputs.pop("attention_mask")
    return model.mllm.model(**inputs).last_hidden_state[0]


# -- reading ------------------------------------------------------------------------------------


def test_hidden_states_are_those_of_the_native_forward_pass(model, frames):
    seen = model.look(frames)
    prompt = model._reader.prompt_ids(TEXT, seen)
    with torch.inference_mode():
        ours = model._reader.read(prompt, seen)
    torch.testing.assert_close(ours, native_states(model, frames, prompt), atol=1e-5, rtol=0)


def test_the_pictures_decide_about_positions(model, frames):
    """Without them, a token behind the pictures would be at its place in the prompt."""
    seen = model.look(frames)
    ids = torch.tensor([model._reader.prompt_ids(TEXT, seen)])
    kinds = (ids == model.tokenizer.id_of("<|image_pad|>")).int()
    positions, shift = model.mllm.model.get_rope_index(
        ids, mm_token_type_ids=kinds, image_grid_thw=seen.grids
    )
    assert shift.item() == model._reader._shift(seen) < -100
    assert positions.max() == ids.shape[1] - 1 + shift.item()


def test_seg_states_are_those_of_the_native_forward_pass(model, frames):
    grounding = model.ground(frames, TEXT, ANSWER)
    ids = [*grounding.prompt_ids.tolist(), *grounding.generated_ids.tolist()]
    place = ids.index(model.tokenizer.id_of("[SEG]"))
    states = native_states(model, frames, ids)
    np.testing.assert_allclose(grounding.hidden[0], states[place].numpy(), atol=1e-5)
    np.testing.assert_allclose(
        grounding.embeddings[0],
        model.text_hidden_fcs(states[place]).detach().numpy(),
        atol=1e-5,
    )


def test_an_answer_is_the_greedy_one_of_the_native_generate(kind, frames, tmp_path):
    config = tiny_qwen_config(kind)
    tensors = tiny_tensors(config)
    # So that what was said last counts for something beside hundreds of vision tokens.
    tensors["model.model.language_model.embed_tokens.weight"] *= 30
    model = Sa2VA.load(write_tiny(tmp_path, config, tensors), device="cpu")
    grounding = model.ground(frames, TEXT, max_new_tokens=12)
    inputs = native_inputs(model, frames, grounding.prompt_ids.tolist())
    found = model.mllm.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=12,
        eos_token_id=model.tokenizer.eos_id,
        pad_token_id=model.tokenizer.id_of("<|endoftext|>"),
    )
    generated = found[0, len(grounding.prompt_ids) :]
    assert len(set(generated.tolist())) > 2
    np.testing.assert_array_equal(grounding.generated_ids, generated.numpy())


@pytest.mark.parametrize("num_fed", [1, 5])
def test_tokens_that_follow_a_cache_have_the_states_of_the_whole_read_at_once(
    model, frames, num_fed
):
    from transformers.cache_utils import DynamicCache

    seen = model.look(frames)
    prompt = model._reader.prompt_ids(TEXT, seen)
    answer = model.tokenizer.encode("It is [SEG], so.")
    with torch.inference_mode():
        together = model._reader.read([*prompt, *answer], seen)[len(prompt) :]
        cache = DynamicCache()
        model._reader.read(prompt, seen, cache)
        parts = [
            model._reader.extend(answer[i : i + num_fed], seen, cache)
            for i in range(0, len(answer), num_fed)
        ]
    torch.testing.assert_close(torch.cat(parts), together, atol=1e-5, rtol=0)


def test_two_conversations_in_turn_do_not_disturb_each_other(model, frames):
    """The native model keeps the shift of positions in itself; ours must not."""
    from transformers.cache_utils import DynamicCache

    tokens = model.tokenizer.encode("It is [SEG].")

    def begin(pictures):
        seen, cache = model.look(pictures), DynamicCache()
        model._reader.read(model._reader.prompt_ids(TEXT, seen), seen, cache)
        return seen, cache

    with torch.inference_mode():
        alone = model._reader.extend(tokens, *begin(frames))
        first, second = begin(frames), begin(frames[:1])
        model._reader.extend(tokens, *second)
        torch.testing.assert_close(model._reader.extend(tokens, *first), alone)


def test_drafts_change_nothing_but_the_number_of_passes(model, frames):
    seen = model.look(frames)
    plain = model.ground_seen(seen, TEXT, use_drafts=False, max_new_tokens=8)
    model.ground_seen(seen, TEXT, max_new_tokens=8)
    drafted = model.ground_seen(seen, TEXT, max_new_tokens=8)  # the answer just given is tried
    np.testing.assert_array_equal(plain.generated_ids, drafted.generated_ids)
    assert drafted.passes < plain.passes == 8


def test_a_later_question_is_read_with_what_was_said_before(model, frames):
    seen = model.look(frames)
    history = [Exchange(TEXT, ANSWER)]
    grounding = model.ground_seen(seen, "And the dark one?", ANSWER, history=history)
    ids = [*grounding.prompt_ids.tolist(), *grounding.generated_ids.tolist()]
    # The [SEG] of the earlier answer is in the prompt, and points at nothing any more.
    assert ids.count(model.tokenizer.id_of("[SEG]")) == 2
    assert len(grounding.embeddings) == 1
    states = native_states(model, frames, ids)
    place = len(ids) - 1 - ids[::-1].index(model.tokenizer.id_of("[SEG]"))
    np.testing.assert_allclose(grounding.hidden[0], states[place].numpy(), atol=1e-5)
    alone = model.ground_seen(seen, TEXT, ANSWER)
    assert not np.allclose(alone.hidden, grounding.hidden, atol=1e-2)


# -- looking ------------------------------------------------------------------------------------


def test_every_frame_is_a_picture_with_a_grid_and_a_block_of_its_own(model, frames):
    seen = model.look(frames)
    assert seen.num_frames == len(seen.token_counts) == 2
    assert seen.grids.prod(1).tolist() == [4 * n for n in seen.token_counts]
    assert seen.tokens.shape == (sum(seen.token_counts), 32)
    prompt = model.tokenizer.decode(model._reader.prompt_ids(TEXT, seen))
    blocks = [f"<|vision_start|>{'<|image_pad|>' * n}<|vision_end|>" for n in seen.token_counts]
    assert f"<|im_start|>user\n{blocks[0]}{blocks[1]}\nPlease segment" in prompt


def test_an_image_is_read_like_a_movie_of_one_frame(model, frames):
    image = model.ground(frames[:1], TEXT, ANSWER, mode="image")
    movie = model.ground(frames[:1], TEXT, ANSWER)
    np.testing.assert_array_equal(image.prompt_ids, movie.prompt_ids)
    np.testing.assert_array_equal(image.embeddings, movie.embeddings)


def test_any_number_of_frames_is_taken(model):
    frames = np.random.default_rng(1).integers(0, 256, (7, 20, 20, 3), np.uint8)
    assert len(model.look(frames).token_counts) == 7


def test_pictures_are_looked_at_one_by_one_with_the_result_of_all_together(model, frames):
    together = model.mllm.model.get_image_features(
        **{
            name: value
            for name, value in native_inputs(model, frames, [0]).items()
            if name in ("pixel_values", "image_grid_thw")
        },
        return_dict=True,
    )
    expected = torch.cat(together.pooler_output)
    torch.testing.assert_close(model.look(frames).tokens, expected, atol=1e-5, rtol=0)


def test_a_question_without_pictures_is_read_as_plain_text(model):
    grounding = model.ground([], "What is a cell?", "A unit of life.<|im_end|>")
    assert "<|vision_start|>" not in model.tokenizer.decode(grounding.prompt_ids)
    ids = torch.tensor([grounding.prompt_ids.tolist()])
    with torch.inference_mode():
        expected = model.mllm.model.language_model(input_ids=ids).last_hidden_state[0]
        ours = model._reader.read(grounding.prompt_ids.tolist(), model.look([]))
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    model.ground([], "What is a cell?", max_new_tokens=3)


def test_marked_regions_are_refused(model, frames):
    with pytest.raises(RequestError, match="no marked regions"):
        model.look(frames[:1], "image", [np.ones((60, 90), bool)])


def test_image_mode_takes_one_frame(model, frames):
    with pytest.raises(RequestError, match="2 frames"):
        model.look(frames, "image")


def test_a_prompt_for_other_pictures_is_refused(model, frames):
    prompt = model._reader.prompt_ids(TEXT, model.look(frames))
    with pytest.raises(RequestError, match="picture placeholders for"):
        model._reader.read(prompt, model.look(frames[:1]))


def test_only_qwen3_adds_deeper_features_and_they_matter(model, kind, frames):
    seen = model.look(frames)
    if kind == "Qwen2.5-VL":
        assert seen.deep_tokens == ()
        return
    assert [t.shape for t in seen.deep_tokens] == [seen.tokens.shape] * 2
    prompt = model._reader.prompt_ids(TEXT, seen)
    with torch.inference_mode():
        whole = model._reader.read(prompt, seen)[-1]
        object.__setattr__(seen, "deep_tokens", ())
        shallow = model._reader.read(prompt, seen)[-1]
    assert not torch.allclose(whole, shallow, atol=1e-3)


# -- as trained ---------------------------------------------------------------------------------


def test_the_published_reading_is_the_default_and_differs_from_that_of_training(
    model, trained, frames
):
    published, as_trained = (m.ground(frames, TEXT, ANSWER) for m in (model, trained))
    assert "helpful assistant" not in trained.tokenizer.decode(as_trained.prompt_ids)
    assert len(as_trained.prompt_ids) < len(published.prompt_ids)
    assert not np.allclose(published.embeddings, as_trained.embeddings, atol=1e-3)


def test_as_in_training_several_frames_are_small_and_resized_once(trained, frames):
    seen = trained.look(frames)
    images = [Image.fromarray(frame) for frame in frames]
    expected = processed(trained, images, TRAINED_PX)
    assert torch.equal(seen.grids, expected["image_grid_thw"])
    rows = torch.cat([trained._reader.patches(frame, 2)[0] for frame in frames])
    torch.testing.assert_close(rows, expected["pixel_values"], atol=1e-6, rtol=0)
    single = trained.look(frames[:1])
    assert single.token_counts[0] > seen.token_counts[0]
    expected = processed(trained, images[:1], PUBLISHED_PX)
    assert torch.equal(single.grids, expected["image_grid_thw"])


def test_an_internvl_checkpoint_reads_as_trained_either_way(tmp_path, frames):
    folder = write_tiny(tmp_path)
    published, as_trained = (
        Sa2VA.load(folder, device="cpu", reading=reading).ground(frames, TEXT, ANSWER)
        for reading in ("published", "trained")
    )
    np.testing.assert_array_equal(published.prompt_ids, as_trained.prompt_ids)
    np.testing.assert_array_equal(published.embeddings, as_trained.embeddings)


# -- loading ------------------------------------------------------------------------------------


def test_published_names_lose_exactly_one_prefix(kind, model):
    names = tiny_tensors(tiny_qwen_config(kind)).keys()
    assert "model.model.visual.patch_embed.proj.weight" in names
    assert "model.model.language_model.embed_tokens.weight" in names
    assert "model.lm_head.weight" in names
    native = model.key_map.to_native("model.model.language_model.norm.weight").native
    assert native == ("mllm.model.language_model.norm.weight",)


@pytest.mark.parametrize("both", [False, True], ids=["sa2va", "sa2va-i"])
def test_what_was_loaded_can_be_published_again_unchanged(kind, tmp_path, both):
    config = tiny_qwen_config(kind)
    tensors = tiny_tensors(config, both=both)
    model = Sa2VA.load(write_tiny(tmp_path, config, tensors, both=both), device="cpu")
    published = model.to_published()
    assert published.keys() == tensors.keys()
    for name, values in tensors.items():
        np.testing.assert_array_equal(published[name].numpy(), values, err_msg=name)
    everything = [*model.named_parameters(), *model.named_buffers()]
    assert [name for name, tensor in everything if tensor.is_meta] == []


def test_lm_head_is_not_the_embedding_whatever_the_file_says(kind, tmp_path):
    config = tiny_qwen_config(
        kind, language={"tie_word_embeddings": True}, tie_word_embeddings=True
    )
    model = Sa2VA.load(write_tiny(tmp_path, config), device="cpu")
    assert not torch.equal(model.mllm.lm_head.weight, model.mllm.get_input_embeddings().weight)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("remove", r"1 tensor missing: model\.model\.visual\.blocks\.0\.attn\.qkv\.weight"),
        ("rename", r"1 tensor left over: model\.visual\.blocks\.0\.attn\.qkv\.weight"),
        ("cut", r"wrong shape: model\.model\.visual\.blocks\.0\.attn\.qkv\.weight \[95, 32\]"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(kind, tmp_path, change, words):
    config = tiny_qwen_config(kind)
    tensors = tiny_tensors(config)
    name = "model.model.visual.blocks.0.attn.qkv.weight"
    values = tensors.pop(name)
    if change == "rename":  # of an export of another layout
        tensors["model.visual.blocks.0.attn.qkv.weight"] = values
    elif change == "cut":
        tensors[name] = values[:-1].copy()
    with pytest.raises(CheckpointError, match=words):
        Sa2VA.load(write_tiny(tmp_path, config, tensors), device="cpu")


def test_a_folder_without_preprocessor_file_is_refused(kind, tmp_path):
    folder = write_tiny(tmp_path, tiny_qwen_config(kind))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no preprocessor_config\.json"):
        Sa2VA.load(folder, device="cpu")


def test_newer_exports_have_the_preprocessor_in_another_file(folder, model, frames, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    found = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").unlink()
    newer = {"processor_class": "Qwen2_5_VLProcessor", "image_processor": found}
    (tmp_path / "processor_config.json").write_text(json.dumps(newer))
    again = Sa2VA.load(tmp_path, device="cpu", dtype="float32")
    assert torch.equal(again.look(frames).tokens, model.look(frames).tokens)


@pytest.mark.parametrize(
    ("top", "words"),
    [
        ({"vision": {"out_hidden_size": 16}}, "vision tokens 16 values, and the language model 32"),
        ({"vision": {"model_type": "qwen2_vl"}}, "'qwen2_vl' that is neither"),
        ({"vision": {"model_type": "qwen3_vl_moe"}}, "'qwen3_vl_moe' that is neither"),
        ({"language": {"num_experts": 8}}, "does not belong to it"),
        ({"vision": {"patch_size": 12}}, "patch_size"),
        ({"language": {"vocab_size": 100}}, "271 tokens, but .* only 100"),
    ],
)
def test_a_configuration_that_cannot_be_run_says_why(kind, folder, tmp_path, top, words):
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(tiny_qwen_config(kind, **top)))
    with pytest.raises(CheckpointError, match=words):
        Sa2VA.load(tmp_path, device="cpu")


def test_lower_precision_answers_nearly_the_same(folder, model, frames):
    half = Sa2VA.load(folder, device="cpu", dtype="bfloat16")
    assert half.dtype == half.look(frames).tokens.dtype == torch.bfloat16
    low = half.ground(frames, TEXT, ANSWER).embeddings
    full = model.ground(frames, TEXT, ANSWER).embeddings
    assert not np.array_equal(full, low)
    np.testing.assert_allclose(low, full, atol=0.1)


# -- the whole way ------------------------------------------------------------------------------


def test_a_movie_is_segmented_from_a_sentence(model):
    clip = open_clip(
        np.random.default_rng(2).integers(0, 256, (3, 32, 48, 3), np.uint8), axes="TYXS"
    )
    result = segment(clip, "the bright cell", preset="sa2va", model=model, answer=ANSWER)
    assert len(result.masklets) == 1
    assert result.masklets[0].mask(2).shape == (32, 48)


def test_the_settings_say_how_a_checkpoint_is_read(folder, frames):
    try:
        published, trained = (
            loaded.load(ModelSettings(name=str(folder), device="cpu", reading=reading))
            for reading in ("published", "trained")
        )
    finally:
        loaded.forget()
    assert sum(trained.look(frames).token_counts) < sum(published.look(frames).token_counts)
