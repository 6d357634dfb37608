"""Which safe points a run goes on from, and what becomes of it where memory is short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from napari_sa2va._tests.kept_points import (
    NUM_FRAMES,
    PROMPTS,
    SENTENCES,
    EveryPoint,
    From,
    account,
    assert_same,
    changed,
    drawn,
    final,
    on_frames,
    record_of,
)
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.models.sam2.tracker import Tracker
from napari_sa2va.pipeline.events import Note
from napari_sa2va.pipeline.run import run
from napari_sa2va.pipeline.safe_point import SafePoint
from napari_sa2va.presets import preset
from napari_sa2va.propagation import Both
from napari_sa2va.readers.open import open_clip
from napari_sa2va.settings import RunSettings


def others(clip: Clip) -> dict[str, tuple[Clip, PromptSet, RunSettings, dict]]:
    """Runs that differ from one in one thing."""
    texts, settings = PROMPTS, preset("sa2va-i")
    dim = replace(clip, limits=((0.0, 200.0),) * 3)
    reversed_ = open_clip(np.stack([clip.frame(t) for t in range(NUM_FRAMES)])[::-1], axes="TYXS")
    half = settings.memory.model_copy(update={"sam2_dtype": "bfloat16"})
    return {
        "prompts": (clip, PromptSet.from_texts(SENTENCES[::-1]), settings, {}),
        "answers": (clip, texts, settings, {"answers": [None, None, "It is [SEG]."]}),
        "settings": (clip, texts, changed(settings, hide_absent=False), {}),
        "number formats": (clip, texts, settings.model_copy(update={"memory": half}), {}),
        "limits": (dim, texts, settings, {}),
        "pixels": (reversed_, texts, settings, {}),
        "order": (clip, texts, settings, {"begin_near": 6}),
    }


def test_a_point_of_another_run_is_not_used(nano, clip, tmp_path, monkeypatch):
    path = tmp_path / "point.safetensors"
    texts, settings = PROMPTS, preset("sa2va-i")
    keeper = EveryPoint(tmp_path)
    list(run(clip, texts, settings, model=nano, keeper=keeper))
    keeper.paths[-2].rename(path)

    def first_note(clip, prompts, settings, more) -> str:
        events = run(clip, prompts, settings, model=nano, keeper=From(path), **more)
        return next(event.message for event in events if isinstance(event, Note))

    for case in others(clip).values():
        assert first_note(*case).endswith("This run begins anew.")
    monkeypatch.setattr(nano, "weight_hashes", {"model.safetensors": "0" * 64})
    assert first_note(clip, texts, settings, {}).endswith("This run begins anew.")
    monkeypatch.undo()
    # Where it runs and how it spends memory is no matter.
    frugal = settings.memory.model_copy(update={"objects_at_once": 1, "offload_frames": True})
    model = settings.model.model_copy(update={"device": "cpu", "dtype": "float32"})
    same = settings.model_copy(update={"memory": frugal, "model": model})
    assert first_note(clip, texts, same, {}) == "The run goes on after 6 of 7 frames."


def test_a_run_that_begins_anew_is_whole(nano, clip, tmp_path):
    keeper = EveryPoint(tmp_path)
    settings = preset("sa2va-i")
    other = PromptSet.from_texts("the dim cell")
    list(run(clip, other, settings, model=nano, keeper=keeper))
    whole = list(run(clip, PROMPTS, settings, model=nano))
    anew = list(run(clip, PROMPTS, settings, model=nano, keeper=From(keeper.paths[0])))
    assert_same(drawn(anew), drawn(whole))
    assert account(record_of(anew)) == account(record_of(whole))


def out_of_memory(monkeypatch, method: str, *calls: int) -> None:
    """Let a method of the tracker run out of memory in these of its calls, counted from 1."""
    kept, count = getattr(Tracker, method), [0]

    def failing(self, *args, **kwargs):
        count[0] += 1
        if count[0] in calls:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return kept(self, *args, **kwargs)

    monkeypatch.setattr(Tracker, method, failing)


def test_a_run_that_stepped_down_goes_on_with_what_was_asked_for(nano, clip, tmp_path, monkeypatch):
    settings = on_frames(2, 4, propagation=Both())
    with monkeypatch.context() as patch:
        out_of_memory(patch, "prompt_masks", 1, 2)
        keeper = EveryPoint(tmp_path)
        list(run(clip, PROMPTS, settings, model=nano, keeper=keeper))
    rungs = ["smaller batches", "smaller format"]
    memories = SafePoint.load(keeper.paths[4]).memories
    assert torch.bfloat16 in {tensor.dtype for tensor in memories.values()}
    record = record_of(list(run(clip, PROMPTS, settings, model=nano, keeper=From(keeper.paths[4]))))
    assert [down.rung for down in record.step_downs] == rungs
    assert record.formats["sam2"] == "float32"
    assert record.finished == "done"


def test_memories_that_find_no_room_have_the_run_step_down(nano, clip, tmp_path, monkeypatch):
    settings = preset("sa2va-i")
    keeper = EveryPoint(tmp_path)
    whole = list(run(clip, PROMPTS, settings, model=nano, keeper=keeper))
    out_of_memory(monkeypatch, "restore", 1)
    after = list(run(clip, PROMPTS, settings, model=nano, keeper=From(keeper.paths[3])))
    assert [down.rung for down in record_of(after).step_downs] == ["smaller format"]
    assert [event.frame for event in drawn(after)] == [event.frame for event in drawn(whole)[3:]]
    assert all(event.masks.any() for event in final(after))
