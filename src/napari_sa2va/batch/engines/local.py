"""Worker processes on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import psutil
from pydantic import Field

from napari_sa2va.batch.engines.engine import Crew, Engine, missing
from napari_sa2va.batch.engines.post import KIND, Post
from napari_sa2va.batch.engines.ramp import Ramp
from napari_sa2va.batch.engines.tally import tally
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.host import here
from napari_sa2va.batch.roster import Roster
from napari_sa2va.core.errors import BatchError

# More networks on one GPU have no room, or no effect.
_MOST_PER_GPU = 8
# Time for the frame in work, in s. Then a worker is killed, which loses no more than that frame.
_POLITE_S = 60.0
# What a driver for CUDA or ROCm puts there, on Linux and on Linux within Windows.
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


class Local(Engine):
    """Processes on this machine: one per GPU, or one if there is none.

    Each keeps its network. They are not tied to the process that started them: a terminal that is
    closed, or a client that is killed, leaves them at work until nothing is left, and the next client
    on this machine takes them over.
    """

    kind: Literal["local"] = "local"
    workers: int = Field(
        0,
        ge=0,
        le=256,
        title="Worker processes",
        description="Processes here; 0 is one per GPU, or one on a machine without. See also workers "
        "per GPU.",
    )
    per_device: int = Field(
        0,
        ge=0,
        le=_MOST_PER_GPU,
        title="Workers per GPU",
        description="Processes on each GPU; 0 finds out: one more for as long as at least 5 % more "
        "gets done. "
        "Without effect if the number of processes is given.",
    )

    @contextmanager
    def crew(self, folder: BatchFolder) -> Iterator[Crew]:
        crew = LocalCrew(folder, self)
        try:
            yield crew
        finally:
            crew.stop()


class LocalCrew:
    """The posts of a batch on this machine, each for one worker process after the other.

    Parameters
    ----------
    folder : BatchFolder
    engine : Local
    """

    def __init__(self, folder: BatchFolder, engine: Local) -> None:
        devices = gpus() or [""]
        self._folder = folder
        self._ramps: dict[str, Ramp] = {}
        if engine.workers:
            places = [devices[n % len(devices)] for n in range(engine.workers)]
        elif engine.per_device or devices == [""]:
            places = devices * (engine.per_device or 1)
        else:
            places = devices
            self._ramps = {device: Ramp(_MOST_PER_GPU) for device in devices}
        self._pull = engine.pull
        self._threads = max(cores() // len(places), 1)
        self._posts = [self._post(device) for device in places]
        self._take_over()

    @property
    def size(self) -> int:
        return sum(post.is_manned for post in self._posts)

    def tend(self) -> None:
        for post in self._posts:
            post.look()
        self._posts = [post for post in self._posts if post.is_manned or not post.is_dismissed]
        if all(post.given_up for post in self._posts):
            raise BatchError(
                f"No worker can work on {here().name.partition('/')[0]}: {self._posts[0].given_up}",
                f"What workers said stands in {self._folder.path / 'logs'}.",
            )
        self._climb()
        vacant = [post for post in self._posts if post.is_vacant]
        if vacant:
            there = [post.name for post in self._posts if post.is_manned]
            for post in vacant[: missing(self._folder, there)]:
                post.man()

    def stop(self) -> None:
        """Stop all workers after the frame in work, and wait for that."""
        for post in self._posts:
            post.dismiss()
        processes = [post.process for post in self._posts if post.process is not None]
        psutil.wait_procs(processes, timeout=_POLITE_S)
        for post in self._posts:
            post.look()
            post.end()
        psutil.wait_procs(processes)
        for post in self._posts:
            post.look()

    def _post(self, device: str) -> Post:
        return Post(self._folder, self._pull, device, self._threads)

    def _take_over(self) -> None:
        """Find the workers that a client left behind which was killed."""
        vacant = list(self._posts)
        roster = Roster(self._folder.path / "workers")
        for card, _ in roster.read():
            if not card.name.startswith(f"{KIND}-") or card.state in ("left", "refused"):
                continue
            if card.host.name != here().name or card.host.is_gone:
                continue
            leader = roster.leader_of(card.name)
            if leader is not None and not leader.is_gone:
                continue
            post = next((post for post in vacant if post.device == card.device), None)
            if post is not None:
                with suppress(psutil.NoSuchProcess):
                    post.take_over(card)
                    vacant.remove(post)

    def _climb(self) -> None:
        """Add a worker to a device, or take one away."""
        for device, ramp in self._ramps.items():
            if ramp.is_settled:
                continue
            ramp.see(tally(self._folder, device))
            there = [p for p in self._posts if p.device == device and not p.is_dismissed]
            if ramp.wanted > len(there):
                self._posts.append(self._post(device))
            elif ramp.wanted < len(there):
                there[-1].dismiss()


def gpus() -> list[str]:
    """The GPUs of this machine that torch can use, as devices; empty if there is none."""
    if sys.platform == "linux" and not any(Path(file).exists() for file in _DRIVERS):
        return []  # torch, which would tell the same, takes seconds to load
    from napari_sa2va.pipeline.native_libraries import load_triton_apart

    load_triton_apart()
    import torch

    return [f"cuda:{n}" for n in range(torch.cuda.device_count())]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
