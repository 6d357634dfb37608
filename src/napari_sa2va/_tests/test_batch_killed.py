"""Workers that are killed: nothing that is shown is ever broken, and in the end all is as if nobody
had been."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.killed_workers import (
    FRAMES,
    UNIT,
    content,
    die_before_change,
    final_files,
    hidden_files,
    small_movie,
    small_unit,
)
from napari_sa2va._tests.made_units import SETTINGS, made_folder
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.work import work

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

SEED, KILLS = 20261, 4
# Of the kills while outputs are written, one in so many is followed by somebody who finishes.
FINISHED = 6


def test_workers_that_are_killed_at_any_moment_leave_what_an_undisturbed_one_leaves(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "napari_sa2va._tests.killed_workers"]
    # Each of its processes uses one thread: what is forked has no others.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    told = subprocess.run(
        [*command, str(tmp_path), str(SEED), str(KILLS)],
        env=environment, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    print(f"seed {SEED}", told.stdout)
    assert told.returncode == 0, told.stderr
    lines = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    kills = [line["frames"] for line in lines if line.get("killed")]
    first_frames = [frame for line in lines for frame in line.get("first_frames", ())]
    assert len(kills) == KILLS
    # Some were killed inside the movie, and some went on there.
    assert any(0 < frames < FRAMES for frames in kills)
    assert any(frame > 0 for frame in first_frames)


def test_a_worker_killed_before_any_change_to_the_disk_while_it_delivers(
    tmp_path: Path, model: FakeModel
) -> None:
    source = small_movie(tmp_path, 2)
    whole = _folder(tmp_path / "whole", source)
    assert work(Task(whole.units()[UNIT], SETTINGS, whole)).state == "done"
    expected = {name: content(path) for name, path in final_files(whole).items()}
    start = _folder(tmp_path / "batch", source)
    _draw_only(start)
    kept = start.path.rename(tmp_path / "kept")

    seen: set[frozenset[str]] = set()
    moment, was_killed = 0, True
    while was_killed:
        moment += 1
        shutil.rmtree(start.path, ignore_errors=True)
        shutil.copytree(kept, start.path)
        task = Task(start.units()[UNIT], SETTINGS, start, 2)
        was_killed = _killed_before_change(moment, task)
        shown = {name: content(path) for name, path in final_files(start).items()}
        assert shown == {name: expected[name] for name in shown}, f"change {moment}"
        seen.add(frozenset(shown))
        if moment % FINISHED == 0 or not was_killed:
            # The next one takes it for its own, and finishes.
            assert work(Task(task.unit, SETTINGS, start, 3)).state == "done"
            finished = {name: content(path) for name, path in final_files(start).items()}
            assert finished == expected, f"after change {moment}"
            assert not hidden_files(start), f"after change {moment}"
    assert moment > 20
    assert len(seen) == len(expected) + 1  # one file more at a time


def _folder(path: Path, source: Path) -> BatchFolder:
    return made_folder(path, small_unit(path, source))


def _draw_only(folder: BatchFolder) -> None:
    """Leave a unit with all its masks, and nothing else."""
    task = Task(folder.units()[UNIT], SETTINGS, folder)

    def tell(stage: str, done: int, planned: int) -> None:
        if stage == "writing":
            task.cancel.cancel()

    assert work(replace(task, tell=tell)).state == "stopped"
    assert not final_files(folder)


def _killed_before_change(number: int, task: Task) -> bool:
    """Do a unit in a process that is killed before the n-th change to the disk; whether it was."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            die_before_change(number)
            status = int(work(task).state != "done")
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)
