"""What the panel sees of workers on other machines, whose clocks are not this one's."""

from __future__ import annotations

import os
from pathlib import Path
from time import time

import pytest

from napari_sa2va._tests.made_batches import batch_by_hand
from napari_sa2va.batch.clock import FolderClock
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.host import Host
from napari_sa2va.batch.roster import Card, Roster
from napari_sa2va.gui.batch.reader import FolderReader

BEHIND_S = 180.0
ELSEWHERE = Host(name="node7/x/y", pid=5, started_s=1.0)


@pytest.fixture
def server_behind(monkeypatch) -> None:
    """The clock of the machine that has the files is three minutes behind this one's."""
    monkeypatch.setattr(FolderClock, "now", lambda self: time() - BEHIND_S)


def set_back(path: Path, seconds: float) -> None:
    """As a file that was written so long ago."""
    os.utime(path, (time() - seconds, time() - seconds))


@pytest.mark.parametrize("state", ["idle", "paused"])
def test_a_worker_elsewhere_that_waits_is_seen_though_clocks_differ(
    tmp_path: Path, server_behind, state
) -> None:
    folder = batch_by_hand(tmp_path / "night", 1)
    Roster(folder.path / "workers").write(Card(name="w", host=ELSEWHERE, state=state))
    (card,) = (folder.path / "workers").glob("*.json")
    set_back(card, BEHIND_S + 30.0)
    (one,) = FolderReader(folder).look().workers
    assert (one.worker, one.state) == ("w", state)
    assert one.heard_s == pytest.approx(30.0, abs=10.0)
    set_back(card, BEHIND_S + 130.0)
    assert FolderReader(folder).look().workers == (), "nobody knows of it any more"


def test_a_worker_is_late_by_the_clock_of_the_folder_at_the_first_look(
    tmp_path: Path, server_behind
) -> None:
    folder = batch_by_hand(tmp_path / "night", 1)
    folder.runs.take("0001", 1, claim_here("w", key="key 1"))
    set_back(folder.path / "runs" / "0001.1.claim", BEHIND_S)
    (one,) = FolderReader(folder).look().workers
    assert one.heard_s == pytest.approx(0.0, abs=10.0)
