"""Claims: one of many gets a unit, and who vanished loses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import time

import psutil
import pytest

from napari_sa2va._tests.light_units import KEY
from napari_sa2va.batch import host
from napari_sa2va.batch.held import Superseded, claim_here
from napari_sa2va.batch.history import Claim
from napari_sa2va.batch.host import Host, here
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.runs import Runs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "runs"
    made.mkdir()
    return made


@pytest.fixture
def runs(folder: Path) -> Runs:
    return Runs(folder)


def _done(unit_id: str = "a", generation: int = 1, state: str = "done", **more: object) -> Outcome:
    about = {"unit_id": unit_id, "generation": generation, "key": KEY, "state": state}
    return Outcome.model_validate(about | more)


def test_a_generation_is_given_once(runs: Runs) -> None:
    assert runs.take("a", 1, claim_here("w1")) is not None
    assert runs.take("a", 1, claim_here("w2")) is None
    assert runs.take("b", 1, claim_here("w2")) is not None
    assert runs.scan()["a"].claim.worker == "w1"


_RACER = """
import sys
from pathlib import Path
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.runs import Runs
folder, name = Path(sys.argv[1]), sys.argv[2]
runs = Runs(folder)
print("ready", flush=True)
sys.stdin.readline()
for i in range(300):
    if runs.take(f"u{i}", 1, claim_here(name)):
        print(i)
