"""The file of a safe point: when it is written, and what it is worth when it is damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va._tests.kept_points import (
    PROMPTS,
    assert_same,
    drawn,
    final,
    record_of,
)
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import SafePointError
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.pipeline import file_keeper
from napari_sa2va.pipeline.events import Event, Finished, KeyMasks
from napari_sa2va.pipeline.file_keeper import FileKeeper
from napari_sa2va.pipeline.run import run
from napari_sa2va.pipeline.safe_point import SafePoint
from napari_sa2va.presets import preset


def test_who_cancels_politely_loses_nothing(nano, clip, tmp_path):
    settings = preset("sa2va-i")
    # Of itself, this keeper writes the first point and then none for an hour.
    keeper, cancel = FileKeeper(tmp_path / "point.safetensors", share=1e-9), CancelToken()
    before: list[Event] = []
    for event in run(clip, PROMPTS, settings, model=nano, cancel=cancel, keeper=keeper):
        before.append(event)
        if len(final(before)) == 3 and not cancel.cancelled:
            assert SafePoint.load(keeper.path).frames_done == 0
            keeper.keep_now()
            cancel.cancel()
    assert isinstance(before[-1], Finished)
    assert before[-1].reason == "cancelled"
    assert SafePoint.load(keeper.path).frames_done == 3
    after = list(run(clip, PROMPTS, settings, model=nano, keeper=FileKeeper(keeper.path)))
    undisturbed = list(run(clip, PROMPTS, settings, model=nano))
    assert_same(final(before) + final(after), final(undisturbed))
    assert record_of(after).finished == "done"


def small_point(tmp_path: Path) -> Path:
    keeper = FileKeeper(tmp_path / "point.safetensors", share=1.0)
    prompts = PromptSet.from_texts("the red one")
    events = run(colour_clip(), prompts, preset("sa2va-i"), model=FakeModel(), keeper=keeper)
    while not keeper.path.exists():
        next(events)
    return keeper.path


def test_a_damaged_file_counts_as_none_and_is_told_of(tmp_path, caplog):
    path = small_point(tmp_path)
    whole = path.read_bytes()
    assert FileKeeper(path).last() is not None
    rng = np.random.default_rng(3)
    damaged = [b"", whole[:-1], whole[:20], whole + b"0", b"no such file" * 50]
    for place in rng.integers(0, len(whole), 60):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(SafePointError, match=r"point\.safetensors"):
            SafePoint.load(path)
        caplog.clear()
        assert FileKeeper(path).last() is None
        assert str(path) in caplog.text
    path.unlink()
    caplog.clear()
    assert FileKeeper(path).last() is None
    assert caplog.text == ""


def test_bfloat16_and_all_other_formats_come_back_as_they_were(tmp_path):
    point = SafePoint.load(small_point(tmp_path))
    values = torch.tensor([[1.0, -0.0, float("nan"), 3.14159, 1e-30]])
    memories = {
        str(dtype): values.to(dtype) for dtype in (torch.bfloat16, torch.float16, torch.float32)
    } | {"transposed": torch.arange(6.0).reshape(2, 3).T, "number": torch.tensor(7)}
    path = tmp_path / "formats.safetensors"
    replace(point, memories=memories).save(path)
    found = SafePoint.load(path).memories
    assert found.keys() == memories.keys()
    for name, tensor in memories.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
        # Bytes, since NaN is not equal to itself, and -0 is to 0.
        mine, theirs = (t.reshape(-1).view(torch.uint8) for t in (found[name], tensor))
        assert torch.equal(mine, theirs)


def test_writing_takes_no_more_than_its_share_of_the_time(tmp_path, monkeypatch):
    point = SafePoint.load(small_point(tmp_path))
    now, written = [100.0], []
    monkeypatch.setattr(file_keeper, "monotonic", lambda: now[0])

    def take() -> SafePoint:
        written.append(now[0])
        now[0] += 2.0  # what this write takes
        return point

    keeper = FileKeeper(tmp_path / "point.safetensors", share=0.05)
    for _ in range(100):
        keeper.offer(0, take)
        now[0] += 1.0
    # 2 s of writing, then 40 s of none.
    assert written == [100.0, 142.0, 184.0]
    keeper.keep_now()
    keeper.offer(0, take)
    keeper.offer(0, take)
    assert len(written) == 4


def test_a_point_that_cannot_be_written_stops_no_run(nano, clip, tmp_path, caplog):
    keeper = FileKeeper(tmp_path / "no such folder" / "point.safetensors")
    settings = preset("sa2va-i")
    events = list(run(clip, PROMPTS, settings, model=nano, keeper=keeper))
    assert record_of(events).finished == "done"
    assert "no such folder" in caplog.text
    assert isinstance(drawn(events)[0], KeyMasks)
