"""Does the tracker stream? Ratios measured in one run, with untrained networks.

    python benchmarks/tracker.py

Encoder passes per frame for 1, 3 and 10 objects; time per frame with 10 objects against 1, and at
frame 500 against frame 20; peak memory of 1,000 frames against 100, masks streamed to disk. Times
are processor time, which other programs on the machine disturb less. For lower precision see
`benchmarks/precision.py`.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sa2va.models.sam2.build import Sam2Config, build_sam2
from napari_sa2va.models.sam2.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

HEIGHT, WIDTH = 240, 320

SMALL = Sam2Config(
    image_size=256,
    embed_dim=16,
    num_heads=1,
    stages=(1, 1, 2, 1),
    global_att_blocks=(3,),
    window_spec=(8, 4, 8, 4),
    hidden_dim=64,
    memory_dim=16,
)


def frame(t: int) -> np.ndarray:
    """Noise with a square that moves, uint8 (Y, X, 3); made when asked for."""
    pixels = np.random.default_rng(t).integers(0, 90, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    left = 20 + t % 200
    pixels[80:140, left : left + 60] = 220
    return pixels


def masks(num_objects: int) -> np.ndarray:
    """One square per object on frame 0, bool (N, Y, X)."""
    squares = np.zeros((num_objects, HEIGHT, WIDTH), dtype=bool)
    for i in range(num_objects):
        squares[i, 80:140, 20 + 10 * i : 80 + 10 * i] = True
    return squares


def run(tracker: Tracker, num_objects: int, num_frames: int) -> Iterator[tuple[float, np.ndarray]]:
    """Track from a mask on frame 0; yield the seconds that each frame took, and its masks."""
    ids = list(range(1, num_objects + 1))
    tracker.prompt_masks(0, tracker.encode(frame(0)), ids, masks(num_objects))
    for t in range(1, num_frames):
        pixels = frame(t)
        start = time.process_time()
        prediction = tracker.track(t, tracker.encode(pixels), ids)
        found = prediction.to_masks(HEIGHT, WIDTH)
        yield time.process_time() - start, found


def passes_per_frame(num_objects: int, num_frames: int = 10) -> tuple[float, float]:
    """Return calls of the image encoder per frame, and the median seconds per frame."""
    network, calls = build_sam2(SMALL), []
    network.image_encoder.register_forward_hook(lambda *_: calls.append(1))
    seconds = [s for s, _ in run(Tracker(network), num_objects, num_frames)]
    return len(calls) / num_frames, statistics.median(seconds[-3:])


def time_late_against_early() -> float:
    """Seconds per frame around frame 500 over those around frame 20, medians of 21 frames.

    Two runs take turns, the one 480 frames ahead of the other, so that a machine that slows down
    slows both.
    """
    network, num_frames = build_sam2(SMALL), 31
    ahead, behind = (run(Tracker(network), 2, n) for n in (480 + num_frames, num_frames))
    for _ in range(480):
        next(ahead)
    late, early = zip(*((a, b) for (a, _), (b, _) in zip(ahead, behind, strict=True)), strict=True)
    return statistics.median(late[9:]) / statistics.median(early[9:])


def peak_memory(num_frames: int) -> dict[str, float]:
    """Peak resident bytes and memory bank bytes of a run in a process of its own."""
    command = [sys.executable, __file__, "--frames", str(num_frames)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def stream_to_disk(num_frames: int) -> None:
    """Track two objects, write every mask to a file, and print what that took as JSON."""
    tracker = Tracker(build_sam2(SMALL))
    with tempfile.TemporaryFile() as sink:
        for _, found in run(tracker, 2, num_frames):
            sink.write(np.packbits(found).tobytes())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
    print(json.dumps({"peak": peak, "bank": tracker.memory_bytes}))


def main() -> int:
    """Measure everything; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    if arguments.frames is not None:
        stream_to_disk(arguments.frames)
        return 0

    rows: list[tuple[str, float, str, bool]] = []  # what, measured, wanted, whether it holds

    def report(what: str, value: float, wanted: str = "", holds: bool = True) -> None:
        rows.append((what, value, wanted, holds))
        print(f"{what:<52} {value:8.3f}   {wanted:<8} {'' if holds else 'BROKEN'}", flush=True)

    seconds = {}
    for num_objects in (1, 3, 10):
        passes, seconds[num_objects] = passes_per_frame(num_objects)
        report(f"encoder passes per frame, {num_objects} objects", passes, "1", passes == 1)
    report("time per frame, 10 objects / 1 object", seconds[10] / seconds[1], "< 10")
    late = time_late_against_early()
    report("time per frame, frame 500 / frame 20", late, "about 1", late < 1.25)
    short, long = peak_memory(100), peak_memory(1000)
    peak, bank = long["peak"] / short["peak"], long["bank"] / short["bank"]
    report("peak memory, 1,000 frames / 100 frames", peak, "<= 1.05", peak <= 1.05)
    report("memory banks, 1,000 frames / 100 frames", bank, "1", bank == 1)
    return 0 if all(holds for *_, holds in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
