"""How often a run reads its frames, and how much at once; and what marks alone leave untouched."""

from __future__ import annotations

from collections import Counter

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.models import zoo
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.pipeline.events import FrameMasks
from napari_sa2va.pipeline.run import run
from napari_sa2va.presets import PRESETS, preset
from napari_sa2va.propagation import Both, Forward, KeyFramesOnly, Range
from napari_sa2va.readers.open import open_clip
from napari_sa2va.sampling.manual import Manual

NUM_FRAMES, SIZE = 12, (16, 20)
KEY_FRAMES = (2, 5, 9)
RED = Prompt(1, "red", text="the red one")
BLUE = Prompt(2, "blue", frame=7, points=(Point(y=12, x=8),))


class CountedArray:
    """Frames that write down which of them were read, and how many pixels at once."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self.shape, self.dtype, self.ndim = frames.shape, frames.dtype, frames.ndim
        self.read: Counter[int] = Counter()
        self.most_at_once = 0

    def __getitem__(self, index) -> np.ndarray:
        part = self._frames[index]
        if part.size:  # dask asks for nothing, to learn the type
            self.read.update(np.atleast_1d(np.arange(self.shape[0])[index[0]]).tolist())
            self.most_at_once = max(self.most_at_once, part.size)
        return part


class CountedZarr(CountedArray):
    """The same on top of a real zarr array, whose chunks hold four frames."""

    def __init__(self, frames: np.ndarray) -> None:
        stored = zarr.create_array(
            {}, shape=frames.shape, chunks=(4, *frames.shape[1:]), dtype=frames.dtype
        )
        stored[:] = frames
        super().__init__(stored)


def colours() -> np.ndarray:
    clip = colour_clip(NUM_FRAMES, SIZE)
    return np.stack([clip.rgb(t) for t in range(NUM_FRAMES)])


def as_dask(counted: CountedArray):
    """As napari hands it over: a dask array on top, here in chunks of one frame."""
    return da.from_array(counted, chunks=(1, *SIZE, 3), asarray=False)


def settings_of(name, order):
    settings = preset(name)
    tracking = settings.tracking.model_copy(update={"propagation": order})
    return settings.model_copy(update={"tracking": tracking, "sampling": Manual(frames=KEY_FRAMES)})


def reads_of(counted, opened, *prompts, name="sa2va-i", order=None):
    """How often each frame was read in a run, opening aside, and the frames with masks."""
    clip = open_clip(opened, axes="TYXS")
    counted.read.clear()
    counted.most_at_once = 0
    settings = settings_of(name, order or Forward())
    events = run(clip, PromptSet(prompts), settings, model=FakeModel())
    frames = [e.frame for e in events if type(e) is FrameMasks]
    return dict(counted.read), frames


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("kind", ["plain", "dask", "zarr"])
def test_a_frame_is_read_once_to_be_tracked_and_a_key_frame_once_more_to_be_shown(kind, name):
    counted = (CountedZarr if kind == "zarr" else CountedArray)(colours())
    opened = as_dask(counted) if kind == "dask" else counted
    reads, frames = reads_of(counted, opened, RED, name=name, order=Both())
    assert sorted(frames) == list(range(NUM_FRAMES))
    assert reads == {t: 2 if t in KEY_FRAMES else 1 for t in range(NUM_FRAMES)}
    assert counted.most_at_once == SIZE[0] * SIZE[1] * 3, "one frame"


def test_a_frame_that_one_object_is_marked_on_and_another_tracked_to_is_read_once():
    counted = CountedArray(colours())
    reads, _ = reads_of(counted, counted, RED, BLUE, order=Both())
    assert reads == {t: 2 if t in KEY_FRAMES else 1 for t in range(NUM_FRAMES)}


@pytest.mark.parametrize(
    ("order", "read"),
    [
        (Range(first_frame=8, last_frame=10), {7: 1, 8: 1, 9: 1, 10: 1}),
        (KeyFramesOnly(), {7: 1}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_frames_that_are_not_asked_for_are_not_read(order, read):
    counted = CountedArray(colours())
    assert reads_of(counted, counted, BLUE, order=order)[0] == read


def test_marks_alone_touch_neither_the_vision_tower_nor_the_language_model():
    model = Sa2VA.load(zoo.resolve("nano").folder, device="cpu", dtype="float32")
    ran: set[str] = set()
    hooks = [
        part.register_forward_hook(lambda *_, name=name: ran.add(name))
        for top, child in model.named_children()
        for name, part in child.named_modules(prefix=top)
    ]
    clip = open_clip(colours()[:4], axes="TYXS")
    settings = settings_of("sa2va-i", Forward())
    settings = settings.model_copy(update={"sampling": Manual(frames=(0, 2))})

    def parts_that_run(prompt: Prompt) -> set[str]:
        ran.clear()
        list(run(clip, PromptSet((prompt,)), settings, model=model))
        return {name.split(".")[0] for name in ran}

    try:
        marked = parts_that_run(Prompt(3, "blue", frame=1, points=(Point(y=12, x=2),)))
        said = parts_that_run(RED)
    finally:
        for hook in hooks:
            hook.remove()
    assert "mllm" in said, "the vision tower and the language model are in there"
    assert marked <= {"sam2", "original_decoder"}
    assert "sam2" in marked
