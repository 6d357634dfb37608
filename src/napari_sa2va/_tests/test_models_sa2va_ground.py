"""Grounding: what is generated, where it ends, and which hidden states become embeddings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sa2va._tests.tiny_checkpoint import IM_END_ID, SEG_ID, tiny_config, write_tiny
from napari_sa2va.core.errors import MemoryShortage, RequestError
from napari_sa2va.core.grounding import Grounding
from napari_sa2va.models.sa2va.drafts import Drafts
from napari_sa2va.models.sa2va.model import Sa2VA

TEXT = "<image>\nPlease segment the bright cell."


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Sa2VA.load(write_tiny(tmp_path_factory.mktemp("tiny")), device="cpu")


@pytest.fixture
def frames():
    return list(np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8))


def script(monkeypatch, model, ids):
    """Let the model say these tokens, whatever it would have said."""
    remaining = iter(ids)

    def logits(hidden):
        scores = torch.zeros(len(hidden), 267)
        scores[0, next(remaining)] = 1
        return scores

    monkeypatch.setattr(model._reader, "logits", logits)
    monkeypatch.setattr(model, "_drafts", Drafts())  # one token at a time


def say(monkeypatch, model, answer):
    ids = model.tokenizer.encode(answer)
    script(monkeypatch, model, ids)
    return ids


def test_generation_takes_the_likeliest_token_each_time(model, frames):
    grounding = model.ground(frames, TEXT, max_new_tokens=6)
    ids = grounding.prompt_ids.tolist()
    seen = model.look(frames)
    with torch.inference_mode():
        for token in grounding.generated_ids:  # again without a cache
            state = model._reader.read(ids, seen)[-1]
            assert int(model._reader.logits(state).argmax()) == token
            ids.append(int(token))


@pytest.mark.parametrize(
    "answer", ["Sure, [SEG].<|im_end|>", "A [SEG] and [SEG].<|im_end|>", "None.<|im_end|>"]
)
def test_a_given_answer_has_the_states_of_the_same_answer_generated(
    model, frames, monkeypatch, answer
):
    given = model.ground(frames, TEXT, answer)
    say(monkeypatch, model, answer)
    generated = model.ground(frames, TEXT)
    assert generated.answer == given.answer == answer
    assert len(given.embeddings) == answer.count("[SEG]")
    np.testing.assert_array_equal(given.generated_ids, generated.generated_ids)
    np.testing.assert_allclose(given.hidden, generated.hidden, atol=1e-5)
    np.testing.assert_allclose(given.embeddings, generated.embeddings, atol=1e-5)


def test_the_embedding_belongs_to_the_seg_token_itself(model, frames):
    """Not to the position that predicted it: other words before it, then the same token."""
    grounding = model.ground(frames, TEXT, "It [SEG].")
    ids = [*grounding.prompt_ids, *grounding.generated_ids]
    place = ids.index(SEG_ID)
    with torch.inference_mode():
        hidden = model._reader.read(ids, model.look(frames))
    np.testing.assert_allclose(grounding.hidden[0], hidden[place].numpy(), atol=1e-5)
    assert not np.allclose(grounding.hidden[0], hidden[place - 1].numpy(), atol=1e-2)


def test_a_seg_token_in_the_question_points_at_nothing(model, frames):
    grounding = model.ground(frames, TEXT + " Say [SEG].", "No.<|im_end|>")
    assert SEG_ID in grounding.prompt_ids
    assert not grounding.found


def test_a_seg_token_that_ends_the_answer_is_lost(model, frames, monkeypatch):
    assert len(model.ground(frames, TEXT, "[SEG] [SEG]").embeddings) == 1
    say(monkeypatch, model, "[SEG] [SEG]")
    cut = model.ground(frames, TEXT, max_new_tokens=3)
    assert cut.generated_ids.tolist().count(SEG_ID) == 2
    assert len(cut.embeddings) == 1


def test_an_answer_without_seg_is_no_error(model, frames):
    grounding = model.ground(frames, TEXT, "There is no such cell.<|im_end|>")
    assert not grounding.found
    assert grounding.embeddings.shape == (0, 32)
    assert grounding.display == "There is no such cell."


def test_generation_ends_at_the_end_token(model, frames, monkeypatch):
    ids = say(monkeypatch, model, "[SEG].<|im_end|>never said")
    grounding = model.ground(frames, TEXT)
    assert grounding.generated_ids.tolist() == ids[: ids.index(IM_END_ID) + 1]


def test_generation_ends_at_the_stop_text_even_if_it_is_spelled_out(tmp_path, frames, monkeypatch):
    """The phi3 template on a Qwen tokenizer, which does not know `<|end|>`."""
    folder = write_tiny(tmp_path, tiny_config(template="phi3_chat"))
    model = Sa2VA.load(folder, device="cpu")
    assert len(model.tokenizer.encode("<|end|>")) > 1
    say(monkeypatch, model, "It is [SEG].<|end|> And so on")
    assert model.ground(frames, TEXT).answer == "It is [SEG].<|end|>"


def test_generation_ends_after_so_many_tokens(model, frames, monkeypatch):
    say(monkeypatch, model, "aaaaaaaa")
    assert model.ground(frames, TEXT, max_new_tokens=4).answer == "aaaa"


def test_generation_can_be_stopped_between_two_tokens(model, frames, monkeypatch):
    say(monkeypatch, model, "aaaaaaaa")
    asked = []

    def stop():
        asked.append(len(asked))
        return len(asked) == 3

    assert model.ground(frames, TEXT, should_stop=stop).answer == "aaa"
    assert len(asked) == 3


def test_several_sentences_about_the_same_frames_look_once(model, frames, monkeypatch):
    passes = []
    tower = model.mllm.model.vision_tower
    handle = tower.register_forward_hook(lambda *_: passes.append(1))
    seen = model.look(frames)
    first = model.ground_seen(seen, TEXT, "It is [SEG].")
    second = model.ground_seen(seen, "<image>\nPlease segment the dark cell.", "It is [SEG].")
    handle.remove()
    assert len(passes) == 1
    assert not np.allclose(first.embeddings, second.embeddings)
    np.testing.assert_allclose(
        first.embeddings, model.ground(frames, TEXT, "It is [SEG].").embeddings, atol=1e-6
    )


def test_every_key_frame_has_a_block_of_its_own_in_the_prompt(model, frames):
    grounding = model.ground(frames, TEXT, "No.")
    prompt = model.tokenizer.decode(grounding.prompt_ids)
    block = "<img>" + "<IMG_CONTEXT>" * 4 + "</img>"
    assert prompt.startswith(f"<|im_start|>user\n{block}\n{block}\n{block}\nPlease segment")
    assert grounding.num_frames == 3


def test_an_image_is_one_block_of_all_its_tiles(model):
    image = np.zeros((50, 100, 3), np.uint8)  # two tiles and the thumbnail
    grounding = model.ground([image], TEXT, "No.", mode="image")
    prompt = model.tokenizer.decode(grounding.prompt_ids)
    assert "<img>" + "<IMG_CONTEXT>" * 12 + "</img>\nPlease" in prompt


def test_frames_may_differ_in_size_in_nothing_but_pixels(model):
    frames = [np.zeros((20, 30, 3), np.uint8), np.zeros((40, 10, 3), np.uint8)]
    assert model.ground(frames, TEXT, "No.").num_frames == 2


def test_without_a_frame_the_prompt_is_the_text_alone(model):
    grounding = model.ground_seen(model.look([]), "Hello?", "Hello.<|im_end|>")
    prompt = model.tokenizer.decode(grounding.prompt_ids)
    assert prompt == "<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\n"
    assert grounding.num_frames == 0


def test_image_mode_takes_one_frame(model, frames):
    with pytest.raises(RequestError, match="3 frames"):
        model.look(frames, mode="image")


@pytest.mark.parametrize("text", ["", "<image>\n"])
def test_an_empty_sentence_is_refused(model, frames, text):
    with pytest.raises(RequestError, match="empty"):
        model.ground(frames, text)


def test_an_empty_answer_is_refused(model, frames):
    with pytest.raises(RequestError, match="empty"):
        model.ground(frames, TEXT, "")


def test_running_out_of_memory_is_our_own_error(model, frames, monkeypatch):
    def full(*args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...")

    monkeypatch.setattr(model._reader, "read", full)
    with pytest.raises(MemoryShortage, match=r"ran out of memory.*fewer key frames"):
        model.ground(frames, TEXT)


def test_lower_precision_answers_nearly_the_same(tmp_path, frames):
    folder = write_tiny(tmp_path)
    full = Sa2VA.load(folder, device="cpu", dtype="float32").ground(frames, TEXT, "It is [SEG].")
    half = Sa2VA.load(folder, device="cpu", dtype="bfloat16").ground(frames, TEXT, "It is [SEG].")
    assert half.embeddings.dtype == np.float32
    assert not np.array_equal(full.embeddings, half.embeddings)
    np.testing.assert_allclose(half.embeddings, full.embeddings, atol=0.1)


@pytest.mark.parametrize(
    ("answer", "display"),
    [
        ("Sure, it is [SEG].<|im_end|>", "Sure, it is."),
        ("<p> a cell </p> [SEG] and <p> another </p> [SEG].", "a cell and another."),
        ("It is [SEG].<|end|>", "It is."),
        ("[SEG].<|im_end|>", "."),
        ("None: the clip is dark.</s>", "None: the clip is dark."),
        ("Is x < y and y > z?", "Is x < y and y > z?"),
    ],
)
def test_the_answer_for_people_has_no_special_tokens(answer, display):
    empty = np.zeros(0, np.int64)
    assert Grounding(answer, np.zeros((0, 0)), empty, empty, 1).display == display
