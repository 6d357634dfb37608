"""How long a batch will still take, as the panel says it: with a clock that the tests turn."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from napari_sa2va._tests.made_batches import batch_by_hand, finish
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.gui.batch.time_left import TimeLeft


class Watch:
    """Three movies of ten frames; runs on this machine foretell 90 s of each. The first is on."""

    def __init__(self, path: Path) -> None:
        self.now = 100.0
        self.folder = batch_by_hand(path, 3)
        self.held = self.folder.runs.take("0001", 1, claim_here("w", key="key 1"))
        self.left = TimeLeft(lambda: self.now)
        facts = self.folder.facts().values()
        self.folder.add_facts([f.model_copy(update={"is_measured": True}) for f in facts])

    def look(self, workers: int = 1) -> tuple[dict[str, float], float | None]:
        folder: BatchFolder = self.folder
        each, whole = self.left.look(folder.units(), folder.facts(), folder.standings(), workers)
        return dict(each), whole

    def pass_by(self, seconds: float, frames: int) -> tuple[dict[str, float], float | None]:
        """Let time pass, in which so many frames are done; what is said at its end."""
        self.held.beat(frames_done=frames, frames_planned=10)
        told = self.look()
        for _ in range(round(seconds)):
            self.now += 1.0
            told = self.look()
        return told


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path / "night")


def test_the_line_says_the_sum_of_what_the_rows_say(watch: Watch) -> None:
    each, whole = watch.look()
    assert each == {"0001": 90.0}, "what waits is not said to be on its way to its end"
    assert whole == 3 * 90.0
    watch = Watch(watch.folder.path.parent / "other")
    assert watch.look(workers=3)[1] == 90.0


def test_what_the_first_frames_tell_holds_for_all_and_is_come_to_step_by_step(
    watch: Watch,
) -> None:
    watch.pass_by(1, frames=1)  # from here on a frame takes 2 s, and not 9 s
    said = []
    for frames in range(2, 8):
        each, whole = watch.pass_by(2, frames)
        said.append((each["0001"], whole))
    for before, after in pairwise(said):
        assert after[0] < before[0], "it goes down"
        assert before[0] - after[0] < 30, "and does not jump"
    # By a pace of 9 s, 27 s and 207 s would be left; by one of 2 s, 6 s and 46 s.
    each, whole = watch.pass_by(0, frames=7)
    assert each["0001"] < 24
    assert whole < 120


def test_nothing_is_said_where_nobody_works_or_nothing_is_known(tmp_path: Path) -> None:
    folder = batch_by_hand(tmp_path / "night", 2)
    left = TimeLeft()
    assert left.look(folder.units(), folder.facts(), folder.standings(), 0) == ({}, None)
    held = folder.runs.take("0001", 1, claim_here("w", key="key 1"))
    assert left.look(folder.units(), {}, folder.standings(), 1) == ({}, None)
    # What is foretold of a machine on which nothing has run may be wrong many times over.
    assert left.look(folder.units(), folder.facts(), folder.standings(), 1) == ({}, None)
    for frames in range(1, 5):
        held.beat(frames_done=frames, frames_planned=10)
        each, whole = left.look(folder.units(), folder.facts(), folder.standings(), 1)
    assert set(each) == {"0001"}
    assert whole > each["0001"]


def test_a_movie_that_ends_is_taken_off(watch: Watch) -> None:
    watch.pass_by(3, frames=2)
    watch.held.beat(frames_done=10, frames_planned=10)
    finish(watch.folder, "0002", seconds=90.0)
    each, whole = watch.pass_by(30, frames=10)
    assert each["0001"] < 1.0
    assert whole == pytest.approx(90.0, abs=10.0)
