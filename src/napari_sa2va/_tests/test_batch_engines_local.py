"""Workers in this process and in processes of this machine, and what happens when they die."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from napari_sa2va._tests.batch_hands import (
    PULL,
    has_begun,
    kill_worker_of_first,
    light_batch,
    states,
    stop_in_the_middle,
    times_done,
    until,
    work_off,
    workers_of,
)
from napari_sa2va.batch.engines import Here, Local, local, post
from napari_sa2va.batch.engines.post import Post
from napari_sa2va.batch.roster import Roster
from napari_sa2va.core.errors import BatchError


class LightHere(Here):
    pull = PULL


class LightLocal(Local):
    pull = PULL


def test_in_this_process_all_is_done_and_the_client_looks_on(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0.3"] * 3)
    looks = work_off(folder, LightHere())
    assert times_done(folder) == dict.fromkeys(folder.units(), 1)
    assert workers_of(folder) == {os.getpid()}
    assert len(looks) > 6
    assert max(look.workers for look in looks) == 1


@pytest.mark.parametrize("engine", [LightHere(), LightLocal(workers=2)], ids=["here", "local"])
def test_a_client_that_is_stopped_stops_its_workers_and_nothing_counts_as_failed(
    tmp_path: Path, engine: Here | Local
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 60"] * 2)
    standing = stop_in_the_middle(folder, engine)
    assert (standing.state, standing.attempts) == ("waiting", 0)
    assert standing.outcome is not None
    assert standing.outcome.state == "stopped"
    assert all(card.state == "left" for card, _ in Roster(folder.path / "workers").read())
    assert {path.suffix for path in (folder.path / "workers").iterdir()} == {".json"}


def test_a_worker_process_leaves_after_the_frame_in_work_when_a_file_asks_for_it(
    tmp_path: Path,
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 60"])
    about = [PULL, str(folder.path), "local-1", ""]
    module = "napari_sa2va.batch.engines.process"
    with subprocess.Popen([sys.executable, "-m", module, *about]) as worker:
        until(lambda: has_begun(folder, "0000"))
        Roster(folder.path / "workers").dismiss("local-1")
        assert worker.wait(30) == 0
    outcome = folder.standings()["0000"].outcome
    assert outcome is not None
    assert outcome.state == "stopped"


def test_worker_processes_share_the_units_and_leave_when_all_is_done(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0.5"] * 3)
    work_off(folder, LightLocal(workers=2))
    assert times_done(folder) == dict.fromkeys(folder.units(), 1)
    pids = workers_of(folder)
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert list((folder.path / "logs").glob("*.err")) == []  # they had nothing to say


def test_no_more_processes_are_started_than_there_are_units(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0.1"])
    work_off(folder, LightLocal(workers=8))
    assert len(workers_of(folder)) == 1


def test_processes_share_the_cores_unless_the_user_has_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threads(name: str) -> str:
        folder = light_batch(tmp_path / name, ["sleep 0"])
        work_off(folder, LightLocal(workers=2))
        [mark] = (folder.path / "work").glob("*.*")
        return mark.read_text().split()[1]

    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    assert threads("said") == "77"
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads("shared") == str(max(len(os.sched_getaffinity(0)) // 2, 1))


def test_the_unit_of_a_killed_worker_is_finished_by_another_at_once(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", ["first 60", "sleep 0.1"], stale_s=600)
    lost = kill_worker_of_first(folder, LightLocal(workers=1))
    assert times_done(folder) == {"0000": 1, "0001": 1}
    assert (lost.state, lost.cause) == ("lost", "Its worker was ended by SIGKILL.")
    assert "memory" in lost.hint


def test_a_worker_that_does_not_stop_in_time_is_killed_which_is_not_its_units_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_POLITE_S", 0.5)
    folder = light_batch(tmp_path / "night", ["deaf 60"], stale_s=600)
    standing = stop_in_the_middle(folder, LightLocal(workers=1))
    assert not any(psutil.pid_exists(pid) for pid in workers_of(folder))
    assert (standing.state, standing.attempts) == ("waiting", 0)


def test_a_worker_that_dies_while_it_is_asked_to_stop_was_not_stopped(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", ["deaf 60"], stale_s=600)
    post = Post(folder, PULL, "", 1)
    post.man()
    assert post.process is not None
    worker = post.process
    until(lambda: has_begun(folder, "0000"))
    post.dismiss()
    worker.kill()
    worker.wait()
    post.look()
    assert folder.runs.scan()["0000"].outcomes[1].state == "lost"


def test_a_movie_that_kills_every_worker_is_given_up_and_the_others_are_done(
    tmp_path: Path,
) -> None:
    folder = light_batch(tmp_path / "night", ["kill", "sleep 0.1", "sleep 0.1"], attempts=2)
    work_off(folder, LightLocal(workers=1))
    assert states(folder) == {"0000": "failed", "0001": "done", "0002": "done"}
    standing = folder.standings()["0000"]
    assert standing.attempts == 2
    assert standing.cause == "Its worker was ended by SIGKILL."


def test_workers_that_cannot_even_start_are_given_up_with_what_they_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "pause_s", lambda deaths: 0.0)

    class Broken(Local):
        pull = "napari_sa2va._tests.no_such_module:pull"

    folder = light_batch(tmp_path / "night", ["sleep 0"])
    with pytest.raises(BatchError, match="3 in a row died") as caught:
        work_off(folder, Broken(workers=1))
    assert "No module named" in caught.value.message
    assert states(folder) == {"0000": "waiting"}


@pytest.mark.parametrize("engine", [Here(), Local(workers=1)], ids=["here", "local"])
def test_a_machine_with_other_versions_is_refused_before_it_takes_a_unit(
    tmp_path: Path, engine: Here | Local
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0"] * 2, versions={"sam2": "0.0.7"})
    with pytest.raises(BatchError, match=r"sam2 [\d.]+ instead of 0\.0\.7"):
        work_off(folder, engine)
    assert folder.runs.scan() == {}


CLIENT = """
import sys
from napari_sa2va._tests.test_batch_engines_local import LightLocal
from napari_sa2va.batch.conduct import conduct
from napari_sa2va.batch.folder import BatchFolder
for look in conduct(BatchFolder.open(sys.argv[1]), LightLocal(workers=1)):
    pass
"""


def test_workers_outlive_a_killed_client_and_only_then_another_one_takes_them_over(
    tmp_path: Path,
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 2", "sleep 0.1"])
    with subprocess.Popen([sys.executable, "-c", CLIENT, str(folder.path)]) as client:
        until(lambda: has_begun(folder, "0000"))
        with LightLocal(workers=1).crew(folder) as crew:
            assert crew.size == 0
        client.kill()
    work_off(folder, LightLocal(workers=1))
    assert times_done(folder) == {"0000": 1, "0001": 1}
    assert folder.standings()["0000"].generation == 1  # nobody took it from the one who had it
    assert len(workers_of(folder)) == 1
