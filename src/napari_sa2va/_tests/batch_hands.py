"""Units that only sleep, or kill the process that does them, for tests of who does them.

The first sentence of a unit says what is to be done: "sleep 0.5"; "first 60", which sleeps when it is
done for the first time only; "slow 3", whose frames take three seconds each; "deaf 60", which does not
hear that it is to be stopped; "kill", or "kill once".
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic, sleep

from napari_sa2va._tests.made_units import made_folder, made_unit
from napari_sa2va.batch.conduct import Look, conduct
from napari_sa2va.batch.engines.engine import Engine
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.roster import Roster
from napari_sa2va.batch.standing import Standing
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.worker import Worker
from napari_sa2va.core.cancel import CancelToken

PULL = f"{__name__}:pull"
# How often a sleeping unit looks up, in s.
_FRAME_S = 0.02


def light_batch(path: Path, sentences: Iterable[str], **head: object) -> BatchFolder:
    """A batch with the units 0000, 0001 ..., one per sentence."""
    nowhere = Path("/nowhere.tif")
    units = [made_unit(f"{n:04d}", nowhere, sentences=(s,)) for n, s in enumerate(sentences)]
    return made_folder(path, *units, **head)


def pull(path: str, name: str, *, device: str = "", stop: CancelToken | None = None) -> None:
    """The life of a worker that does such units; neither versions nor weights are looked at."""
    Worker(BatchFolder.open(path), name, do=do, device=device, stop=stop).run()


def do(task: Task) -> Outcome:
    """Do a unit, and leave a file for each time that it was done to its end."""
    what, _, number = task.unit.sentences[0].partition(" ")
    if what == "kill" and (not number or task.generation == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    is_asleep = what in ("sleep", "deaf") or (what == "first" and task.generation == 1)
    begin, wanted_s, frame_s = monotonic(), float(number) if is_asleep else 0.0, _FRAME_S
    if what == "slow":
        wanted_s, frame_s = 60.0, float(number)
    frames = 0
    while (elapsed_s := monotonic() - begin) < wanted_s:
        if task.cancel.cancelled and what != "deaf":
            break
        sleep(min(frame_s, wanted_s - elapsed_s))
        frames += 1
        task.tell("tracking", frames, round(wanted_s / frame_s))
    state = "stopped" if task.cancel.cancelled else "done"
    if state == "done":
        said = f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS', '')}"
        mark = task.folder.path / "work" / f"{task.unit.unit_id}.{task.generation}.{task.worker}"
        with mark.open("x") as file:
            file.write(said)
    return Outcome(
        unit_id=task.unit.unit_id, generation=task.generation, state=state, key=task.unit.key
    )


def times_done(folder: BatchFolder) -> dict[str, int]:
    """How often each unit was done to its end."""
    times = dict.fromkeys(folder.units(), 0)
    for mark in (folder.path / "work").glob("*.*"):
        times[mark.name.partition(".")[0]] += 1
    return times


def has_begun(folder: BatchFolder, unit_id: str) -> bool:
    """Whether a worker is in the middle of a unit."""
    claim = folder.standings()[unit_id].claim
    return claim is not None and claim.frames_done > 0


def workers_of(folder: BatchFolder) -> set[int]:
    """Processes that were ever at work."""
    return {card.host.pid for card, _ in Roster(folder.path / "workers").read()}


def states(folder: BatchFolder) -> dict[str, str]:
    """Where every unit stands."""
    return {unit_id: standing.state for unit_id, standing in folder.standings().items()}


def work_off(folder: BatchFolder, engine: Engine, *, limit_s: float = 180.0) -> list[Look]:
    """Conduct a batch to its end; fails if that takes too long."""
    until = monotonic() + limit_s
    looks = []
    for look in conduct(folder, engine, every_s=0.05):
        looks.append(look)
        assert monotonic() < until, states(folder)
    return looks


def stop_in_the_middle(folder: BatchFolder, engine: Engine, *, limit_s: float = 180.0) -> Standing:
    """Stop a client while the first unit is in work, and tell where this stands then."""
    until, cancel = monotonic() + limit_s, CancelToken()
    for _ in conduct(folder, engine, cancel, every_s=0.05):
        if has_begun(folder, "0000"):
            cancel.cancel()
        assert monotonic() < until, states(folder)
    return folder.standings()["0000"]


def kill_worker_of_first(folder: BatchFolder, engine: Engine, *, limit_s: float = 180.0) -> Outcome:
    """Conduct a batch to its end, but kill the worker that is the first to have the first unit.

    Returns
    -------
    Outcome
        What came of this first time; the worker that was killed did nothing to its end.
    """
    until, victim = monotonic() + limit_s, 0
    for _ in conduct(folder, engine, every_s=0.05):
        if not victim and has_begun(folder, "0000"):
            claim = folder.standings()["0000"].claim
            assert claim is not None
            victim = claim.host.pid
            os.kill(victim, signal.SIGKILL)
        assert monotonic() < until, states(folder)
    assert victim not in {int(m.read_text().split()[0]) for m in (folder.path / "work").glob("*.*")}
    return folder.runs.scan()["0000"].outcomes[1]


def until(is_so: Callable[[], bool], limit_s: float = 120.0) -> None:
    """Wait until something is so."""
    end = monotonic() + limit_s
    while not is_so():
        assert monotonic() < end
        sleep(0.02)
