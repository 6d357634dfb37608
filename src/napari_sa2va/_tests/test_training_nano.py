"""`train_nano` from end to end, at a size and length that teaches nothing."""

from __future__ import annotations

import pytest
import torch

from napari_sa2va.core.errors import OutputError
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.training.nano import STAGES, nano_tokenizer, train_nano
from napari_sa2va.training.settings import NanoSettings
from napari_sa2va.training.stage_grounding import grounding_batches

TINY = NanoSettings(
    click_steps=1, click_batch=1, track_steps=1, track_batch=1, eye_steps=1, eye_batch=1,
    ground_steps=2, ground_batch=1, turns=2, task_steps=2, task_batch=1, image_size=64, tile_size=32,
    vision_width=32, vision_layers=1, width=32, layers=2, vocab_size=400,
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("nano")
    return out, train_nano(TINY, out)


def test_training_leaves_a_checkpoint_that_loads(trained):
    model = Sa2VA.load(trained[1], device="cpu")
    assert model.original_decoder is not None
    assert all(torch.isfinite(t).all() for t in model.tensors().values())


def test_stage_two_moves_the_tuned_decoder_and_nothing_else_of_sam2(trained):
    out, _ = trained
    before = torch.load(out / "tracks.pt", weights_only=True)["weights"]
    after = torch.load(out / "grounding.pt", weights_only=True)["weights"]
    for name, tensor in before.items():
        torch.testing.assert_close(after[f"sam2.{name}"], tensor, atol=0, rtol=0)
    tuned = {n.removeprefix("tuned_decoder."): t for n, t in after.items() if "tuned_" in n}
    assert any(not torch.equal(t, before[f"sam_mask_decoder.{n}"]) for n, t in tuned.items())


def test_a_second_call_takes_the_finished_stages_from_the_folder(trained):
    out, _ = trained
    seen = []
    before = (out / "checkpoint" / "model.safetensors").read_bytes()
    train_nano(TINY, out, lambda stage, *_: seen.append(stage))
    assert seen == []
    assert (out / "checkpoint" / "model.safetensors").read_bytes() == before
    assert all((out / f"{stage}.pt").exists() for stage in STAGES)


def test_an_output_folder_that_cannot_be_written_is_found_out_first(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="file"):
        train_nano(TINY, blocked / "out")


def test_a_batch_always_has_something_to_decode():
    settings = TINY.model_copy(update={"turns": 1})  # one sentence per movie: often an absent thing
    batches = grounding_batches(0, settings, nano_tokenizer(settings), batch=1)
    assert all(len(next(batches).truths) == 1 for _ in range(20))
