"""Logs of workers, and the log that is made of them."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from napari_sa2va._tests.made_dicom import PATIENT, write_dicom
from napari_sa2va.batch.logs import WorkerLog, merge
from napari_sa2va.batch.outcome import ObjectOutcome, Outcome
from napari_sa2va.batch.unit import Unit

FULL = Path("/dev/full")


def a_unit(unit_id="0001-cells", **fields) -> Unit:
    given = {"movie": "cells", "path": "/data/cells.tif", "sentences": ("the cell",)}
    return Unit(unit_id=unit_id, settings="5e77", key="k3y", **(given | fields))


def an_outcome(unit_id="0001-cells", state="done", **fields) -> Outcome:
    given = {
        "ended": "2026-03-01T02:10:44+00:00",
        "seconds": 41.26,
        "frames": 120,
        "worker": "box-1",
    }
    return Outcome(unit_id=unit_id, generation=1, state=state, key="k3y", **(given | fields))


def lines(path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_a_unit_is_one_line_of_text_and_one_of_json_with_everything(tmp_path):
    objects = (
        ObjectOutcome(object_id=1, name="the cell", found=True, frames_present=100),
        ObjectOutcome(object_id=2, name="the worm", found=False),
    )
    log = WorkerLog(tmp_path, "box-1")
    log.add(a_unit(annotations={"strain": "N2"}), an_outcome(objects=objects))
    assert lines(tmp_path / "logs" / "box-1.txt") == [
        "2026-03-01T02:10:44Z  box-1  0001-cells  done  120 frames  1 of 2 objects  41.3 s"
    ]
    (line,) = lines(tmp_path / "logs" / "box-1.jsonl")
    said = json.loads(line)
    assert said["time"] == "2026-03-01T02:10:44Z"
    assert (said["unit_id"], said["movie"], said["path"]) == (
        "0001-cells",
        "cells",
        "/data/cells.tif",
    )
    assert (said["key"], said["settings"], said["annotations"]) == ("k3y", "5e77", {"strain": "N2"})
    assert [entry["frames_present"] for entry in said["objects"]] == [100, 0]


def test_the_cause_of_a_failure_is_in_its_line_even_if_it_had_several(tmp_path):
    log = WorkerLog(tmp_path, "box-1")
    log.add(
        a_unit(), an_outcome(state="failed", cause="It ends\nat frame 3.", hint="Copy it again.")
    )
    (line,) = lines(tmp_path / "logs" / "box-1.txt")
    assert line.endswith("41.3 s  It ends at frame 3. Copy it again.")


def test_what_names_a_patient_is_in_no_log(tmp_path):
    movie = write_dicom(tmp_path / "Muster_Erika.dcm", PatientName=PATIENT["PatientName"])
    unit = a_unit(movie="Muster_Erika", path=str(movie))
    log = WorkerLog(tmp_path, "box-1")
    log.add(unit, an_outcome(state="failed", cause=f"{movie} is truncated."))
    for path in (log.text, log.json):
        assert "Muster" not in path.read_text()
        assert "(PatientName).dcm is truncated" in path.read_text()


def test_a_worker_on_a_machine_with_an_odd_name_has_logs_like_any_other(tmp_path):
    WorkerLog(tmp_path, "node 7/4026531836: 1").add(a_unit(), an_outcome())
    assert (tmp_path / "logs" / "node-7-4026531836-1.txt").exists()


def test_python_logging_goes_into_the_text_from_the_level_on_and_of_others_only_warnings(tmp_path):
    log = WorkerLog(tmp_path, "box-1")
    ours, theirs = logging.getLogger("napari_sa2va.batch"), logging.getLogger("somebody")
    level = logging.getLogger("napari_sa2va").level
    theirs.setLevel(logging.DEBUG)
    with log.listening("info"):
        ours.debug("too much")
        ours.info("opened")
        theirs.info("theirs")
        theirs.warning("beware")
    ours.error("too late")
    words = [line.split("  ", 1)[1] for line in lines(log.text)]
    assert words == ["box-1  INFO  napari_sa2va.batch: opened", "box-1  WARNING  somebody: beware"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  ", line) for line in lines(log.text))
    assert logging.getLogger("napari_sa2va").level == level


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a disk that is full")
def test_a_log_on_a_full_disk_prints_nothing(tmp_path, capsys):
    log = WorkerLog(tmp_path, "box-1")
    log.text.parent.mkdir()
    log.text.symlink_to(FULL)
    with log.listening():
        logging.getLogger("napari_sa2va").warning("The disk is full.")
    assert capsys.readouterr().err == ""


def test_what_came_of_a_unit_is_in_the_log_once_even_if_its_worker_wrote_nothing(tmp_path):
    log = WorkerLog(tmp_path, "box-1")
    log.add(a_unit("u1"), an_outcome("u1"))
    killed = an_outcome("u2", "lost", worker="box-2", ended="2026-03-01T01:00:00+00:00")
    merge(tmp_path, [(a_unit("u1"), an_outcome("u1")), (a_unit("u2"), killed)])
    assert [line.split("  ")[1:4] for line in lines(tmp_path / "log.txt")] == [
        ["box-2", "u2", "lost"],
        ["box-1", "u1", "done"],
    ]
    said = [json.loads(line) for line in lines(tmp_path / "log.jsonl")]
    assert [entry["unit_id"] for entry in said] == ["u2", "u1"]


def test_the_logs_of_all_workers_become_one_in_order_of_time(tmp_path):
    first, second = WorkerLog(tmp_path, "box-1"), WorkerLog(tmp_path, "box-2")
    for log, unit_id, minute in (
        (first, "u1", 10), (second, "u2", 11), (first, "u3", 12), (second, "u4", 13),
    ):  # fmt: skip
        ended = f"2026-03-01T02:{minute}:00+00:00"
        log.add(a_unit(unit_id), an_outcome(unit_id, ended=ended))
    merge(tmp_path)
    assert [line.split("  ")[2] for line in lines(tmp_path / "log.txt")] == ["u1", "u2", "u3", "u4"]
    said = [json.loads(line) for line in lines(tmp_path / "log.jsonl")]
    assert [entry["unit_id"] for entry in said] == ["u1", "u2", "u3", "u4"]


def test_the_lines_of_a_traceback_stay_together_when_logs_are_merged(tmp_path):
    first, second = WorkerLog(tmp_path, "box-1"), WorkerLog(tmp_path, "box-2")
    with first.listening("debug"):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logging.getLogger("napari_sa2va").exception("what a library said")
    second.add(a_unit(), an_outcome())  # in March, before or after this
    merge(tmp_path)
    merged = lines(tmp_path / "log.txt")
    begin = next(i for i, line in enumerate(merged) if "what a library said" in line)
    trace = merged[begin + 1 :] if "done" in merged[0] else merged[begin + 1 : -1]
    assert trace[0] == "    Traceback (most recent call last):"
    assert trace[-1] == "    ZeroDivisionError: division by zero"


def test_what_somebody_else_writes_beside_the_logs_is_left_out(tmp_path):
    WorkerLog(tmp_path, "box-1").add(a_unit(), an_outcome())
    (tmp_path / "logs" / "panel.txt").write_text("12 done.\n    and so on\n")
    merge(tmp_path)
    assert len(lines(tmp_path / "log.txt")) == 1


def test_what_a_killed_process_wrote_half_is_no_entry_of_the_merged_json(tmp_path):
    log = WorkerLog(tmp_path, "box-1")
    log.add(a_unit(), an_outcome())
    whole = log.json.read_text()
    log.json.write_text(whole + whole[: len(whole) // 2])
    merge(tmp_path)
    assert (tmp_path / "log.jsonl").read_text() == whole


def test_lines_that_are_no_entries_and_logs_that_cannot_be_read_stop_no_other(tmp_path):
    log = WorkerLog(tmp_path, "box-1")
    log.add(a_unit(), an_outcome())
    whole = log.json.read_text()
    odd = '12\nnull\n"x"\n[1]\n{"a": 1}\n{"time": 5}\n' + "[" * 100_000 + "\n"
    log.json.write_text(odd + whole)
    for ending in ("txt", "jsonl"):
        (tmp_path / "logs" / f"folder.{ending}").mkdir()
        (tmp_path / "logs" / f"bytes.{ending}").write_bytes(b"\xff\xfe\0" * 99)
    merge(tmp_path)
    assert (tmp_path / "log.jsonl").read_text() == whole
    assert len(lines(tmp_path / "log.txt")) == 1


def test_logs_of_processes_at_work_at_the_same_time_hold_every_line_whole(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from napari_sa2va._tests.test_batch_logs import a_unit, an_outcome\n"
        "from napari_sa2va.batch.logs import WorkerLog\n"
        "log = WorkerLog(Path(sys.argv[1]), sys.argv[2])\n"
        "for n in range(200): log.add(a_unit(f'u{n}'), an_outcome(f'u{n}', worker=sys.argv[2]))\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in ("a", "b")
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    merge(tmp_path)
    said = [json.loads(line) for line in lines(tmp_path / "log.jsonl")]
    assert sorted((e["worker"], e["unit_id"]) for e in said) == sorted(
        (name, f"u{n}") for name in "ab" for n in range(200)
    )
    assert len(lines(tmp_path / "log.txt")) == 400
