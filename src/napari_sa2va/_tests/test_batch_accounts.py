"""The table, the report and the log at the end of a batch, whoever writes them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from napari_sa2va._tests.batch_hands import until
from napari_sa2va._tests.finished_batches import HEADER, add_unit, end, made_batch
from napari_sa2va.batch.accounts import are_up_to_date, write_accounts, write_at_the_end
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.cli.batch.command import batch

TABLE = f"{HEADER}\n1,the bright cell,the bright cell,0,0.0,12,3.0,4.0,0.9,1\n"

LEAVING = """
import sys
from napari_sa2va.batch.accounts import write_at_the_end
from napari_sa2va.batch.folder import BatchFolder
folder = BatchFolder.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(write_at_the_end(folder), flush=True)
"""

CLIENT = """
import sys
from napari_sa2va.batch.folder import BatchFolder
with BatchFolder.open(sys.argv[1]).tending():
    print("there", flush=True)
    sys.stdin.readline()
"""


def _process(code: str, folder: BatchFolder) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def finished(tmp_path: Path) -> BatchFolder:
    """A batch whose units have come to their ends, and of which nobody has given an account."""
    folder = made_batch(tmp_path / "night")
    end(folder, add_unit(folder, "0001-a"), table=TABLE)
    end(folder, add_unit(folder, "0002-b"), "failed", cause="It is empty.", certain=True)
    return folder


def _status(folder: BatchFolder, capsys: pytest.CaptureFixture[str]) -> str:
    batch.main(["status", str(folder.path)], standalone_mode=False)
    return capsys.readouterr().out


def test_of_many_workers_that_leave_at_once_one_writes_the_accounts(finished: BatchFolder) -> None:
    workers = [_process(LEAVING, finished) for _ in range(4)]
    assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 4
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    assert sorted(worker.communicate()[0] for worker in workers) == ["False\n"] * 3 + ["True\n"]
    assert "0001-a" in (finished.path / "objects.csv").read_text()
    assert "It is empty." in (finished.path / "report.html").read_text()
    assert not write_at_the_end(finished)
    assert are_up_to_date(finished, finished.standings())


def test_what_changed_since_is_written_anew(finished: BatchFolder) -> None:
    assert write_at_the_end(finished)
    finished.retry(["0001-a"])
    assert not are_up_to_date(finished, finished.standings())
    assert not write_at_the_end(finished)  # for there is something to be done
    end(finished, finished.units()["0001-a"], table=TABLE)
    assert write_at_the_end(finished)


def test_as_long_as_its_client_lives_a_worker_leaves_the_accounts_to_it(
    finished: BatchFolder,
) -> None:
    client = _process(CLIENT, finished)
    assert client.stdout.readline() == "there\n"
    assert finished.is_tended
    assert not write_at_the_end(finished)
    os.kill(client.pid, signal.SIGKILL)
    client.communicate()
    assert not finished.is_tended
    assert write_at_the_end(finished)


def test_while_units_may_still_come_no_worker_writes_the_accounts(finished: BatchFolder) -> None:
    with finished.watching():
        assert not write_at_the_end(finished)
    assert write_at_the_end(finished)


def test_a_report_that_cannot_be_written_is_no_failure_of_a_worker(
    finished: BatchFolder, caplog: pytest.LogCaptureFixture
) -> None:
    (finished.path / "report.html").mkdir()
    assert not write_at_the_end(finished)
    assert "report.html is a folder" in caplog.text


def test_settings_that_are_gone_are_told_and_the_rest_is_written(
    finished: BatchFolder, caplog: pytest.LogCaptureFixture
) -> None:
    for file in (finished.path / "settings").iterdir():
        file.write_bytes(b"\xff{}")
    again = BatchFolder.open(finished.path)
    assert write_accounts(again).table.damaged == ()
    told = "The settings of 0001-a are damaged or gone."
    assert told in caplog.text
    assert told in (again.path / "report.html").read_text()
    assert are_up_to_date(again, again.standings())


def test_a_table_that_is_damaged_is_told_of_in_the_log_of_the_worker_that_leaves(
    finished: BatchFolder, caplog: pytest.LogCaptureFixture
) -> None:
    (finished.work_of("0001-a") / "objects.csv").write_bytes(bytes(99))
    (finished.path / ".accounts").write_bytes(b"\xff")
    assert write_at_the_end(finished)
    assert "The tables of 0001-a are damaged" in caplog.text
    assert "It is empty." in (finished.path / "report.html").read_text()


def test_status_says_how_to_get_a_report_that_nobody_wrote(
    finished: BatchFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    how = f"napari-sa2va batch report {finished.path}"
    assert how in _status(finished, capsys)
    write_accounts(finished)
    assert how not in _status(finished, capsys)


def test_status_tells_that_a_client_is_there_while_no_worker_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made_batch(tmp_path / "night")
    add_unit(folder, "0001-a")
    assert "Nobody works on it now" in _status(folder, capsys)
    with folder.tending():
        said = _status(folder, capsys)
    assert "Nobody" not in said
    assert "the command that runs the batch starts workers" in said


def test_workers_that_were_killed_have_lines_in_the_log(tmp_path: Path) -> None:
    folder = made_batch(tmp_path / "night", stale_s=0.2)
    unit = add_unit(folder, "0001-a")
    folder.runs.take("0001-a", 1, claim_here("silent", key=unit.key))
    until(lambda: folder.standings()["0001-a"].state == "waiting")
    folder.runs.take("0001-a", 2, claim_here("killed", key=unit.key))
    assert folder.runs.note_vanished("killed", "Its worker was killed.")
    end(folder, unit, table=TABLE)
    write_accounts(folder)
    said = [json.loads(line) for line in (folder.path / "log.jsonl").read_text().splitlines()]
    assert sorted((s["generation"], s["worker"], s["state"], s["cause"]) for s in said) == [
        (1, "silent", "lost", "Its worker vanished: it was killed, or its machine ended."),
        (2, "killed", "lost", "Its worker was killed."),
        (3, "w1", "done", ""),
    ]
    text = (folder.path / "log.txt").read_text().splitlines()
    assert sorted(line.split("  ")[1:4] for line in text) == [
        ["killed", "0001-a", "lost"], ["silent", "0001-a", "lost"], ["w1", "0001-a", "done"],
    ]  # fmt: skip
