"""Units whose movies nobody opens, for tests of who does what and when."""

from __future__ import annotations

from pathlib import Path
from time import sleep

from napari_sa2va._tests.made_units import made_unit
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.unit import Unit

KEY = "k" * 64


def unit(unit_id: str, **more: object) -> Unit:
    """A unit whose movie is not there."""
    path = Path(__file__).with_name(f"{unit_id}.tif")
    return made_unit(unit_id, path, **{"sentences": ("the cell",), "key": KEY} | more)


def numbered(number: int, **more: object) -> list[Unit]:
    """Units "u000", "u001" ..., of which later ones are larger."""
    return [unit(f"u{i:03d}", num_bytes=i + 1, **more) for i in range(number)]


def outcome(task: Task, state: str = "done", **more: object) -> Outcome:
    """What came of a task."""
    about = {"unit_id": task.unit.unit_id, "generation": task.generation, "key": task.unit.key}
    return Outcome.model_validate({"state": state, **about, **more})


def note_down(task: Task) -> Outcome:
    """Leave a file per generation in the unit's own folder: what is done twice has two."""
    task.work.mkdir(parents=True, exist_ok=True)
    (task.work / f"did-{task.generation}-{task.worker}").touch()
    return outcome(task)


def slowly(task: Task) -> Outcome:
    """The same after a tenth of a second, in which the task may be stopped."""
    for frame in range(10):
        if task.cancel.cancelled:
            return outcome(task, "stopped")
        task.tell("tracking", frame, 10)
        sleep(0.01)
    return note_down(task)
