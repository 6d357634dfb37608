"""The time of files is that of the machine that has them, and nothing looks older than it is."""

from __future__ import annotations

import os
from pathlib import Path
from time import time

import pytest

from napari_sa2va._tests.batch_hands import until
from napari_sa2va.batch import clock
from napari_sa2va.batch.clock import FolderClock, stamp
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.presence import Presence
from napari_sa2va.batch.runs import Runs


def test_a_drive_that_stalls_while_it_is_asked_for_the_time_makes_nothing_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_s = 1000.0
    touch = Path.touch

    def late(path: Path) -> None:
        nonlocal passed_s
        passed_s += 40.0
        touch(path)

    monkeypatch.setattr(clock, "monotonic", lambda: passed_s)
    monkeypatch.setattr(Path, "touch", late)
    asked = FolderClock(tmp_path)
    claim = tmp_path / "a.1.claim"
    claim.write_text("{}")
    assert asked.age(claim) < 30.0
    passed_s += 50.0
    assert 45.0 < asked.age(claim) < 75.0


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks a drive to set a time to now has a clock that is two minutes behind."""
    utime = os.utime

    def by_own_clock(path: Path, times: tuple[float, float] | None = None) -> None:
        utime(path, times or (time() - 120.0, time() - 120.0))

    monkeypatch.setattr(os, "utime", by_own_clock)


def test_a_claim_is_renewed_by_the_clock_of_the_drive(tmp_path: Path, behind: None) -> None:
    runs = Runs(tmp_path)
    held = runs.take("a", 1, claim_here("w1"))
    before = (tmp_path / "a.1.claim").read_bytes()
    os.utime(tmp_path / "a.1.claim")
    held.beat(frames_done=1)
    assert FolderClock(tmp_path).age(tmp_path / "a.1.claim") < 60.0
    assert (tmp_path / "a.1.claim").read_bytes() == before


def test_a_mark_of_presence_is_renewed_by_the_clock_of_the_drive(
    tmp_path: Path, behind: None
) -> None:
    (tmp_path / "runs").mkdir()
    with Presence(tmp_path, "watching", stale_s=0.2).joined():
        (mark,) = tmp_path.glob("watching-*")
        os.utime(mark)
        until(lambda: FolderClock(tmp_path).age(mark) < 60.0)


def test_a_disk_that_takes_no_byte_still_sets_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    mark.write_text("{}")
    os.utime(mark, (1.0, 1.0))

    def full(path: Path, *more: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    stamp(mark)
    assert mark.stat().st_mtime > 1.0
