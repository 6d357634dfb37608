"""What is shown as the model's view is what the vision tower computes with, to the last pixel."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from napari_sa2va._tests.tiny_checkpoint import (
    QWEN_CONFIGS,
    preprocessor_of,
    tiny_qwen_config,
    write_tiny,
)
from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.catalogue import KNOWN, ModelEntry
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.sa2va.pictures import Fitted, Squares, way_for, way_of
from napari_sa2va.models.sa2va.qwen_pictures import PatchLayout, in_patches
from napari_sa2va.models.sa2va.qwen_vl import vision_sizes
from napari_sa2va.models.sa2va.tiles import MEAN, STD
from napari_sa2va.models.zoo import find


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A frame in which every pixel counts."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def nano() -> Sa2VA:
    folder = find("nano").folder
    assert folder is not None
    return Sa2VA.load(folder, device="cpu")


def entering(model: Sa2VA, frames: list[np.ndarray], mode: str) -> list[np.ndarray]:
    """The pixels that a run gives to the vision tower, back in 8 bit."""
    taken: list[torch.Tensor] = []
    tower = model.mllm.model.vision_tower
    hook = tower.register_forward_pre_hook(
        lambda module, args, kwargs: taken.append(kwargs.get("pixel_values", *args[:1])),
        with_kwargs=True,
    )
    model.look(frames, mode)
    hook.remove()
    tiles = torch.cat(taken).numpy().transpose(0, 2, 3, 1)  # (n, Y, X, 3)
    values = (tiles * np.asarray(STD, np.float32) + np.asarray(MEAN, np.float32)) * 255
    assert np.abs(values - np.rint(values)).max() < 1e-2, "they were whole numbers"
    return list(np.rint(values).astype(np.uint8))


def test_frames_of_a_movie_enter_the_tower_as_they_are_shown(nano) -> None:
    frames = [noise(40, 90, seed) for seed in range(3)]
    way = way_for(find("nano"))
    assert way == Squares(112)
    shown = [way(frame, "video", 3) for frame in frames]
    assert [one.overview for one in shown] == [None] * 3
    for one, entered in zip(shown, entering(nano, frames, "video"), strict=True):
        assert one.pixels[0].shape == (112, 112, 3)
        np.testing.assert_array_equal(one.pixels[0], entered)


def test_the_tiles_of_a_picture_and_its_overview_enter_as_they_are_shown(nano) -> None:
    frame = noise(250, 340)
    shown = way_for(find("nano"))(frame, "image", 1)
    assert (shown.rows, shown.columns) == (3, 4)
    assert len(shown.pixels) == 13
    np.testing.assert_array_equal(np.stack(shown.pixels), entering(nano, [frame], "image"))
    whole = way_for(find("nano"))(frame, "video", 1)
    np.testing.assert_array_equal(shown.overview, whole.pixels[0])


def test_a_small_picture_is_one_tile_without_an_overview(nano) -> None:
    frame = noise(30, 30)
    shown = way_for(find("nano"))(frame, "image", 1)
    assert (shown.rows, shown.columns, shown.overview) == (1, 1, None)
    np.testing.assert_array_equal(shown.pixels, entering(nano, [frame], "image"))


@pytest.mark.parametrize("reading", ["published", "trained"])
@pytest.mark.parametrize("kind", QWEN_CONFIGS)
def test_a_qwen_tower_gets_patches_of_what_is_shown(kind, reading, tmp_path) -> None:
    config = tiny_qwen_config(kind)
    folder = write_tiny(tmp_path, config)
    model = Sa2VA.load(folder, device="cpu", reading=reading)
    layout = PatchLayout.published(preprocessor_of(config), vision_sizes(config))
    way = way_for(find(str(folder)), reading)
    taken: list[torch.Tensor] = []
    model.mllm.model.visual.register_forward_pre_hook(
        lambda module, args: taken.append(args[0].clone())
    )
    frames = [noise(200, 330, seed) for seed in range(2)]
    model.look(frames, "video")
    model.look(frames[:1], "image")
    shown = [way(frame, "video", 2) for frame in frames] + [way(frames[0], "image", 1)]
    for one, entered in zip(shown, taken, strict=True):
        patches, _ = in_patches(one.pixels[0], layout)
        np.testing.assert_array_equal(patches, entered.numpy())
    sizes = {one.pixels[0].shape for one in shown}
    assert len(sizes) == (2 if reading == "trained" else 1), "training showed frames smaller"


def test_a_model_that_is_not_here_is_shown_pictures_as_its_published_base_is() -> None:
    steps = {"sa2va-qwen2_5-vl-3b": 28, "sa2va-qwen2_5-vl-7b": 28, "sa2va-qwen3-vl-4b": 32}
    for entry in KNOWN:
        way = way_for(ModelEntry(entry.name, base=entry.base))
        if entry.name == "nano":
            assert way is None, "it is always here"
        elif entry.name in steps:
            assert isinstance(way, Fitted)
            assert way.step == steps[entry.name]
        else:
            assert way == Squares(448)


def test_of_an_unknown_model_that_is_not_here_nothing_is_known() -> None:
    assert way_for(ModelEntry("someone--else", hub_id="Someone/else")) is None


def test_a_file_of_no_known_family_is_refused() -> None:
    with pytest.raises(CheckpointError, match="does not describe a Sa2VA checkpoint"):
        way_of({"model_type": "llama"}, {})


def test_no_network_library_is_loaded_for_it() -> None:
    code = (
        "import sys, numpy as np\n"
        "from napari_sa2va.models.zoo import find\n"
        "from napari_sa2va.models.sa2va.pictures import way_for\n"
        "way_for(find('nano'))(np.zeros((9, 9, 3), np.uint8), 'video', 1)\n"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
