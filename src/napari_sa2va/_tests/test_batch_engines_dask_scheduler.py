"""A dask cluster that runs already: its scheduler is not there, or goes away, or has several clients."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic

import pytest
from distributed import LocalCluster

from napari_sa2va._tests.batch_hands import (
    PULL,
    has_begun,
    light_batch,
    states,
    times_done,
    until,
    work_off,
    workers_of,
)
from napari_sa2va.batch.conduct import conduct
from napari_sa2va.batch.engines import Dask, dask_scheduler
from napari_sa2va.core.errors import BatchError


class LightDask(Dask):
    pull = PULL


def test_a_scheduler_that_is_not_there_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_scheduler, "_ANSWER_S", 0.5)
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    with pytest.raises(BatchError, match="cannot be reached"):
        work_off(folder, Dask(scheduler=f"tcp://127.0.0.1:{free_port()}"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dask_process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`dask scheduler` or `dask worker`, killed at the end with all that it has started."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def dask_worker(address: str) -> Iterator[subprocess.Popen[bytes]]:
    how = ("--nthreads", "1", "--no-dashboard")
    with dask_process("worker", address, "--host", "127.0.0.1", *how) as process:
        yield process


def test_a_cluster_that_ends_and_comes_back_goes_on_and_nothing_is_lost_or_done_twice(
    tmp_path: Path,
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0.5"] * 4)
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    scheduler = ("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    looks = conduct(folder, LightDask(scheduler=address), every_s=0.05)
    begin = monotonic()

    def go_on(done: int) -> None:
        for _ in looks:
            assert monotonic() - begin < 180, states(folder)
            if sum(times_done(folder).values()) >= done and "running" in states(folder).values():
                break

    with dask_process(*scheduler) as first, dask_worker(address):
        until(lambda: can_connect(port))
        go_on(1)
        os.killpg(first.pid, signal.SIGKILL)
        until(lambda: not can_connect(port))
        for _ in range(2):  # its client only looks on, and finds nothing wrong with the batch
            next(looks)
    done_before = sum(times_done(folder).values())
    assert 1 <= done_before < 4
    with dask_process(*scheduler), dask_worker(address):
        go_on(5)
    assert times_done(folder) == dict.fromkeys(folder.units(), 1)
    assert len(workers_of(folder)) > 1  # processes do not outlive their scheduler


def test_a_worker_that_is_asked_to_leave_ends_its_frame_and_is_not_taken_for_dead(
    tmp_path: Path,
) -> None:
    folder = light_batch(tmp_path / "night", ["slow 2"])
    with (
        LocalCluster(n_workers=0, protocol="tcp", dashboard_address=":0") as cluster,
        dask_worker(cluster.scheduler_address) as worker,
        closing(
            conduct(folder, LightDask(scheduler=cluster.scheduler_address), every_s=0.05)
        ) as looks,
    ):
        begin = monotonic()
        while not has_begun(folder, "0000"):
            next(looks)
            assert monotonic() - begin < 120
        # As batch systems do where a job is to end: the worker gets it too, and not only its nanny.
        os.killpg(worker.pid, signal.SIGTERM)
        while folder.standings()["0000"].claim is not None:
            next(looks)
            assert monotonic() - begin < 180
    standing = folder.standings()["0000"]
    assert (standing.state, standing.attempts) == ("waiting", 0)
    assert standing.outcome is not None
    assert standing.outcome.state == "stopped"


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
