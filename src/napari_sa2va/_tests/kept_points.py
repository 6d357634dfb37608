"""Runs of the real nano on a small movie, their safe points, and what is compared of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.zoo import find
from napari_sa2va.pipeline.events import Event, Finished, FrameMasks, Note
from napari_sa2va.pipeline.record import RunRecord
from napari_sa2va.pipeline.safe_point import SafePoint
from napari_sa2va.presets import preset
from napari_sa2va.readers.open import open_clip
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import RunSettings
from napari_sa2va.training.synth import generate_movie

NUM_FRAMES = 7
# There are two cells, as nano knows.
SENTENCES = ["the giraffe", "the bright cell", "the dim cell"]
PROMPTS = PromptSet.from_texts(SENTENCES)


def two_cells(num_frames: int = NUM_FRAMES) -> Clip:
    """Frames of 64 x 80 px."""
    frames = generate_movie(7, num_frames=NUM_FRAMES, height=64, width=80).frames
    return open_clip(frames[:num_frames], axes="TYXS", name="cells")


def load_nano() -> Sa2VA:
    """The network that ships."""
    folder = find("nano").folder
    assert folder is not None
    return Sa2VA.load(folder, device="cpu")


def changed(settings: RunSettings, **tracking: Any) -> RunSettings:
    """Settings with other choices of tracking."""
    update = {"tracking": settings.tracking.model_copy(update=tracking)}
    return settings.model_copy(update=update)


def on_frames(*frames: int, **tracking: Any) -> RunSettings:
    """A preset with these key frames, and other choices of tracking."""
    settings = preset("sa2va-i").model_copy(update={"sampling": Manual(frames=frames)})
    return changed(settings, **tracking)


class EveryPoint:
    """Keeps all points that are offered, each in a file of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[Path] = []

    def last(self) -> None:
        return None

    def offer(self, frames_done: int, take: Callable[[], SafePoint]) -> None:
        self.paths.append(self.folder / f"{len(self.paths)}.safetensors")
        point = take()
        assert point.frames_done == frames_done
        point.save(self.paths[-1])


class From:
    """Has a run go on from a file, and keeps nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def last(self) -> SafePoint:
        return SafePoint.load(self.path)

    def offer(self, frames_done: int, take: Callable[[], SafePoint]) -> None:
        pass


def drawn(events: list[Event]) -> list[FrameMasks]:
    """Masks that were yielded, those of key frames too."""
    return [event for event in events if isinstance(event, FrameMasks)]


def final(events: list[Event]) -> list[FrameMasks]:
    """Final masks."""
    return [event for event in events if type(event) is FrameMasks]


def notes(events: list[Event]) -> list[str]:
    """What was noted."""
    return [event.message for event in events if isinstance(event, Note)]


def record_of(events: list[Event]) -> RunRecord:
    """The record of a run that came to its end."""
    assert isinstance(events[-1], Finished)
    return events[-1].record


def assert_same(found: list[FrameMasks], expected: list[FrameMasks]) -> None:
    """Bit for bit: which frames, which objects, masks and scores."""
    assert [(type(e), e.frame, e.object_ids) for e in found] == [
        (type(e), e.frame, e.object_ids) for e in expected
    ]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.masks, other.masks)
        assert one.scores.tobytes() == other.scores.tobytes()


def account(record: RunRecord, *left_out: str) -> dict[str, Any]:
    """What a record says, but for times and notes."""
    return record.model_dump(mode="json", exclude={"started", "timings_s", "notes", *left_out})
