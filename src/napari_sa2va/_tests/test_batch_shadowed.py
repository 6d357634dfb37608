"""Programs of a batch do not take a user's file, which lies where the command is given, for a module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_sa2va._tests.batch_hands import PULL, light_batch, states, until, work_off
from napari_sa2va.batch.engines import Local
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.surveyor import surveying
from napari_sa2va.gui.batch.process import BatchProcess


class LightLocal(Local):
    pull = PULL


def by_a_worker_process(folder: BatchFolder) -> None:
    work_off(folder, LightLocal(workers=1))
    assert states(folder) == {"0000": "done"}


def by_the_surveyor(folder: BatchFolder) -> None:
    with surveying(folder):
        until(lambda: bool(folder.facts()))


def by_the_panel(folder: BatchFolder) -> None:
    process = BatchProcess(folder.path)
    until(lambda: process.exit_code is not None)
    assert process.exit_code == 3, process.said  # there is no such movie


@pytest.mark.parametrize("work", [by_a_worker_process, by_the_surveyor, by_the_panel])
def test_a_file_beside_the_movies_with_the_name_of_a_module_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[BatchFolder], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("random.py").write_text("open('was-run', 'w').close()\nraise SystemExit(9)\n")
    work(light_batch(tmp_path / "night", ["sleep 0.1"]))
    assert not Path("was-run").exists()
