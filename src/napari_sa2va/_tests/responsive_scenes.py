"""What a window has to live through while it is watched: runs, undo and redo, carrying on.

For the test of the event loop, and for the benchmark that prints its numbers.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
from qtpy.QtCore import QTimer

from napari_sa2va._tests.fakes import FakeGrounding, FakeModel, FakePrediction, FakeTracker
from napari_sa2va._tests.heartbeat import COLLECTION, Gap, Heartbeat, rest, spin
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.request import JobRequest, Message, messages_of
from napari_sa2va.gui.timeline_dock import TimelineDock

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sa2va.gui.worker import Source

SENTENCES = ("the large yellow cell", "the blue cell", "the lowest cell")
"""Things to find in the sample movie."""

LAYER = "a layer was made"
"""Noted where a layer came into the viewer, and where it was drawn first."""

END = "the run had ended"

_AFTER_S = 0.5  # what is drawn a moment later belongs to what brought it about


@dataclass(frozen=True)
class Disks:
    """A movie of disks that move."""

    num_frames: int
    side: int
    count: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """What asks for all of them."""
        return tuple(f"disk {i}" for i in range(self.count))

    def masks(self, t: int) -> np.ndarray:
        """Where the disks are on a frame, bool (N, Y, X)."""
        radius = self.side // (3 * self.count)
        y, x = np.ogrid[-radius:radius, -radius:radius]
        disk = y**2 + x**2 < radius**2
        found = np.zeros((self.count, self.side, self.side), bool)
        for i in range(self.count):
            top = i * self.side // self.count
            left = (i * 40 + t * max(self.side // 100, 1)) % (self.side - 2 * radius)
            found[i, top : top + 2 * radius, left : left + 2 * radius] = disk
        return found

    def movie(self) -> da.Array:
        """Grey frames (T, Y, X), made when they are asked for; two corners tell which one it is."""

        def frame(block_info: dict) -> np.ndarray:
            t = block_info[None]["chunk-location"][0]
            pixels = np.full((1, self.side, self.side), 90, np.uint8)
            pixels[0, :8, :8], pixels[0, :8, 8:16] = t % 251, t // 251
            return pixels

        chunks = ((1,) * self.num_frames, (self.side,), (self.side,))
        return da.map_blocks(frame, chunks=chunks, dtype=np.uint8, meta=np.empty((0, 0, 0)))

    def run(self, request: JobRequest, cancel: CancelToken) -> Iterator[Message]:
        """The pipeline on a network that knows where the disks are, and takes no time."""
        return messages_of(request, cancel, model=DiskModel(self))


LARGE = Disks(num_frames=40, side=1024, count=5)
LONG = Disks(num_frames=1500, side=96, count=5)


class DiskTracker(FakeTracker):
    """Says at once where disks are."""

    def __init__(self, disks: Disks, calls: list[tuple]) -> None:
        super().__init__(calls)
        self.disks = disks

    def decode_language(self, features, embeddings, decoder):
        t = int(features[0, 0, 0]) + 251 * int(features[0, 8, 0])
        return self._of(t, [int(e[0]) for e in embeddings])

    def prompt_language(self, t, features, object_ids, embeddings, decoder=None):
        return self._prompted(t, object_ids, [int(e[0]) for e in embeddings])

    def prompt_masks(self, t, features, object_ids, masks):
        there = self.disks.masks(t)
        inside = [[np.count_nonzero(mask & disk) for disk in there] for mask in masks]
        return self._prompted(t, object_ids, [int(np.argmax(found)) for found in inside])

    def track(self, t, features, object_ids, reverse=False, *, remember=True):
        return self._of(t, [self.channels[i] for i in object_ids])

    def _prompted(self, t, object_ids, numbers):
        self.channels |= dict(zip(object_ids, numbers, strict=True))
        return self._of(t, numbers)

    def _of(self, t, numbers):
        masks = self.disks.masks(t)[numbers]
        return FakePrediction(masks, np.full(len(numbers), 0.8, np.float32))


class DiskModel(FakeModel):
    """Finds "disk 0", "disk 1", ..., and takes no time for it."""

    def __init__(self, disks: Disks) -> None:
        super().__init__()
        self.disks = disks

    def ground_seen(self, seen, text, answer=None, *, history=(), should_stop=None):
        number = next(int(c) for c in text if c.isdigit())
        return FakeGrounding("It is [SEG].<|im_end|>", np.array([[number, 0.0]], np.float32))

    def new_tracker(self, *, decoder, hide_absent, precision=None, **how):
        tracker = DiskTracker(self.disks, self.calls)
        tracker.precision = precision
        self.trackers.append(tracker)
        return tracker


def open_docks(viewer: Viewer, source: Source = messages_of) -> SentenceDock:
    """Put both docks of a run into a viewer."""
    dock = SentenceDock(viewer, source)
    viewer.window.add_dock_widget(dock, name="Segment by sentence", area="right")
    timeline = TimelineDock(viewer)
    viewer.window.add_dock_widget(timeline, name="Timeline of objects", area="bottom")
    return dock


def open_sample(viewer: Viewer) -> None:
    """Open the movie that comes with the plugin."""
    from napari_sa2va.plugin.samples import generated_movie

    data, options, _ = generated_movie()[0]
    viewer.add_image(data, **options)


def open_disks(viewer: Viewer, disks: Disks) -> None:
    """Open a movie of disks."""
    viewer.add_image(disks.movie(), name="disks", contrast_limits=(0, 255))


def watched_run(dock: SentenceDock, sentences: tuple[str, ...] = SENTENCES) -> Heartbeat:
    """Press Run and watch until all is drawn.

    Raises
    ------
    AssertionError
        If the dock says that something went wrong.
    """
    dock.sentences.setPlainText("\n".join(sentences))
    rest(_AFTER_S)  # whatever the words set going is not the run
    return _watched(dock, dock.run)


def watched_undo(dock: SentenceDock) -> Heartbeat:
    """Take the run back and watch until all is drawn."""
    return _watched(dock, dock.bench.workspace.undo)


def watched_redo(dock: SentenceDock) -> Heartbeat:
    """Make the run again and watch until all is drawn."""
    return _watched(dock, dock.bench.workspace.redo)


def watched_carry(dock: SentenceDock) -> Heartbeat:
    """Carry all objects from one frame over the others, and watch until all is drawn."""
    from napari_sa2va.project.steps.carry import Carry
    from napari_sa2va.project.steps.spans import Span

    state = dock.bench.workspace.project.state
    seen = {m.object_id: m.frames_present for m in state.masklets()}
    step = Carry(
        conditions={i: (frames[len(frames) // 2],) for i, frames in seen.items() if frames},
        span=Span(first=0, last=state.num_frames - 1),
        settings=dock.settings.value(),
    )
    return _watched(dock, partial(dock._run_on_bench, step))


def watched_layer(viewer: Viewer) -> Gap:
    """Add a layer of labels as a person would, and return the gap that napari takes for it."""
    from napari.layers import Labels

    layer = Labels(np.zeros((4, 64, 64), np.uint8), name="by hand")
    gc.collect()
    with Heartbeat() as beat:
        rest(0.1)
        viewer.add_layer(layer)
        beat.note(LAYER)
        QTimer.singleShot(0, partial(beat.note, LAYER))
        rest(_AFTER_S)
    viewer.layers.remove(layer)
    gap = beat.longest_with(LAYER)
    assert gap is not None
    return gap


def _watched(dock: SentenceDock, action: Callable[[], object]) -> Heartbeat:
    gc.collect()  # or one that has long been due comes with the click
    layers = dock._viewer.layers
    with Heartbeat() as beat:

        def inserted(event: object) -> None:
            beat.note(LAYER)
            QTimer.singleShot(0, partial(beat.note, LAYER))  # when it is drawn first

        layers.events.inserted.connect(inserted)
        action()
        spin(lambda: not dock.controller.running)
        beat.note(END)
        rest(_AFTER_S)
    layers.events.inserted.disconnect(inserted)
    assert not dock.panel.message.isVisible(), dock.panel.message.text()
    return beat


def first_run() -> dict[str, float]:
    """Watch the first run of this process: the longest pauses in ms, with and without the layer."""
    import napari

    viewer = napari.Viewer()
    dock = open_docks(viewer)
    open_sample(viewer)
    rest(2.0)
    beat = watched_run(dock)
    layer = beat.longest_with(LAYER)
    assert layer is not None
    others = beat.longest_without({LAYER, COLLECTION})
    return {"others": others.frozen_ms, "layer": layer.frozen_ms}
