"""What runs inside a worker process of a dask cluster: one task that pulls units until nothing is left.

A client may come twice to the same process: after it lost the scheduler for a while, or when a second
one attaches to the batch. Whoever pulls already goes on, and the second task ends with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pkgutil import resolve_name
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from napari_sa2va.batch.check import check_batch
from napari_sa2va.batch.host import here
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.file_names import file_safe

if TYPE_CHECKING:
    from distributed import Worker

# How often a puller looks whether its worker is being closed, in s.
_LOOK_S = 0.5


@dataclass(frozen=True)
class Seat:
    """Where a worker process of a cluster is.

    Attributes
    ----------
    name : str
        What it is called in the batch folder.
    siblings : tuple of str
        The same for all processes that one command has started on one machine with the same GPUs in
        view. They have to share these.
    """

    name: str
    siblings: tuple[str, ...]


@dataclass(frozen=True)
class _Pulling:
    stop: CancelToken = field(default_factory=CancelToken)
    ended: Event = field(default_factory=Event)


_pulling: dict[str, _Pulling] = {}  # by batch
_lock = Lock()


def take_seat(dask_worker: Worker) -> Seat:
    """Where this process is, which from now on takes SIGTERM for a request to leave.

    Batch systems send it to all processes of a job that is to end. By itself a worker process would die
    of it in the middle of a frame, and its unit would count as one that may have killed it.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # else its command has its own way
        leave = partial(dask_worker.loop.add_callback, dask_worker.close_gracefully)
        with suppress(NotImplementedError, RuntimeError):  # on Windows, and not on the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave)
    return seat()


def seat() -> Seat:
    """Where this process is."""
    machine = file_safe(here().name)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return Seat(f"dask-{machine}-{os.getpid()}", (machine, str(os.getppid()), visible))


def pull_here(pull: str, path: str, batch_id: str, number: int) -> None:
    """Pull units of a batch until nothing is left, or this worker is closed.

    Parameters
    ----------
    pull : str
        See `Engine`.
    path : str
        The batch folder.
    batch_id : str
        Of the batch that the client means.
    number : int
        Of this process among its siblings, from 0; says which of several GPUs is its own.

    Raises
    ------
    WorkerRefused
        If this machine's folder, programs or weights are not those of the batch.
    """
    from distributed import get_worker

    with _lock:
        other = _pulling.get(batch_id)
        if other is None:
            own = _pulling[batch_id] = _Pulling()
    if other is not None:
        other.ended.wait()
        return
    Thread(target=_stop_with, args=(get_worker(), own), daemon=True).start()
    try:
        check_batch(path, batch_id)
        resolve_name(pull)(path, seat().name, device=_device(number), stop=own.stop)
    finally:
        with _lock:
            del _pulling[batch_id]
        own.ended.set()


def stop_here(batch_id: str) -> None:
    """Ask what pulls in this process to stop after the frame in work; does not wait for it."""
    with _lock:
        own = _pulling.get(batch_id)
    if own is not None:
        own.stop.cancel()


def _stop_with(worker: Worker, own: _Pulling) -> None:
    """Stop politely when the worker is closed: its job comes to an end, or its scheduler is gone."""
    from distributed.core import Status

    while not own.ended.wait(_LOOK_S):
        if worker.status not in (Status.running, Status.paused):
            own.stop.cancel()


def _device(number: int) -> str:
    """One of the GPUs that this process sees; empty if there is no choice."""
    from napari_sa2va.batch.engines.local import gpus

    found = gpus()
    return found[number % len(found)] if found else ""
