"""Kills processes that run: `python -m napari_sa2va._tests.killed_runs FOLDER`.

One child process runs to its end, and writes masks to FOLDER/undisturbed. In each of some series,
others run one after the other, killed at random moments, each going on where the one before had a
safe point, until one comes to the end; the n-th of series s writes to FOLDER/s/n. All are forked
from a process with a loaded network that was never used.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import torch

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.models.sa2va.model import Sa2VA
from napari_sa2va.models.zoo import find
from napari_sa2va.pipeline.events import Finished, FrameMasks
from napari_sa2va.pipeline.file_keeper import FileKeeper
from napari_sa2va.pipeline.run import run
from napari_sa2va.presets import preset
from napari_sa2va.propagation import Both
from napari_sa2va.readers.open import open_clip
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.training.synth import generate_movie

NUM_FRAMES = 24
NUM_SERIES = 4
_MOST_KILLED = 60
_TRACKING = preset("sa2va-i").tracking.model_copy(update={"propagation": Both()})
SETTINGS = preset("sa2va-i").model_copy(
    update={"sampling": Manual(frames=(6, 11, 15)), "tracking": _TRACKING}
)
PROMPTS = PromptSet.from_texts(["the bright cell", "the dim cell"])


def main(root: Path) -> None:
    """Run once undisturbed, and then killed again and again."""
    # Threads would not survive the fork.
    torch.set_num_threads(1)
    folder = find("nano").folder
    assert folder is not None
    network = Sa2VA.load(folder, device="cpu")
    frames = generate_movie(7, num_frames=NUM_FRAMES, height=64, width=80).frames
    clip = open_clip(frames, axes="TYXS")

    begun = monotonic()
    assert _child(network, clip, root / "undisturbed", None, None) == 0
    whole_s = monotonic() - begun
    for series in range(NUM_SERIES):
        (root / str(series)).mkdir()
        _run_killed(network, clip, root / str(series), whole_s, random.Random(series))


def _run_killed(
    network: Sa2VA, clip: Clip, root: Path, whole_s: float, moments: random.Random
) -> None:
    """Run in one process after the other, each with up to half of the time that is needed."""
    for number in range(_MOST_KILLED):
        delay = moments.uniform(0, whole_s / 2)
        if _child(network, clip, root / str(number), root / "point.safetensors", delay) == 0:
            return
    raise SystemExit(f"{_MOST_KILLED} processes were killed, and none came to the end")


def _child(
    network: Sa2VA, clip: Clip, folder: Path, point: Path | None, delay: float | None
) -> int:
    """Run in a child process, killed after so many seconds; its status."""
    folder.mkdir()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _run(network, clip, folder, point)
            status = 0
        finally:
            os._exit(status)
    if delay is not None:
        until = monotonic() + delay
        while monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status
            sleep(0.001)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WIFSIGNALED(status), f"a child failed in {folder}"
    return status


def _run(network: Sa2VA, clip: Clip, folder: Path, point: Path | None) -> None:
    """Write the masks of every frame to a file of its own, at last what the record counts."""
    asked = [0]

    def count(*_: object) -> None:
        asked[0] += 1

    network.mllm.model.language_model.register_forward_pre_hook(count)
    keeper = None if point is None else FileKeeper(point, share=0.5)
    for event in run(clip, PROMPTS, SETTINGS, model=network, keeper=keeper):
        if type(event) is FrameMasks:
            part = folder / f"{event.frame}.part.npy"
            scores = np.broadcast_to(event.scores[:, None, None], event.masks.shape)
            np.save(part, np.where(event.masks, scores, -scores))
            part.rename(folder / f"{event.frame}.npy")
        if isinstance(event, Finished):
            counts = {
                "asked": asked[0],
                "present": [entry.frames_present for entry in event.record.objects],
                "scores": [entry.mean_score for entry in event.record.objects],
                "goes_on": [n for n in event.record.notes if n.startswith("The run goes on")],
            }
            (folder / "record.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