"""


def test_of_many_processes_that_run_for_the_same_units_one_gets_each(folder: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(folder), f"w{i}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    taken = [int(line) for racer in racers for line in racer.communicate()[0].split()]
    assert sorted(taken) == list(range(300))


def test_what_came_of_a_unit_ends_its_claim(runs: Runs) -> None:
    held = runs.take("a", 1, claim_here("w1"))
    held.finish(_done())
    history = runs.scan()["a"]
    assert history.claim is None
    assert history.outcome.state == "done"
    with pytest.raises(Superseded, match="taken over"):
        held.finish(_done(state="failed"))
    assert Runs(runs._folder).scan()["a"].outcome.state == "done"


def test_a_silent_worker_of_another_machine_is_lost_after_a_while(folder: Path) -> None:
    runs = Runs(folder, stale_s=60)
    elsewhere = Host(name="elsewhere", pid=os.getpid(), started_s=0)
    runs.take("a", 1, claim_here("w1").model_copy(update={"host": elsewhere}))
    claim = folder / "a.1.claim"
    os.utime(claim, (time() - 50, time() - 50))
    assert runs.scan()["a"].claim.worker == "w1"
    os.utime(claim, (time() - 70, time() - 70))
    history = runs.scan()["a"]
    assert history.claim is None
    assert history.outcome is None
    assert history.failures(KEY) == 1
    os.utime(claim)  # it was only slow
    assert runs.scan()["a"].claim.worker == "w1"


_LOSER = """
import sys, time
from pathlib import Path
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.runs import Runs
Runs(Path(sys.argv[1])).take("a", 1, claim_here("w1"))
print("claimed", flush=True)
time.sleep(60)
"""


def test_a_killed_worker_of_this_machine_is_lost_at_once(runs: Runs, folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _LOSER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout.readline() == "claimed\n"
        assert runs.scan()["a"].claim.host.pid == worker.pid
        worker.send_signal(signal.SIGKILL)
    assert list(runs.scan()["a"].lost) == [1]
    assert runs.take("a", 2, claim_here("w2")) is not None
    assert runs.scan()["a"].claim.worker == "w2"


def test_a_process_number_that_is_used_again_is_another_process() -> None:
    assert not here().is_gone
    assert here().model_copy(update={"started_s": here().started_s - 100}).is_gone
    assert not here().model_copy(update={"name": "elsewhere", "pid": 2**22 + 5}).is_gone


@pytest.mark.parametrize("shown", [FileNotFoundError, PermissionError, psutil.NoSuchProcess])
def test_a_process_that_is_hidden_from_other_users_is_not_gone(
    monkeypatch: pytest.MonkeyPatch, shown: type[Exception]
) -> None:
    me = here()

    def started(pid: int) -> float:
        raise shown(pid)

    def kill(pid: int, number: int) -> None:
        raise PermissionError(pid) if pid == me.pid else ProcessLookupError(pid)

    monkeypatch.setattr(host, "started", started)
    monkeypatch.setattr(os, "kill", kill)
    assert not me.is_gone
    ended = me.model_copy(update={"pid": 2**22 + 5})
    assert ended.is_gone is (shown is not PermissionError)


def test_who_wakes_up_late_learns_that_the_unit_was_taken_over(runs: Runs) -> None:
    late = runs.take("a", 1, claim_here("w1"))
    late.beat(frames_done=3, frames_planned=9)
    assert runs.scan()["a"].claim.frames_done == 3
    other = runs.take("a", 2, claim_here("w2"))
    with pytest.raises(Superseded):
        late.beat(frames_done=4)
    with pytest.raises(Superseded):
        late.finish(_done())
    other.finish(_done(generation=2))
    assert runs.scan()["a"].outcome.generation == 2


def test_a_claim_that_cannot_be_read_is_lost_in_time(folder: Path) -> None:
    (folder / "a.1.claim").touch()
    runs = Runs(folder, stale_s=60)
    assert runs.scan()["a"].claim.worker == "?"
    os.utime(folder / "a.1.claim", (time() - 70, time() - 70))
    assert list(runs.scan()["a"].lost) == [1]


def test_a_damaged_outcome_is_none_and_strange_files_are_no_units(folder: Path) -> None:
    runs = Runs(folder)
    runs.take("a", 1, claim_here("w1"))
    (folder / "a.1.json").write_text('{"unit_id": "a", "gen')
    for name in ("notes.txt", "a.x.json", ".a.1.json-0123", "b.2.other", "a.json", "..1.claim"):
        (folder / name).touch()
    histories = runs.scan()
    assert list(histories) == ["a"]
    assert histories["a"].claim.worker == "w1"


def test_failures_count_for_the_same_key_until_they_are_forgiven(runs: Runs) -> None:
    for generation, (state, key) in enumerate(
        [("failed", KEY), ("failed", "other"), ("stopped", KEY), ("failed", KEY)], start=1
    ):
        held = runs.take("a", generation, claim_here("w", key=key))
        held.finish(_done(generation=generation, state=state, key=key))
    assert runs.scan()["a"].failures(KEY) == 2
    runs.forgive("a", 3)
    assert runs.scan()["a"].failures(KEY) == 1
    runs.forgive("a", 4)
    assert runs.scan()["a"].failures(KEY) == 0


def test_nothing_is_left_behind_but_claims_and_outcomes(runs: Runs, folder: Path) -> None:
    held = runs.take("a", 1, claim_here("w1"))
    held.beat(frames_done=1)
    runs.scan()
    held.finish(_done())
    assert sorted(path.name for path in folder.iterdir()) == ["a.1.claim", "a.1.json"]
    assert not list(folder.with_name("work").rglob("*.json"))


def test_a_worker_that_vanished_after_it_came_further_is_no_failure_of_the_unit(runs: Runs) -> None:
    def lose(generation: int, frames_done: int) -> int:
        held = runs.take("a", generation, claim_here(f"w{generation}", key=KEY))
        held.beat(frames_done=frames_done, frames_planned=100)
        assert runs.note_vanished(f"w{generation}", "Its job came to an end.")
        return runs.scan()["a"].failures(KEY)

    assert lose(1, 30) == 0
    assert lose(2, 70) == 0
    assert lose(3, 70) == 1  # it does not get beyond this frame
    assert lose(4, 0) == 2


def test_why_a_worker_vanished_is_noted_though_its_unit_was_taken_up_again(runs: Runs) -> None:
    gone = Host(name=here().name, pid=here().pid, started_s=0.0)
    assert runs.take("a", 1, Claim(worker="w1", host=gone)) is not None
    assert runs.scan()["a"].claim is None, "seen to be gone, on the same machine"
    held = runs.take("a", 2, claim_here("w2"))
    assert runs.note_vanished("w1", "Its job came to an end.")
    history = runs.scan()["a"]
    assert history.outcomes[1].cause == "Its job came to an end."
    assert history.claim.worker == "w2"
    held.finish(_done(generation=2))
    assert not runs.note_vanished("w1", "Again.")
    assert runs.scan()["a"].outcome.state == "done"


def test_what_was_lost_as_another_movie_does_not_count(runs: Runs) -> None:
    runs.take("a", 1, claim_here("w1", key="before"))
    assert runs.note_vanished("w1", "It was killed.")
    assert not runs.note_vanished("w2", "It had nothing.")
    history = runs.scan()["a"]
    assert history.outcome.key == "before"
    assert history.failures("before") == 1
    assert history.failures(KEY) == 0


def test_a_folder_that_is_away_is_not_taken_for_an_empty_one(runs: Runs, folder: Path) -> None:
    runs.take("a", 1, claim_here("w1"))
    folder.rename(folder.with_name("away"))
    with pytest.raises(FileNotFoundError):
        runs.scan()
    with pytest.raises(FileNotFoundError):
        runs.take("a", 2, claim_here("w2"))


def test_an_outcome_that_cannot_be_read_is_not_taken_for_a_damaged_one(
    runs: Runs, folder: Path
) -> None:
    runs.take("a", 1, claim_here("w1")).finish(_done())
    outcome = folder / "a.1.json"
    outcome.rename(folder / "kept")
    outcome.mkdir()  # IsADirectoryError for whoever reads it
    with pytest.raises(OSError):
        runs.scan()
    outcome.rmdir()
    (folder / "kept").rename(outcome)
    assert runs.scan()["a"].outcome.state == "done"


# In a process of its own: threads of other tests would be counted too.
_WEIGHED = """
import sys, tracemalloc
from pathlib import Path
from napari_sa2va.batch.runs import Runs
runs = Runs(Path(sys.argv[1]))
tracemalloc.start()
found = runs.scan()
print(len(found), tracemalloc.get_traced_memory()[0])
"""


def test_what_came_of_ten_thousand_units_with_six_sentences_takes_less_than_50_mb(
    folder: Path,
) -> None:
    for number in range(200):
        objects = [
            {
                "object_id": i, "name": f"cell {i}", "sentence": f"cell {i}", "answer": "It is [SEG].",
                "found": True, "frames_present": 120, "mean_score": 0.9, "mean_area_px": 100.5 + i,
            }
            for i in range(1, 7)
        ]  # fmt: skip
        outcome = _done(f"u{number}", objects=objects, outputs=(f"/data/{number}.ome.tif",))
        (folder / f"u{number}.1.json").write_text(outcome.model_dump_json())
    said = subprocess.run(
        [sys.executable, "-c", _WEIGHED, str(folder)], capture_output=True, text=True, check=True
    ).stdout
    found, taken = map(int, said.split())
    assert found == 200
    assert taken / found < 50e6 / 10_000
