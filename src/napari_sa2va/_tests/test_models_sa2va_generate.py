"""Drafts change how many passes an answer takes, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sa2va._tests.tiny_checkpoint import write_tiny
from napari_sa2va.models.sa2va.drafts import TRAINED_ANSWERS, Drafts
from napari_sa2va.models.sa2va.model import Sa2VA

TEXT = "<image>\nPlease segment the bright cell."
NUM_MODELS = 24
FRAMES = list(np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Sa2VA.load(write_tiny(tmp_path_factory.mktemp("tiny")), device="cpu")


def shake(model: Sa2VA, seed: int) -> None:
    """Give the language model other random weights, some of which like to repeat themselves."""
    torch.manual_seed(seed)
    for name, weight in model.mllm.model.language_model.named_parameters():
        scale = 1.0 if "embed" in name else 0.15
        torch.nn.init.normal_(weight, std=scale) if weight.ndim > 1 else None
    torch.nn.init.normal_(model.mllm.lm_head.weight, std=0.3)


@pytest.mark.parametrize("seed", range(NUM_MODELS))
def test_an_answer_with_drafts_is_the_answer_without(model, seed):
    shake(model, seed)
    seen = model.look(FRAMES)
    plain = model.ground_seen(seen, TEXT, use_drafts=False, max_new_tokens=24)
    said = plain.generated_ids.tolist()
    assert plain.passes == len(said)
    rng = np.random.default_rng(seed)
    for length in (0, 1, int(rng.integers(2, len(said))), len(said)):
        # A draft that is right up to some place, then wrong, or right to its end.
        wrong = [int(t) for t in rng.integers(0, 256, 6)]
        model._drafts = Drafts([said[:length] + wrong, said if length == len(said) else wrong])
        drafted = model.ground_seen(model.look(FRAMES), TEXT, max_new_tokens=24)
        assert drafted.generated_ids.tolist() == said
        np.testing.assert_allclose(drafted.hidden, plain.hidden, atol=1e-4)
        np.testing.assert_allclose(drafted.embeddings, plain.embeddings, atol=1e-4)
    assert drafted.passes == 2  # the prompt, and one for all the rest


def test_a_seg_token_inside_a_draft_keeps_its_own_state(model, monkeypatch):
    answer = "Sure, it is [SEG] and [SEG] too.<|im_end|>"
    ids = model.tokenizer.encode(answer)
    given = model.ground(FRAMES, TEXT, answer)
    agree_with(monkeypatch, model, ids, len(given.prompt_ids))
    model._drafts = Drafts([ids])
    drafted = model.ground(FRAMES, TEXT)
    assert drafted.answer == answer
    assert drafted.passes == 2
    np.testing.assert_allclose(drafted.hidden, given.hidden, atol=1e-5)


def test_answers_are_drafts_for_the_same_pictures_and_for_no_others(model):
    shake(model, 0)
    model._drafts = Drafts()
    seen = model.look(FRAMES)
    first = model.ground_seen(seen, TEXT, max_new_tokens=8)
    again = model.ground_seen(seen, TEXT, max_new_tokens=8)
    assert again.passes < first.passes
    other = model.ground_seen(model.look(FRAMES), TEXT, max_new_tokens=8)
    assert other.passes == first.passes
    np.testing.assert_array_equal(other.embeddings, first.embeddings)  # to the last bit


def test_the_answers_of_training_are_known_drafts(model):
    drafts = Drafts.trained(model.tokenizer, "<|im_end|>")
    for answer in TRAINED_ANSWERS:
        ids = model.tokenizer.encode(answer + "<|im_end|>")
        assert drafts.after(ids[:-1]) == (ids[-1],)


def test_the_latest_answer_is_tried_first():
    drafts = Drafts([[1, 2, 3], [1, 5, 6]])
    assert drafts.after([1]) == (5, 6)
    drafts.add([1, 2, 3])
    assert drafts.after([1]) == (2, 3)
    assert drafts.after([1, 5]) == (6,)
    assert drafts.after([9]) == ()
    assert drafts.after([1, 2, 3]) == ()


def test_only_so_many_answers_are_remembered():
    drafts = Drafts([i] * 3 for i in range(200))
    assert drafts.after([199]) == (199, 199)
    assert drafts.after([0]) == ()


def agree_with(monkeypatch, model, ids, prompt_length):
    """Let the model say these tokens, also where several are decided at once."""
    said = {"place": 0}

    def logits(states):
        scores = torch.zeros(len(states), 267)
        for row in range(len(states)):
            place = said["place"] + row
            scores[row, ids[place] if place < len(ids) else 0] = 1
        said["place"] += len(states)
        return scores

    monkeypatch.setattr(model._reader, "logits", logits)
