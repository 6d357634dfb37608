"""Marked regions as cells of the model's view, and the text and tokens that stand for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sa2va._tests.tiny_checkpoint import write_tiny
from napari_sa2va.core.errors import RequestError
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.sa2va.regions import region_cells
from napari_sa2va.models.sa2va.wording import region_question

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Sa2VA.load(write_tiny(tmp_path_factory.mktemp("tiny")), device="cpu")


@pytest.mark.parametrize("size", [(16, 16), (64, 48), (7, 300), (1, 1), (481, 853)])
def test_a_region_is_resized_by_the_nearest_pixel(size):
    region = np.random.default_rng(1).random(size) < 0.5
    region[0, 0] = True
    oracle = torch.nn.functional.interpolate(
        torch.from_numpy(region)[None, None].float(), size=(16, 16), mode="nearest"
    )[0, 0]
    np.testing.assert_array_equal(region_cells(region, 16), oracle.numpy().astype(bool))


def test_a_region_that_sets_no_cell_is_refused():
    region = np.zeros((160, 160), bool)
    region[1, 1] = True
    with pytest.raises(RequestError, match="region of 1 px is too small"):
        region_cells(region, 16)
    with pytest.raises(RequestError, match="shape"):
        region_cells(np.zeros((2, 3, 4), bool), 16)


def test_a_region_is_said_again_by_the_tokens_that_it_covers(model):
    """The tiny model sees 2 x 2 cells per tile."""
    left, all_of_it = np.zeros((60, 60), bool), np.ones((60, 60), bool)
    left[:, :30] = True
    plain = model.look([IMAGE], "image")
    seen = model.look([IMAGE], "image", [left, all_of_it])
    assert seen.region_counts == (2, 4)
    last_tile = plain.tokens[-4:]
    torch.testing.assert_close(seen.tokens[: len(plain.tokens)], plain.tokens)
    torch.testing.assert_close(seen.tokens[len(plain.tokens) :][:2], last_tile[[0, 2]])
    torch.testing.assert_close(seen.tokens[-4:], last_tile)


def test_the_prompt_names_the_regions_behind_the_picture(model):
    region = np.ones((60, 60), bool)
    grounding = model.ground([IMAGE], region_question(2), "No.", "image", regions=[region, region])
    prompt = model.tokenizer.decode(grounding.prompt_ids)
    tokens = "<IMG_CONTEXT>" * 4
    assert (
        f"</img>\nThere are 2 part regions in the picture: region1<vp>{tokens}</vp>, "
        f"region2<vp>{tokens}</vp>.\n\nCan you provide me with a detailed description of the "
        "region in the picture marked by region2?<|im_end|>"
    ) in prompt


def test_regions_belong_to_a_single_picture(model):
    with pytest.raises(RequestError, match="single picture"):
        model.look([IMAGE, IMAGE], "video", [np.ones((60, 60), bool)])
