"""Workers whose units sleep instead of running a network; for benchmarks/batch_engine.py."""

from __future__ import annotations

from time import sleep

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.worker import Worker
from napari_sa2va.core.cancel import CancelToken

CALL = f"{__name__}:sleep_through"


def sleep_through(
    path: str, name: str, *, device: str = "", stop: CancelToken | None = None
) -> None:
    """The life of a worker whose units sleep as many milliseconds as their movies have bytes."""
    folder = BatchFolder.open(path)
    Worker(folder, name, do=_sleep, fits=lambda *_: "", device=device, stop=stop).run()


def _sleep(task: Task) -> Outcome:
    sleep(task.unit.num_bytes / 1000)
    unit = task.unit
    return Outcome(unit_id=unit.unit_id, generation=task.generation, state="done", key=unit.key)
