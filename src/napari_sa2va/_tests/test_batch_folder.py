"""The batch folder: units, settings, facts, marks and where units stand."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_sa2va._tests.light_units import KEY, numbered, unit
from napari_sa2va._tests.made_units import made_folder
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead, write_head
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.order import longest_first
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.output_log import OutputLog, Writing, paths_written
from napari_sa2va.batch.unit import Facts, Output
from napari_sa2va.core.errors import BatchError
from napari_sa2va.presets import preset


def _end(folder: BatchFolder, unit_id: str, generation: int, state: str, **more: object) -> None:
    held = folder.runs.take(unit_id, generation, claim_here("w"))
    about = {"unit_id": unit_id, "generation": generation, "key": KEY, "state": state}
    held.finish(Outcome.model_validate(about | more))


def test_a_folder_is_opened_as_it_was_made(tmp_path: Path) -> None:
    made = made_folder(tmp_path / "night", *numbered(3), command="napari-sa2va batch x", attempts=5)
    opened = BatchFolder.open(tmp_path / "night")
    assert opened.head == made.head
    assert list(opened.units()) == ["u000", "u001", "u002"]
    assert opened.units() == made.units()
    assert opened.settings_of(opened.units()["u001"]) == preset("sa2va-i")
    with pytest.raises(BatchError, match="a batch folder already"):
        BatchFolder.create(tmp_path / "night", BatchHead())


def test_of_several_who_make_a_folder_at_once_one_does_and_all_get_the_same(tmp_path: Path) -> None:
    place = tmp_path / "night"
    with ThreadPoolExecutor(8) as pool:
        heads = [BatchHead() for _ in range(8)]
        made = list(pool.map(BatchFolder.open_or_create, [place] * 8, heads))
    (batch_id,) = {folder.head.batch_id for folder in made}
    assert BatchFolder.open(place).head.batch_id == batch_id
    with pytest.raises(BatchError, match="a batch folder already"):
        BatchFolder.create(place, BatchHead())


def test_a_folder_that_is_being_made_one_of_a_batch_is_told_from_others(
    tmp_path: Path, monkeypatch
) -> None:
    place = tmp_path / "night"
    assert BatchFolder.may_be_one(place)
    seen = []

    def write(folder: Path, head: BatchHead) -> None:
        seen.append((BatchFolder.is_one(place), BatchFolder.may_be_one(place)))
        write_head(folder, head)

    monkeypatch.setattr("napari_sa2va.batch.folder.write_head", write)
    BatchFolder.create(place, BatchHead()).add([unit("a")], {})
    assert seen == [(False, True)]
    assert BatchFolder.may_be_one(place)
    for name in ("a.tif", "results/mine.csv"):
        other = tmp_path / name[0] / name
        other.parent.mkdir(parents=True)
        assert BatchFolder.may_be_one(tmp_path / name[0])
        other.touch()
        assert not BatchFolder.may_be_one(tmp_path / name[0])


def test_what_is_no_batch_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="is no batch folder"):
        BatchFolder.open(tmp_path)
    for damaged in (b"{", b"\xff\xfe\x80", bytes(99), b'{"version": []}', b'{"version": "x"}'):
        (tmp_path / "batch.json").write_bytes(damaged)
        with pytest.raises(BatchError, match="is damaged"):
            BatchFolder.open(tmp_path)
    (tmp_path / "batch.json").write_text('{"version": 99}')
    with pytest.raises(BatchError, match="newer version"):
        BatchFolder.open(tmp_path)


def test_units_that_are_added_are_seen_by_all_and_replace_those_of_their_id(tmp_path: Path) -> None:
    made = made_folder(tmp_path / "b", *numbered(2))
    other = BatchFolder.open(tmp_path / "b")
    assert len(other.units()) == 2
    made.add([unit("u000", key="new"), unit("late")], {})
    assert list(other.units()) == ["u000", "u001", "late"]
    assert other.units()["u000"].key == "new"


_WRITER = """
import sys
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va._tests.light_units import unit
folder = BatchFolder.open(sys.argv[1])
for i in range(40):
    folder.add([unit(f"{sys.argv[2]}{i}", movie="m" * 3000)], {})
