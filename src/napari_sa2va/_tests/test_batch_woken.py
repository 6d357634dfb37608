"""Workers that were taken for dead and wake up: what the next one left stays as it is."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from napari_sa2va._tests.killed_workers import (
    UNIT,
    content,
    final_files,
    hidden_files,
    small_movie,
    small_unit,
    started,
)
from napari_sa2va._tests.made_units import SETTINGS, made_folder
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.found import masks_of
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.work import work

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGSTOP"),
    pytest.mark.usefixtures("model"),
]

FILES = ("out-table", "out-davis", "objects.csv", "sheet.png", "record.json", "last.png")
# A guard against hanging only.
PATIENCE_S = 600.0


def test_a_worker_that_was_taken_for_dead_and_wakes_up_does_no_harm(tmp_path: Path) -> None:
    source = small_movie(tmp_path, 200)
    whole = _folder(tmp_path / "whole", source)
    assert work(Task(whole.units()[UNIT], SETTINGS, whole)).state == "done"
    folder = _folder(tmp_path / "batch", source, stale_s=0.5, attempts=3)
    sleeper = started(folder)
    _wait_until(lambda: len(masks_of(folder.work_of(UNIT)).places) > 20)
    os.kill(sleeper, signal.SIGSTOP)
    asleep_at = len(masks_of(folder.work_of(UNIT)).places)
    assert asleep_at < 200
    _wait_until(lambda: 1 in folder.runs.scan()[UNIT].lost)
    other = started(folder)
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0
    outcomes = folder.runs.scan()[UNIT].outcomes
    assert {n: outcome.state for n, outcome in outcomes.items()} == {2: "done"}
    before = {name: content(path) for name, path in final_files(folder).items()}
    assert before == {name: content(path) for name, path in final_files(whole).items()}

    os.kill(sleeper, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(sleeper, 0)[1]) == 0
    # It has gone on in its own segment until it saw that it had been replaced.
    assert {name: content(path) for name, path in final_files(folder).items()} == before
    assert folder.runs.scan()[UNIT].outcomes == outcomes
    record = json.loads((folder.work_of(UNIT) / "record.json").read_text(encoding="utf-8"))
    assert record["finished"] == "done"
    assert not (folder.work_of(UNIT) / "safe.safetensors").exists()


def test_a_worker_that_sleeps_just_before_a_file_takes_its_place_replaces_nothing(
    tmp_path: Path,
) -> None:
    source = small_movie(tmp_path, 2)
    # All at once, since most of the time is spent with waiting.
    folders = {name: _folder(tmp_path / name, source, stale_s=0.5, attempts=3) for name in FILES}
    sleepers = {
        name: started(folder, partial(_sleep_before_rename, name))
        for name, folder in folders.items()
    }
    for name, folder in folders.items():
        assert os.WIFSTOPPED(os.waitpid(sleepers[name], os.WUNTRACED)[1]), name
        # Asked for something else meanwhile, so that the files are others.
        other = small_unit(folder.path, source, key="other", sentences=("the blue one",))
        folder.add([other], {})
    for folder in folders.values():
        _wait_until(lambda folder=folder: 1 in folder.runs.scan()[UNIT].lost)
    others = {name: started(folder) for name, folder in folders.items()}
    before = {}
    for name, folder in folders.items():
        assert os.waitstatus_to_exitcode(os.waitpid(others[name], 0)[1]) == 0, name
        assert folder.standings()[UNIT].state == "done", name
        before[name] = _shown(folder)
        assert name in before[name]

    for sleeper in sleepers.values():
        os.kill(sleeper, signal.SIGCONT)
    for name, folder in folders.items():
        assert os.waitstatus_to_exitcode(os.waitpid(sleepers[name], 0)[1]) == 0, name
        assert _shown(folder) == before[name], name
        assert not hidden_files(folder), name
        assert folder.standings()[UNIT].generation == 2, name


def _shown(folder: BatchFolder) -> dict[str, object]:
    files = final_files(folder)
    work = [folder.work_of(UNIT) / name for name in ("record.json", "last.png")]
    return {p.name: content(p) for p in (*files.values(), *work)}


def _sleep_before_rename(name: str) -> None:
    """Let this process stop itself when it is going to rename a file to this name."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and os.path.basename(os.fspath(arguments[1])) == name:
            os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(hook)


def _folder(path: Path, source: Path, **head: object) -> BatchFolder:
    return made_folder(path, small_unit(path, source), **head)


def _wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.005)
