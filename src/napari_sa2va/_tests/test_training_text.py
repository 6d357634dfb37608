"""Packing: each turn of a packed sequence sees exactly what it would see alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sa2va.training.nano import nano_tokenizer
from napari_sa2va.training.network import hidden_states, image_tokens, new_network
from napari_sa2va.training.settings import NanoSettings
from napari_sa2va.training.text import (
    IGNORE,
    Row,
    TurnPacker,
    about_video,
    prompt_parts,
    turn_mask,
)

SETTINGS = NanoSettings(
    tile_size=32, patch_size=8, vision_width=32, vision_layers=1, width=32, layers=2
)
TURNS = [
    ("the bright cell", "Sure, it is the bright cell at the left, [SEG]."),
    ("Segment all the cells.", "Sure, they are the two cells, [SEG]."),
    ("the red cell", "There is no red cell in this video."),
]


def row_of(turns):
    return Row((4, 4), [about_video(*turn) for turn in turns])


@pytest.fixture(scope="module")
def tokenizer():
    return nano_tokenizer(SETTINGS)


@pytest.fixture(scope="module")
def network(tokenizer):
    return new_network(SETTINGS, tokenizer)


def test_words_of_the_grammar_are_single_tokens_and_unknown_words_still_encode(tokenizer):
    tokens = tokenizer.fast.encode(" bright cell elongated moving").tokens
    assert len(tokens) == 4
    assert tokenizer.decode(tokenizer.encode("Zwölf µm, 世界")) == "Zwölf µm, 世界"


def test_cutting_the_prompt_behind_the_images_changes_no_token(tokenizer):
    shared, own = prompt_parts("the bright cell", 3, 4)
    assert tokenizer.encode(shared) + tokenizer.encode(own) == tokenizer.encode(shared + own)
    assert shared.endswith("</img>")
    assert own == "\nPlease segment the bright cell.<|im_end|>\n<|im_start|>assistant\n"


def test_labels_are_the_next_tokens_of_the_answer_only(tokenizer):
    packed = TurnPacker(tokenizer, 4).pack([row_of(TURNS)])
    for number, (_, answer) in enumerate(TURNS):
        said = packed.labels[0][(packed.turns[0] == number) & (packed.labels[0] != IGNORE)]
        assert tokenizer.decode(list(said)) == answer + "<|im_end|>"
    assert packed.segs[:, 2].tolist() == [0, 1]


def test_no_turn_sees_another_and_all_see_the_images():
    turns = np.array([[-1, -1, 0, 0, 1, -2]])
    seen = turn_mask(turns)[0, 0]
    assert seen[3].tolist() == [True, True, True, True, False, False]
    assert seen[4].tolist() == [True, True, False, False, True, False]
    assert seen[5].any()


def test_hidden_states_of_a_packed_turn_equal_those_of_the_turn_alone(tokenizer, network):
    packer = TurnPacker(tokenizer, 4)
    images = image_tokens(network, torch.randn(2, 3, 32, 32))

    def states(turns):
        packed = packer.pack([row_of(turns)])
        with torch.no_grad():
            hidden = hidden_states(
                network,
                torch.from_numpy(packed.ids),
                images,
                torch.from_numpy(turn_mask(packed.turns)),
                torch.from_numpy(packed.positions),
            )
        return hidden[0], packed.turns[0]

    together, owners = states(TURNS)
    for number, turn in enumerate(TURNS):
        alone, owner = states([turn])
        torch.testing.assert_close(
            together[owners == number], alone[owner == 0], atol=1e-4, rtol=1e-4
        )