"""


def test_many_processes_may_add_units_at_once(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b")
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(folder.path), name])
        for name in ("x", "y", "z")
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(folder.units()) == 120


def test_a_line_that_a_killed_process_left_half_written_spoils_no_other(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", unit("a"))
    with (folder.path / "units.jsonl").open("a") as file:
        file.write('{"unit_id": "half", "mov')
    assert list(BatchFolder.open(folder.path).units()) == ["a"]
    folder.add([unit("b")], {})
    assert list(BatchFolder.open(folder.path).units()) == ["a", "b"]
    assert list(folder.units()) == ["a", "b"]


def test_facts_hold_for_the_unit_as_it_was_looked_at(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", unit("a"))
    folder.add_facts([Facts(unit_id="a", key=KEY, num_frames=7)])
    assert folder.facts()["a"].num_frames == 7
    folder.add([unit("a", key="changed")], {})
    assert not folder.facts()


def test_the_longest_is_first_by_what_was_learnt_or_by_size() -> None:
    units = [unit("a", num_bytes=10), unit("b", num_bytes=40), unit("c", num_bytes=20)]
    assert [u.unit_id for u in longest_first(units, {})] == ["b", "c", "a"]
    slow = Facts(unit_id="a", key=KEY, seconds=30.0)  # 3 s per byte: b takes 120, c takes 60
    assert [u.unit_id for u in longest_first(units, {"a": slow})] == ["b", "c", "a"]
    slower = Facts(unit_id="c", key=KEY, seconds=200.0)  # median 6.5 s per byte: b takes 260
    assert [u.unit_id for u in longest_first(units, {"a": slow, "c": slower})] == ["b", "c", "a"]
    slowest = Facts(unit_id="c", key=KEY, seconds=2000.0)
    quick = Facts(unit_id="b", key=KEY, seconds=1.0)
    known = {"a": slow, "b": quick, "c": slowest}
    assert [u.unit_id for u in longest_first(units, known)] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("state", "more", "expected"),
    [
        ("done", {}, "done"),
        ("nothing", {}, "nothing"),
        ("failed", {}, "waiting"),  # two attempts
        ("failed", {"certain": True}, "failed"),
        ("unfit", {}, "unfit"),
        ("stopped", {}, "waiting"),
        ("lost", {}, "waiting"),
        ("done", {"key": "of before"}, "waiting"),
    ],
)
def test_where_a_unit_stands_after_its_first_generation(
    tmp_path: Path, state: str, more: dict[str, object], expected: str
) -> None:
    folder = made_folder(tmp_path / "b", unit("a"))
    assert folder.standings()["a"].state == "waiting"
    _end(folder, "a", 1, state, **more)
    standing = folder.standings()["a"]
    assert standing.state == expected
    assert standing.generation == 1


def test_a_unit_is_given_up_after_so_many_attempts_and_begins_anew_when_asked(
    tmp_path: Path,
) -> None:
    folder = made_folder(tmp_path / "b", unit("a"), unit("b"), attempts=2)
    _end(folder, "a", 1, "failed", cause="no")
    _end(folder, "a", 2, "failed", cause="no again")
    standing = folder.standings()["a"]
    assert (standing.state, standing.attempts, standing.cause) == ("failed", 2, "no again")
    assert folder.retry(["a", "b"]) == ["a"]
    assert folder.standings()["a"].state == "waiting"
    _end(folder, "a", 3, "failed")
    assert folder.standings()["a"].state == "waiting"
    _end(folder, "a", 4, "done")
    assert folder.standings()["a"].state == "done"
    assert folder.retry(["a"]) == ["a"]
    assert folder.standings()["a"].state == "waiting"
    with pytest.raises(BatchError, match="no unit 'c'"):
        folder.retry(["c"])


def test_an_output_more_makes_a_finished_unit_wait(tmp_path: Path) -> None:
    folder = made_folder(
        tmp_path / "b", unit("a", outputs=(Output(path="/r/a.tif", kind="ome-tiff"),))
    )
    _end(folder, "a", 1, "done", outputs=["/r/a.tif"])
    assert folder.standings()["a"].state == "done"
    both = (Output(path="/r/a.tif", kind="ome-tiff"), Output(path="/r/a.json", kind="coco"))
    folder.add([unit("a", outputs=both)], {})
    assert folder.standings()["a"].state == "waiting"


def test_marks_are_set_and_taken_back(tmp_path: Path) -> None:
    folder, other = made_folder(tmp_path / "b"), BatchFolder.open(tmp_path / "b")
    folder.pause()
    assert other.is_paused
    folder.cancel()
    assert other.is_cancelled
    other.resume()
    assert not folder.is_paused
    assert not folder.is_cancelled
    with folder.watching():
        assert other.is_watching
    assert not other.is_watching


def test_settings_alike_have_the_same_digest() -> None:
    assert digest_of(preset("sa2va-i")) == digest_of(preset("sa2va-i"))
    assert digest_of(preset("sa2va-i")) != digest_of(preset("sa2va"))


def test_a_watcher_that_was_killed_is_none(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b")
    code = (
        "import sys, time\nfrom napari_sa2va.batch.folder import BatchFolder\n"
        "with BatchFolder.open(sys.argv[1]).watching():\n print('there', flush=True)\n time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder.path)], stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout.readline() == "there\n"
        assert folder.is_watching
        watcher.kill()
    assert not folder.is_watching


def test_one_of_two_watchers_may_leave(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b")
    with folder.watching():
        with folder.watching():
            assert folder.is_watching
        assert folder.is_watching
    assert not folder.is_watching


def test_damaged_settings_are_written_anew_with_the_units(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", unit("a"))
    settings = preset("sa2va-i")
    place = folder.path / "settings" / f"{digest_of(settings)}.json"
    place.write_text("{")
    opened = BatchFolder.open(folder.path)
    with pytest.raises(BatchError, match="damaged or gone"):
        opened.settings_of(opened.units()["a"])
    opened.add([unit("a")], {digest_of(settings): settings})
    assert opened.settings_of(opened.units()["a"]) == settings


def test_zeros_that_a_network_drive_shows_for_a_while_hide_no_unit(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", unit("a"), unit("b"))
    lines = folder.path / "units.jsonl"
    whole = lines.read_bytes()
    first = whole.index(b"\n") + 1
    lines.write_bytes(whole[:first].replace(b'"a"', b"\0\0\0") + whole[first:])
    reader = BatchFolder.open(folder.path)
    assert list(reader.units()) == ["b"]
    lines.write_bytes(whole)
    assert set(reader.units()) == {"a", "b"}


def test_parts_of_a_movie_that_is_split_otherwise_now_are_not_done(tmp_path: Path) -> None:
    part = {"first_frame": 0, "last_frame": 9}
    whole = unit("whole", parts=("whole-1",))
    folder = made_folder(tmp_path / "b", unit("whole-1", part=part), unit("old", part=part), whole)
    assert list(folder.units()) == ["whole-1", "whole"]
    _end(folder, "whole-1", 1, "failed", certain=True)
    _end(folder, "whole", 1, "failed", certain=True)
    assert folder.retry(["whole"]) == ["whole", "whole-1"]
    assert {s.state for s in folder.standings().values()} == {"waiting"}


@pytest.mark.parametrize("asked", [["whole"], ["whole-1"], ["whole", "whole-1"]])
def test_parts_are_asked_for_again_before_what_merges_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    part = {"first_frame": 0, "last_frame": 9}
    whole = unit("whole", parts=("whole-1",))
    folder = made_folder(tmp_path / "b", unit("whole-1", part=part), whole)
    _end(folder, "whole-1", 1, "failed", certain=True)
    _end(folder, "whole", 1, "failed", certain=True)
    marked = []
    forgive = folder.runs.forgive

    def note(unit_id: str, generation: int) -> None:
        forgive(unit_id, generation)
        standings = folder.standings()
        is_free = standings["whole"].state == "waiting" and standings["whole-1"].is_at_end
        marked.append((unit_id, is_free))

    monkeypatch.setattr(folder.runs, "forgive", note)
    assert sorted(folder.retry(asked)) == ["whole", "whole-1"]
    assert marked == [("whole-1", False), ("whole", False)], "a worker would merge what failed"


def test_what_another_process_has_changed_in_the_head_stays(tmp_path: Path) -> None:
    first = made_folder(tmp_path / "b")
    second = BatchFolder.open(first.path)
    second.change_head(attempts=7, overwrite=True, weights={"x": {"a": "1"}})
    first.change_head(weights={"y": {"b": "2"}})
    for head in (first.head, BatchFolder.open(first.path).head):
        assert (head.attempts, head.overwrite) == (7, True)
        assert head.weights == {"x": {"a": "1"}, "y": {"b": "2"}}
    with pytest.raises(ValidationError):
        first.change_head(attempts=0)
    assert BatchFolder.open(first.path).head == first.head
    (first.path / "batch.json").unlink()
    with pytest.raises(BatchError, match="cannot be read"):
        first.change_head(attempts=3)


def test_a_folder_that_was_moved_has_its_outputs_where_it_is_now(tmp_path: Path) -> None:
    there = tmp_path / "night"
    inside, outside = there / "results" / "ü.tif", tmp_path / "elsewhere" / "a.csv"
    outputs = (
        Output(path=str(inside), kind="ome-tiff"), Output(path=str(outside), kind="table")
    )  # fmt: skip
    folder = made_folder(there, unit("a", outputs=outputs))
    assert folder.units()["a"].outputs == outputs
    _end(folder, "a", 1, "done", outputs=(str(inside), str(outside)))
    folder.work_of("a").mkdir()
    with OutputLog(folder.work_of("a"), 1) as log:
        log.note(Writing(path=str(inside), kind="ome-tiff", key=KEY, choices=""))
    now = there.rename(tmp_path / "moved")
    moved = BatchFolder.open(now)
    expected = (str(now / "results" / "ü.tif"), str(outside))
    assert tuple(output.path for output in moved.units()["a"].outputs) == expected
    standing = moved.standings()["a"]
    assert standing.state == "done"
    assert standing.outcome is not None
    assert standing.outcome.outputs == expected
    assert paths_written(moved.work_of("a")) == {expected[0]}
