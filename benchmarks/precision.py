"""Tracking in bfloat16 against float32, side by side in one run.

    python benchmarks/precision.py [--image-size 512] [--frames 6]

The trunk is a small Hiera with random weights; the rest of SAM 2.0 is at full size. The two take
turns, frame by frame, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter

import numpy as np
import torch

from napari_sa2va.models.sam2.build import Sam2Config, build_sam2
from napari_sa2va.models.sam2.tracker import Tracker


def seconds_per_frame(trackers: list[Tracker], frames: list[np.ndarray]) -> list[list[float]]:
    """Track one object with every tracker; return the seconds of each tracked frame, per tracker."""
    mask = np.zeros((1, *frames[0].shape[:2]), dtype=bool)
    mask[:, 40:80, 40:80] = True
    for tracker in trackers:
        tracker.prompt_masks(0, tracker.encode(frames[0]), [1], mask)
    seconds: list[list[float]] = [[] for _ in trackers]
    for t, frame in enumerate(frames[1:], start=1):
        for tracker, spent in zip(trackers, seconds, strict=True):
            begin = perf_counter()
            tracker.track(t, tracker.encode(frame), [1])
            spent.append(perf_counter() - begin)
    return [spent[1:] for spent in seconds]  # the first tracked frame warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    network = build_sam2(
        Sam2Config(image_size=chosen.image_size, embed_dim=96, num_heads=1, stages=(1, 2, 7, 2),
                   global_att_blocks=(5, 7, 9), window_spec=(8, 4, 14, 7))
    ).to(chosen.device)  # fmt: skip
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(chosen.frames)]
    full, half = seconds_per_frame(
        [Tracker(network), Tracker(network, precision=torch.bfloat16)], frames
    )
    ratio = median(b / a for a, b in zip(full, half, strict=True))
    print(f"torch {torch.__version__}, {chosen.device}, {torch.get_num_threads()} threads, "
          f"{chosen.image_size} px, {len(full)} frames")  # fmt: skip
    print(f"float32   {median(full):.3f} s/frame")
    print(f"bfloat16  {median(half):.3f} s/frame")
    print(f"bfloat16 / float32  {ratio:.2f}")


if __name__ == "__main__":
    main()
