"""A network small enough to follow by hand, for tests of the pipeline's own logic.

It "grounds" a sentence by the word for a channel ("red", "green", "blue") and "segments" what is
bright in that channel. Tests of real networks are elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.exchange import Exchange
from napari_sa2va.models import device as devices
from napari_sa2va.models.formats import Formats
from napari_sa2va.models.sa2va.seen import Seen
from napari_sa2va.pipeline import loaded

COLOURS = {"red": 0, "green": 1, "blue": 2}


def colour_clip(num_frames: int = 6, size: tuple[int, int] = (16, 20)) -> Clip:
    """A clip with one 4 px square per colour; each moves right by a pixel per frame."""
    from napari_sa2va.readers.open import open_clip

    frames = np.zeros((num_frames, *size, 3), dtype=np.uint8)
    for channel in range(3):
        for t in range(num_frames):
            y = 1 + 5 * channel
            frames[t, y : y + 4, t : t + 4, channel] = 200
    return open_clip(frames, axes="TYXS", name="colours")


def write_rgb(path: Path, frames: np.ndarray, pixel_height_um: float = 0.5) -> Path:
    """Frames of colours as an OME-TIFF with pixels 0.5 um wide and a frame every 2 s."""
    tifffile.imwrite(
        path, frames, photometric="rgb",
        metadata={"axes": "TYXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": pixel_height_um,
                  "PhysicalSizeXUnit": "um", "PhysicalSizeYUnit": "um",
                  "TimeIncrement": 2.0, "TimeIncrementUnit": "s"},
    )  # fmt: skip
    return path


def write_colours(path: Path) -> Path:
    """The clip above as such a file: 8 frames of 16 x 20 px."""
    return write_rgb(path, np.stack([colour_clip(8).rgb(t) for t in range(8)]))


def pretend_gpu(monkeypatch: pytest.MonkeyPatch, model: FakeModel) -> None:
    """Let runs load this network themselves, on a device that is not the CPU and has room."""
    model.device = torch.device("meta")
    monkeypatch.setattr(loaded, "load", lambda settings: model)
    monkeypatch.setattr(
        devices, "pick_device", lambda name: torch.device("meta" if name == "auto" else name)
    )
    monkeypatch.setattr(devices, "free_memory", lambda device: 10**9)


def _colours_in(text: str) -> list[int]:
    """Channels of the colours that a text names, in its order."""
    return [COLOURS[word] for word in re.findall("|".join(COLOURS), text)]


@dataclass
class FakeGrounding:
    answer: str
    embeddings: np.ndarray

    @property
    def found(self) -> bool:
        return len(self.embeddings) > 0

    @property
    def display(self) -> str:
        return self.answer.replace("[SEG]", "").replace("<|im_end|>", "").strip()


@dataclass
class FakePrediction:
    masks: np.ndarray
    confidence: np.ndarray

    def to_masks(self, height: int, width: int, *, two_step: bool = True) -> np.ndarray:
        assert self.masks.shape[1:] == (height, width)
        return self.masks


class FakeTracker:
    def __init__(self, calls: list[tuple]) -> None:
        self.calls = calls
        self.num_encoded = 0
        self.channels: dict[int, int] = {}
        self.decoder = "original"
        self.precision: torch.dtype | None = None
        self.objects_per_pass, self.offload, self.max_conditioning = 16, False, 0
        self.forgot: list[int] = []  # tracked frames that were not to be remembered

    def encode(self, frame: np.ndarray, *, decoders=None) -> np.ndarray:
        self.num_encoded += 1
        return frame

    def set_aside(self, features: np.ndarray) -> np.ndarray:
        return features

    def take_up(self, features: np.ndarray) -> np.ndarray:
        return features

    def forget(self, t: int) -> None:
        self.calls.append(("forget", t))

    def follow(self) -> None:
        self.calls.append(("follow",))

    def memories(self) -> dict[str, torch.Tensor]:
        return {str(i): torch.tensor(channel) for i, channel in self.channels.items()}

    def restore(self, memories) -> None:
        self.channels |= {int(i): int(channel) for i, channel in memories.items()}

    def _segment(self, frame: np.ndarray, channels: list[int], score: float) -> FakePrediction:
        masks = np.stack([frame[..., c] > 100 for c in channels])
        return FakePrediction(masks, np.full(len(channels), score, dtype=np.float32))

    def decode_language(self, features, embeddings, decoder):
        self.calls.append(("decode_language", decoder))
        return self._segment(features, [int(e[0]) for e in embeddings], 0.75)

    def prompt_language(self, t, features, object_ids, embeddings, decoder=None):
        self.calls.append(("prompt_language", t, tuple(object_ids), decoder))
        channels = [int(e[0]) for e in embeddings]
        self.channels |= dict(zip(object_ids, channels, strict=True))
        return self._segment(features, channels, 0.75)

    def prompt_masks(self, t, features, object_ids, masks):
        self.calls.append(("prompt_masks", t, tuple(object_ids)))
        for object_id, mask in zip(object_ids, masks, strict=True):
            inside = features[mask].mean(axis=0) if mask.any() else [0, 0, 0]
            self.channels[object_id] = int(np.argmax(inside))
        return FakePrediction(masks, np.ones(len(masks), dtype=np.float32))

    def prompt_points(self, t, features, object_id, points_yx, labels, box_yx=None):
        self.calls.append(("prompt_points", t, object_id, points_yx.tolist(), box_yx))
        y, x = (int(v) for v in points_yx[0])
        self.channels[object_id] = int(np.argmax(features[y, x]))
        return self._segment(features, [self.channels[object_id]], 0.9)

    def track(self, t, features, object_ids, reverse=False, *, remember=True):
        self.calls.append(("track", t, tuple(object_ids), reverse))
        if not remember:
            self.forgot.append(t)
        return self._segment(features, [self.channels[i] for i in object_ids], 0.5)


@dataclass(eq=False)
class FakeModel:
    """Answers "It is [SEG]." for colours it knows, and says what is not there.

    A given answer points at the colours that it names itself, or else at those of the question.
    """

    name: str = "fake"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    weight_hashes: dict[str, str] = field(default_factory=lambda: {"model.safetensors": "0" * 64})
    tuned_decoder: str = "tuned"
    original_decoder: str = "original"
    formats: Formats = field(default_factory=Formats)
    pictures_at_once: int = 8
    nbytes: int = 0
    calls: list[tuple] = field(default_factory=list)
    trackers: list[FakeTracker] = field(default_factory=list)
    histories: list[list[Exchange]] = field(default_factory=list)

    def look(self, frames, mode="video", regions=()):
        self.calls.append(("look", len(frames)))
        cells = tuple(int(region.sum()) // 4 for region in regions)
        return Seen(torch.zeros(0, 2), (1,) * len(frames), len(frames), region_counts=cells)

    def ground_seen(self, seen, text, answer=None, *, history=(), should_stop=None):
        self.calls.append(("ground", text, answer))
        self.histories.append([*history])
        channels = _colours_in(answer or "") or _colours_in(text)
        if answer is None:
            answer = "It is [SEG]." if channels else "There is no such thing."
            answer = answer if len(channels) < 2 else "It is [SEG] and [SEG]."
        count = answer.count("[SEG]")
        return FakeGrounding(
            answer + "<|im_end|>",
            np.array([[c, 0.0] for c in channels[:count]], dtype=np.float32).reshape(-1, 2),
        )

    def nbytes_outside(self, device):
        return 0 if self.device.type == device.type else self.nbytes

    def park_language(self):
        self.calls.append(("park_language",))

    def halve(self):
        self.calls.append(("halve",))
        self.formats, self.dtype = self.formats.halved(), torch.bfloat16

    def to(self, device):
        self.calls.append(("to", str(device)))
        self.device = torch.device(device)

    def new_tracker(
        self,
        *,
        decoder,
        hide_absent,
        turning_frame=None,
        max_conditioning=0,
        precision=None,
        objects_per_pass=16,
        offload=False,
    ):
        self.calls.append(("new_tracker", decoder, hide_absent, turning_frame))
        tracker = FakeTracker(self.calls)
        tracker.precision, tracker.offload = precision, offload
        tracker.objects_per_pass = objects_per_pass
        tracker.max_conditioning = max_conditioning
        self.trackers.append(tracker)
        return tracker
