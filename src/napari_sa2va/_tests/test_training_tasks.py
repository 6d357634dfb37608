"""The stage of tasks: what is packed is what the reader reads, and a step of it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sa2va.core.exchange import Exchange
from napari_sa2va.models.sa2va.seen import Seen
from napari_sa2va.training.dialogues import Dialogue
from napari_sa2va.training.network import image_tokens, new_network
from napari_sa2va.training.settings import NanoSettings
from napari_sa2va.training.speaker import Turn
from napari_sa2va.training.stage_tasks import (
    shown_movie,
    shown_picture,
    talk_of,
    task_batch,
    task_batches,
    task_losses,
)
from napari_sa2va.training.stills import Mark, draw_still, mark_mask
from napari_sa2va.training.text import IGNORE, Row, Talk, TurnPacker, train_tokenizer

SETTINGS = NanoSettings(
    tile_size=32, patch_size=4, image_size=64, vision_width=32, vision_layers=1, width=32, layers=2,
    vocab_size=400, task_batch=2,
)  # fmt: skip
TOKENS = SETTINGS.tokens_per_frame


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["It is the bright cell at the left."] * 9, SETTINGS.vocab_size)


@pytest.fixture(scope="module")
def network(tokenizer):
    return new_network(SETTINGS, tokenizer)


def rows():
    return [shown_movie([1, 0], SETTINGS), *(shown_picture([1, i], SETTINGS) for i in range(4))]


@pytest.mark.parametrize("number", range(5))
def test_every_answer_stands_behind_the_prompt_that_the_reader_would_write(
    network, tokenizer, number
):
    shown = rows()[number]
    blocks = (TOKENS,) * 5 if number == 0 else (TOKENS * len(shown.pixels),)
    packer = TurnPacker(tokenizer, TOKENS)
    checked = 0
    for talk in shown.talks:
        packed = packer.pack([Row(blocks, [talk])])
        counts = tuple(int(region.sum()) for region in talk.regions)
        seen = Seen(torch.zeros(0, 1), blocks, 1, region_counts=counts)
        history: list[Exchange] = []
        starts = np.flatnonzero((packed.labels[0] != IGNORE) & (np.roll(packed.labels[0], 1) < 0))
        for exchange, start in zip(talk.exchanges, starts, strict=True):
            prompt = network._reader.prompt_ids(exchange.question, seen, history)
            assert packed.ids[0, : start + 1].tolist() == prompt
            assert packed.positions[0, : start + 1].tolist() == list(range(start + 1))
            said = tokenizer.encode(exchange.answer + "<|im_end|>")
            assert packed.labels[0, start : start + len(said)].tolist() == said
            history.append(Exchange(exchange.question, exchange.answer + "<|im_end|>"))
            checked += 1
    assert checked >= len(shown.talks)


def test_a_marked_region_is_said_by_the_tokens_that_the_reader_takes(network, tokenizer):
    still = next(s for s in map(draw_still, range(99)) if min(s.shown.height, s.shown.width) > 60)
    frame, masks = still.render()
    dialogue = Dialogue(
        "region", (Turn("<image>\nx", "It is.", about=(1,)),), (Mark(1), Mark(1, 0.2)), 2
    )
    talk = talk_of(dialogue, masks, TOKENS)
    shown = shown_picture([1, 0], SETTINGS)
    regions = [mark_mask(mark, masks, 4) for mark in dialogue.marks]
    seen = network.look([frame], "image", regions)
    assert len(seen.region_counts) == 2
    first = Row((TOKENS * len(shown.pixels),), shown.talks)
    packed = TurnPacker(tokenizer, TOKENS).pack([first, Row(seen.token_counts, [talk])])
    with torch.no_grad():
        from napari_sa2va.models.sa2va.tiles import image_tiles

        pixels = [shown.pixels, image_tiles(frame, SETTINGS.tile_size)]
        images = torch.cat([image_tokens(network, torch.from_numpy(p)) for p in pixels])
    said = images.flatten(0, 1)[torch.from_numpy(packed.sources)]
    torch.testing.assert_close(said[-len(seen.tokens) :], seen.tokens, atol=1e-5, rtol=1e-5)
    # The tokens of the region asked about, which is the second, are to be looked at.
    marked = np.flatnonzero(packed.ids[1] == tokenizer.id_of("<IMG_CONTEXT>"))
    shown = np.flatnonzero(packed.shows[1] == 0)
    assert shown.tolist() == marked[-seen.region_counts[1] :].tolist()


def test_each_phrase_of_a_caption_looks_at_its_own_object(tokenizer):
    shown = next(
        s for s in (shown_picture([2, i], SETTINGS) for i in range(50)) if len(s.masks) == 3
    )
    number = next(n for n, t in enumerate(shown.talks) if len(t.looks) == 1 and t.looks[0] == 3)
    row = Row((TOKENS * len(shown.pixels),), [shown.talks[number]])
    packed = TurnPacker(tokenizer, TOKENS).pack([row])
    assert [packed.looks[0, place] for place in packed.segs[:, 1]] == [0, 1, 2]
    behind = packed.looks[0, packed.segs[:, 1] + 1]
    assert behind.tolist() == [1, 2, 2]


def test_each_thing_of_a_list_is_looked_at_up_to_its_comma(tokenizer):
    answer = "One at the left, one at the top: two cells."
    talk = Talk((Exchange("<image>\nHow many?", answer),), (2,))
    packed = TurnPacker(tokenizer, 4).pack([Row((4,), [talk])])
    looks = packed.looks[0][packed.labels[0] == tokenizer.encode(",")[0]], packed.looks[0, -1]
    assert looks == ([0], 1)


def test_one_step_of_training_on_movies_and_on_pictures_has_gradients(network, tokenizer):
    network.sam2.requires_grad_(False)
    network.tuned_decoder.requires_grad_(True)
    batches = task_batches(0, SETTINGS, tokenizer, SETTINGS.task_batch)
    for _ in range(2):
        batch = next(batches)
        network.zero_grad()
        loss, _ = task_losses(network, batch)
        loss.backward()
        assert torch.isfinite(loss)
        assert network.mllm.get_input_embeddings().weight.grad.abs().sum() > 0
        assert network.tuned_decoder.iou_token.weight.grad is not None
        assert len(batch.truths) == len(batch.packed.segs)


def test_pictures_of_all_tile_counts_are_drawn():
    counts = {len(shown_picture([3, i], SETTINGS.model_copy(update={"tile_size": 112})).pixels)
              for i in range(40)}  # fmt: skip
    assert {1, 5, 10, 13} <= counts


def test_a_batch_without_any_mask_is_left_out(tokenizer):
    row = shown_picture([1, 0], SETTINGS)
    row.talks, row.turns = row.talks[:0], row.turns[:0]
    assert task_batch([row], SETTINGS, TurnPacker(tokenizer, TOKENS)) is None
