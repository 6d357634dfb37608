"""Verdicts of people beside the results."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from napari_sa2va._tests.finished_batches import add_unit, end, made_batch
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.verdicts import ResultChanged, Verdicts
from napari_sa2va.core.errors import BatchError


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    """Two units that are done, and one that waits."""
    made = made_batch(tmp_path / "night")
    for unit_id in ("0001-a", "0002-b"):
        end(made, add_unit(made, unit_id), ended="2026-03-01T02:00:00+00:00")
    add_unit(made, "0003-c")
    return made


def test_a_batch_that_nobody_has_looked_at_has_no_verdicts(folder) -> None:
    assert Verdicts(folder).read() == {}


def test_a_verdict_is_a_line_that_people_and_programs_read(folder) -> None:
    Verdicts(folder).set("0002-b", "accept", 'fine, but "dim"', who="Ada")
    with (folder.path / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert list(line) == [
        *("unit", "movie", "verdict", "note", "who", "when", "key", "generation", "project")
    ]
    assert (line["unit"], line["movie"], line["verdict"]) == ("0002-b", "b", "accept")
    assert (line["note"], line["who"]) == ('fine, but "dim"', "Ada")
    assert (line["key"], line["generation"]) == ("key of 0002-b", "1")


def test_a_second_verdict_on_a_unit_takes_the_place_of_the_first(folder) -> None:
    verdicts = Verdicts(folder)
    verdicts.set("0001-a", "accept")
    verdicts.set("0002-b", "accept")
    verdicts.set("0001-a", "edit", "cut in two")
    read = verdicts.read()
    assert list(read) == ["0001-a", "0002-b"]
    assert (read["0001-a"].verdict, read["0001-a"].note) == ("edit", "cut in two")


def test_what_is_to_be_done_again_waits_for_a_worker_and_what_is_accepted_does_not(folder) -> None:
    Verdicts(folder).set("0001-a", "redo")
    Verdicts(folder).set("0002-b", "accept")
    standings = folder.standings()
    assert standings["0001-a"].state == "waiting"
    assert standings["0002-b"].state == "done"


def test_edit_names_the_project_of_the_edited_masks(folder) -> None:
    verdicts = Verdicts(folder)
    said = verdicts.set("0001-a", "edit")
    assert folder.path / said.project == verdicts.project_of("0001-a")
    assert said.project == "edits/0001-a.sa2va"


def test_who_accepts_edited_masks_accepts_the_project_that_holds_them(folder) -> None:
    verdicts = Verdicts(folder)
    assert verdicts.set("0001-a", "accept").project == ""
    verdicts.set("0001-a", "edit", "cut in two")
    verdicts.set("0001-a", "accept")
    read = verdicts.read()["0001-a"]
    assert (read.verdict, read.project) == ("accept", "edits/0001-a.sa2va")
    assert verdicts.set("0001-a", "redo").project == "", "other masks are going to be found"
    assert verdicts.set("0001-a", "accept").project == ""


def test_edited_masks_of_an_earlier_result_are_not_those_of_the_next(folder) -> None:
    verdicts = Verdicts(folder)
    verdicts.set("0001-a", "edit", "cut in two")
    end(folder, folder.units()["0001-a"])
    assert verdicts.current("0001-a") is None
    assert verdicts.set("0001-a", "accept").project == ""


def test_a_note_is_no_verdict_and_leaves_a_verdict_as_it_is(folder) -> None:
    verdicts = Verdicts(folder)
    verdicts.note("0001-a", "blurry", who="Ada")
    noted = verdicts.read()["0001-a"]
    assert (noted.verdict, noted.note, noted.who) == ("", "blurry", "Ada")
    assert noted.key == "key of 0001-a"
    said = verdicts.set("0001-a", "edit", "cut in two", who="Bob")
    verdicts.note("0001-a", "", who="Ada")
    assert verdicts.read() == {"0001-a": said.model_copy(update={"note": ""})}


def test_a_verdict_is_about_the_result_that_was_looked_at_and_not_about_the_next(folder) -> None:
    verdicts = Verdicts(folder)
    verdicts.set("0001-a", "redo")
    unit, outcome = folder.units()["0001-a"], folder.runs.scan()["0001-a"].outcome
    assert verdicts.read()["0001-a"].is_about(unit, outcome)
    again = end(folder, unit)
    assert not verdicts.read()["0001-a"].is_about(unit, again)
    changed = unit.model_copy(update={"key": "another"})
    assert not verdicts.read()["0001-a"].is_about(changed, outcome)


@pytest.mark.parametrize("ended", ["1999-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"])
def test_clocks_that_differ_change_nothing_about_which_result_a_verdict_is_about(
    folder, ended
) -> None:
    verdicts, unit = Verdicts(folder), folder.units()["0003-c"]
    end(folder, unit, ended=ended)
    verdicts.set("0003-c", "redo")
    assert verdicts.current("0003-c").verdict == "redo"
    end(folder, unit, ended=ended)
    assert verdicts.current("0003-c") is None


@pytest.mark.parametrize("what", ["done again", "another key"])
def test_a_result_that_nobody_has_seen_is_not_judged(folder, what) -> None:
    verdicts, unit = Verdicts(folder), folder.units()["0001-a"]
    seen = verdicts.seen("0001-a")
    assert (seen.outcome.generation, seen.verdict) == (1, None)
    if what == "another key":
        folder.add([unit.model_copy(update={"key": "of another movie"})], {})
        with pytest.raises(BatchError, match="no result of a now"):
            verdicts.seen("0001-a")
    else:
        verdicts.set("0001-a", "redo", who="Berta")
        end(folder, unit)
    before = verdicts.read()
    for say in (
        lambda: verdicts.set("0001-a", "accept", seen=seen),
        lambda: verdicts.set("0001-a", "edit", seen=seen),
        lambda: verdicts.note("0001-a", "blurry", seen=seen),
    ):
        with pytest.raises(ResultChanged, match="a has changed since it was shown"):
            say()
    assert verdicts.read() == before
    if what == "done again":
        said = verdicts.set("0001-a", "accept", seen=verdicts.seen("0001-a"))
        assert (said.generation, verdicts.current("0001-a")) == (2, said)


def test_masks_that_somebody_else_has_edited_meanwhile_are_not_accepted_unseen(folder) -> None:
    verdicts = Verdicts(folder)
    seen = verdicts.seen("0001-a")
    verdicts.note("0001-a", "dim", who="Berta", seen=seen)
    verdicts.set("0001-a", "edit", who="Berta", seen=seen)
    for word in ("accept", "redo"):
        with pytest.raises(ResultChanged):
            verdicts.set("0001-a", word, seen=seen)
    assert folder.standings()["0001-a"].state == "done"
    verdicts.set("0001-a", "accept", seen=verdicts.seen("0001-a"))
    assert verdicts.read()["0001-a"].project == "edits/0001-a.sa2va"


def test_while_a_unit_is_done_again_the_result_before_is_there_still(folder) -> None:
    verdicts, unit = Verdicts(folder), folder.units()["0001-a"]
    seen = verdicts.seen("0001-a")
    verdicts.set("0001-a", "redo")
    held = folder.runs.take("0001-a", 2, claim_here("w", key=unit.key))
    assert verdicts.set("0001-a", "accept", seen=seen).generation == 1
    held.finish(seen.outcome.model_copy(update={"generation": 2, "state": "failed"}))
    assert verdicts.current("0001-a") is None
    with pytest.raises(BatchError, match="no result of a now"):
        verdicts.seen("0001-a")


@pytest.mark.parametrize("when", ["2026-11-22", "22.11.2026 09:10", "yesterday", ""])
def test_a_date_may_be_written_in_any_way(folder, when) -> None:
    verdicts = Verdicts(folder)
    said = verdicts.set("0001-a", "accept")
    verdicts.path.write_text(verdicts.path.read_text().replace(said.when, when))
    assert verdicts.current("0001-a").when == when
    assert verdicts.set("0001-a", "redo").verdict == "redo"


@pytest.mark.parametrize(("typed", "meant"), [("1", 1), ("1.0", 1), ("1,00", 1), ("", None)])
def test_a_generation_is_read_as_a_spreadsheet_may_have_written_it(folder, typed, meant) -> None:
    (folder.path / "verdicts.csv").write_text(
        f"unit;verdict;key;generation\n0001-a;accept;key of 0001-a;{typed}\n"
    )
    assert Verdicts(folder).current("0001-a").generation == meant
    end(folder, folder.units()["0001-a"])
    still = Verdicts(folder).current("0001-a")
    assert (still is None) == (meant == 1), "a line without one is about the newest result"


def test_a_line_from_before_there_were_generations_is_about_the_newest_result(folder) -> None:
    verdicts = Verdicts(folder)
    verdicts.path.write_text("unit,verdict,when,key\n0001-a,accept,2026-03-02,key of 0001-a\n")
    end(folder, folder.units()["0001-a"])
    assert verdicts.current("0001-a").verdict == "accept"
    changed = folder.units()["0001-a"].model_copy(update={"key": "another"})
    assert not verdicts.read()["0001-a"].is_about(changed, None)
    assert verdicts.set("0001-a", "accept").generation == 2


@pytest.mark.parametrize("note", ["=1+1", "- two cells", "'as one'", "line\nbreak", "a;b,c"])
def test_notes_come_back_as_they_were_written_and_are_no_formulas(folder, note) -> None:
    Verdicts(folder).set("0001-a", "accept", note)
    assert Verdicts(folder).read()["0001-a"].note == note
    with (folder.path / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["note"][0] not in "=-+@"


def test_what_a_spreadsheet_makes_of_the_file_is_read_and_its_columns_are_kept(folder) -> None:
    path = folder.path / "verdicts.csv"
    path.write_text("unit;verdict;paid by\r\n0001-a;accept;DFG\r\n", encoding="utf-8-sig")
    verdicts = Verdicts(folder)
    assert verdicts.read()["0001-a"].verdict == "accept"
    verdicts.set("0002-b", "redo")
    verdicts.set("0001-a", "edit")
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["unit"], first["verdict"], first["paid by"]) == ("0001-a", "edit", "DFG")
    assert (second["unit"], second["paid by"]) == ("0002-b", "")


def test_a_word_that_is_no_verdict_is_refused_with_its_line(folder) -> None:
    (folder.path / "verdicts.csv").write_text("unit,verdict\n0001-a,perhaps\n")
    with pytest.raises(BatchError, match=r"0001-a.*perhaps") as caught:
        Verdicts(folder).read()
    assert "accept, redo, edit" in caught.value.hint


def test_there_is_no_verdict_on_a_unit_that_is_not_there(folder) -> None:
    with pytest.raises(BatchError, match="0009-x"):
        Verdicts(folder).set("0009-x", "accept")
    assert not (folder.path / "verdicts.csv").exists()


_REVIEWER = """
import sys
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.verdicts import Verdicts
folder = BatchFolder.open(sys.argv[1])
for unit_id in list(folder.units())[int(sys.argv[2])::3]:
    Verdicts(folder).set(unit_id, "accept", note=sys.argv[2])
"""


def test_people_who_review_at_the_same_time_lose_no_verdict_of_each_other(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    for i in range(30):
        add_unit(folder, f"{i:04}-movie")
    people = [
        subprocess.Popen([sys.executable, "-c", _REVIEWER, str(folder.path), str(n)])
        for n in range(3)
    ]
    assert [person.wait(timeout=120) for person in people] == [0, 0, 0]
    read = Verdicts(folder).read()
    assert {unit_id: v.note for unit_id, v in read.items()} == {
        f"{i:04}-movie": str(i % 3) for i in range(30)
    }
