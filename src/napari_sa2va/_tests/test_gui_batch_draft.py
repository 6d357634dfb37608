"""Putting a batch together in a real viewer: what is named, what is wrong with it, what is checked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.made_batches import SENTENCES, batch_by_hand, write_movies
from napari_sa2va._tests.made_units import made_folder, made_unit
from napari_sa2va._tests.typed_batches import write_broken, write_vast
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.folder_of_movies import movies_in
from napari_sa2va.core.errors import BatchError
from napari_sa2va.gui.batch import controller, draft, panel
from napari_sa2va.gui.batch.adding import add_to
from napari_sa2va.gui.batch.asked import but_for_changes, setup_of
from napari_sa2va.gui.batch.dock import BatchDock
from napari_sa2va.gui.batch.planning import Planned
from napari_sa2va.gui.batch.setup import SetUp
from napari_sa2va.gui.batch.table import EMPTY
from napari_sa2va.gui.dock import SentenceDock

WAIT_MS = 60_000


class Bench:
    """A batch dock in a viewer, as a person uses it."""

    def __init__(self, viewer, qtbot) -> None:
        self.sentences = SentenceDock(viewer)
        viewer.window.add_dock_widget(self.sentences, name="Segment by sentence")
        self.batch = BatchDock(viewer)
        viewer.window.add_dock_widget(self.batch, name="Batch over many movies")
        self._qtbot = qtbot

    @property
    def parts(self):
        return self.batch.movies.parts

    @property
    def said(self) -> str:
        return self.parts.message.text()

    @property
    def movies(self) -> list[str]:
        return [row.movie for row in self.parts.model.rows]

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.parts.model.rows]

    def until(self, is_so: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(is_so, timeout=WAIT_MS)

    def add(self, *paths: Path | str) -> None:
        self.batch.movies.add([str(path) for path in paths])
        self.rest()

    def take(self, sentences: str) -> None:
        self.sentences.sentences.setPlainText(sentences)
        self.parts.setup.take_button.click()
        self.rest()

    def check(self) -> None:
        self.parts.check_button.click()
        self.rest()

    def rest(self) -> None:
        """Until nothing is being looked for, or checked."""
        self.until(lambda: not self.batch.movies.draft.busy)


@pytest.fixture
def bench(make_napari_viewer_proxy, qtbot) -> Bench:
    return Bench(make_napari_viewer_proxy(), qtbot)


def test_a_wrong_path_is_told_once_and_does_not_stay(bench: Bench, tmp_path: Path) -> None:
    first, second = write_movies(tmp_path, 2)
    bench.add(tmp_path / "nowhere")
    assert f"There is no {tmp_path / 'nowhere'}." in bench.said
    bench.add(first)
    assert "nowhere" not in bench.said
    assert "1 movie has no sentence yet." in bench.said
    bench.add(tmp_path / "nowhere")
    assert "Check the spelling." in bench.said
    bench.take("the blue cell")
    assert bench.movies == [first.stem]
    assert bench.said == ""
    # Of several that are dropped at once, the others are taken.
    (tmp_path / "notes.txt").write_text("no movie")
    bench.add(tmp_path / "nowhere", tmp_path / "notes.txt", second)
    assert bench.movies == [first.stem, second.stem]
    assert "2 of these cannot be added." in bench.said
    assert f"No format is known of {tmp_path / 'notes.txt'}." in bench.said


def test_the_batch_is_made_beside_the_first_movie_that_is_there(bench: Bench, tmp_path) -> None:
    (movie,) = write_movies(tmp_path, 1)
    bench.sentences.sentences.setPlainText("the blue cell")
    bench.add("/nowhere/a.tif", movie)
    assert str(tmp_path / f"{movie.stem}_batch") in bench.parts.folder.text()


def test_a_movie_that_was_left_out_comes_back_when_it_is_named_again(bench, tmp_path) -> None:
    _, second, third = write_movies(tmp_path, 3)
    bench.sentences.sentences.setPlainText("the blue cell")
    bench.add(tmp_path)
    bench.parts.table.choose(bench.parts.model.rows[1].unit_id)
    bench.parts.remove_button.click()
    bench.take("the red cell")
    assert bench.movies == ["cells-1", third.stem]
    bench.add(second)
    assert sorted(bench.movies) == ["cells-1", second.stem, third.stem]


def test_movies_wait_until_a_name_pattern_makes_sense(bench: Bench, tmp_path: Path) -> None:
    (movie,) = write_movies(tmp_path, 1)
    bench.sentences.sentences.setPlainText("the blue cell")

    def name(pattern: str) -> None:
        bench.parts.setup.pattern.setText(pattern)
        bench.parts.setup.pattern.editingFinished.emit()
        bench.rest()

    name("{nam}")
    bench.add(movie)
    assert "makes no sense" in bench.said or "is {name} meant?" in bench.said
    assert bench.movies == []
    assert not bench.parts.start_button.isEnabled()
    name("{name}-cells")
    assert bench.said == ""
    (unit,) = bench.batch.movies.draft.planned.units.values()
    assert Path(unit.outputs[0].path).name == f"{movie.stem}-cells.ome.tif"


def test_what_was_stopped_is_not_looked_for_again(bench: Bench, tmp_path: Path) -> None:
    first, second = write_movies(tmp_path, 2)
    bench.sentences.sentences.setPlainText("the blue cell")
    bench.batch.movies.add([str(first)])
    bench.parts.check_button.click()  # which says Stop meanwhile
    bench.add(second)
    assert bench.movies == [second.stem]


def test_movies_of_a_table_that_have_sentences_need_none_here(bench: Bench, tmp_path) -> None:
    first, second = write_movies(tmp_path, 2)
    table = tmp_path / "study.csv"
    table.write_text(f"path,prompts\n{first},the blue cell\n{second},\n")
    bench.add(table)
    assert bench.movies == [first.stem]
    assert "1 movie has no sentence yet." in bench.said
    bench.take("the red cell")
    units = bench.batch.movies.draft.planned.units.values()
    assert [unit.sentences for unit in units] == [("the blue cell",), ("the red cell",)]


def test_many_movies_without_a_sentence_are_one_complaint(bench: Bench, tmp_path: Path) -> None:
    for number in range(60):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.zeros((2, 8, 8), np.uint8))
    bench.add(tmp_path)
    assert "60 movies have no sentence yet." in bench.said
    assert str(tmp_path) not in bench.said
    assert len(bench.said) < 200


def test_a_check_is_said_to_be_out_of_date_and_what_it_found_stays(bench: Bench, tmp_path) -> None:
    good, bad, late = write_movies(tmp_path, 3)
    write_broken(bad)
    bench.sentences.sentences.setPlainText("the blue cell")
    bench.add(good, bad)
    bench.check()
    assert bench.states == ["planned", "faulty"]
    seconds = bench.parts.model.rows[0].left_s
    assert seconds
    bench.add(late)
    assert bench.states == ["planned", "faulty", "planned"]
    assert bench.parts.model.rows[0].left_s == seconds
    assert "1 movie has not been checked yet. Press Check once more." in bench.said
    bench.check()
    assert "not been checked" not in bench.said
    assert "1 problem was found." in bench.said
    # With another sentence, nothing of it holds any more.
    bench.take("the red cell")
    assert bench.states == ["planned"] * 3
    assert "3 movies have not been checked yet." in bench.said


def test_a_check_that_more_movies_have_stopped_is_told_of(bench: Bench, tmp_path: Path) -> None:
    first, second = write_movies(tmp_path, 2)
    bench.sentences.sentences.setPlainText("the blue cell")
    bench.add(first)
    bench.parts.check_button.click()
    bench.add(second)
    assert "The check was stopped. Press Check once more." in bench.said


def test_an_opened_batch_says_what_its_movies_are_asked(bench: Bench, tmp_path: Path) -> None:
    folder = batch_by_hand(tmp_path / "night", 3)
    bench.batch.movies.open(folder.path)
    words = bench.parts.setup.words
    bench.until(lambda: words.text().startswith(" · ".join(SENTENCES)))
    # What is added is asked the same.
    (movie,) = write_movies(tmp_path, 1)
    bench.add(movie)
    (unit,) = bench.batch.movies.draft.planned.units.values()
    assert unit.sentences == SENTENCES
    assert unit.settings == folder.units()["0001"].settings
    several = made_folder(
        tmp_path / "several",
        made_unit("u1", movie, sentences=("the blue cell",)),
        made_unit("u2", movie, sentences=("the red cell", "the yellow cell")),
    )
    bench.batch.movies.open(several.path)
    bench.until(lambda: words.text() == "2 sets of sentences, such as the blue cell")
    assert "the yellow cell" in words.toolTip()


def test_what_was_changed_while_a_slow_folder_was_read_stays(
    bench: Bench, tmp_path: Path, monkeypatch
) -> None:
    answers = threading.Event()

    def slow(*asked: object) -> SetUp:
        answers.wait(WAIT_MS / 1000)
        return setup_of(*asked)

    monkeypatch.setattr(panel, "setup_of", slow)
    folder = batch_by_hand(tmp_path / "night", 1)
    (movie,) = write_movies(tmp_path, 1)
    setup = bench.parts.setup
    setup.set_value(replace(setup.value, sentences=("the red cell",)))
    bench.batch.movies.open(folder.path)
    bench.until(lambda: bench.batch.movies.controller.path == folder.path)
    bench.add(movie)
    setup.results.setText("/data/masks")
    setup.results.editingFinished.emit()
    setup.pattern.setText("{name}-v")  # and is still being typed
    answers.set()
    bench.until(lambda: setup.value.sentences == SENTENCES)
    bench.rest()
    assert setup.value.results == "/data/masks"
    assert setup.results.text() == "/data/masks"
    assert setup.pattern.text() == "{name}-v"
    # What was named meanwhile is asked what is on show.
    (unit,) = bench.batch.movies.draft.planned.units.values()
    assert unit.sentences == SENTENCES


def test_what_is_found_out_gives_way_to_what_a_person_has_changed_since() -> None:
    shown = SetUp(("a cell",), results="before")
    found = replace(shown, sentences=("a worm",), sets=(("a worm",),), kinds=("coco",))
    assert but_for_changes(found, shown, shown) == found
    now = replace(shown, results="after", pattern="{name}")
    assert but_for_changes(found, shown, now) == replace(found, results="after", pattern="{name}")
    now = replace(shown, sentences=("a fly",))
    assert but_for_changes(found, shown, now) == replace(found, sentences=("a fly",))
    now = replace(shown, kinds=("rle",))
    assert but_for_changes(found, shown, now) == replace(found, kinds=("rle",))


@pytest.mark.parametrize("goes_well", [True, False])
def test_movies_that_are_named_while_others_are_put_in_are_planned_then(
    bench: Bench, tmp_path: Path, monkeypatch, goes_well
) -> None:
    goes_on = threading.Event()

    def slow(planned: Planned) -> BatchFolder:
        goes_on.wait(WAIT_MS / 1000)
        if not goes_well:
            raise BatchError("The drive is full.", "Make room.")
        return add_to(planned)

    monkeypatch.setattr(draft, "add_to", slow)
    monkeypatch.setattr(controller, "BatchProcess", IdleProcess)
    first, second, third = write_movies(tmp_path, 3)
    bench.sentences.sentences.setPlainText("the blue cell")
    bench.add(first)
    bench.parts.start_button.click()
    bench.add(second)
    assert "when those that were started are in the batch" in bench.said
    bench.batch.movies.show_error("Something else went wrong.", "")
    bench.add(third)
    assert not bench.parts.start_button.isEnabled()
    goes_on.set()
    bench.until(lambda: len(bench.movies) == 3)
    bench.rest()
    named = dict(zip(bench.movies, bench.states, strict=True))
    state = "waiting" if goes_well else "planned"
    assert named == {first.stem: state, second.stem: "planned", third.stem: "planned"}
    units = bench.batch.movies.draft.planned.units
    assert len(units) == (2 if goes_well else 3)
    assert ("The drive is full." in bench.said) != goes_well
    # They are put in as any others.
    goes_well = True
    bench.batch.movies.start()
    bench.until(lambda: bench.states == ["waiting"] * 3)
    assert bench.batch.movies.draft.is_empty


def test_nothing_is_started_without_what_was_named_or_typed_last(
    bench: Bench, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(controller, "BatchProcess", IdleProcess)
    first, second = write_movies(tmp_path, 2)
    bench.sentences.sentences.setPlainText("the blue cell")
    bench.add(first)
    bench.batch.movies.add([str(second)])
    bench.parts.start_button.click()
    assert "Movies are still being looked for." in bench.said
    bench.rest()
    bench.parts.setup.pattern.setText("{name}-cells")
    bench.parts.setup.pattern.editingFinished.emit()  # as a click on Start does
    bench.parts.start_button.click()
    assert "Movies are still being looked for." in bench.said
    bench.rest()
    bench.parts.start_button.click()
    bench.until(lambda: bench.states == ["waiting"] * 2)
    units = BatchFolder.open(tmp_path / f"{first.stem}_batch").units().values()
    names = [Path(unit.outputs[0].path).name for unit in units]
    assert names == [f"{first.stem}-cells.ome.tif", f"{second.stem}-cells.ome.tif"]


class IdleProcess:
    """A program that was started and does nothing."""

    exit_code = None
    said = ""

    def __init__(self, folder: Path) -> None:
        pass

    def end(self) -> None:
        """Nothing is there that could end."""


def test_an_empty_table_says_what_to_do(bench: Bench) -> None:
    for words in ("Drop movies, a folder", '"Segment by sentence"', "Check", "Start"):
        assert words in EMPTY
    assert EMPTY.count(".") == 1


def test_a_batch_for_which_there_is_no_room_is_not_begun(bench: Bench, tmp_path: Path) -> None:
    bench.sentences.sentences.setPlainText("the blue cell")
    bench.add(write_vast(tmp_path / "vast.zarr"))
    bench.parts.start_button.click()
    bench.until(lambda: "will be written" in bench.said)
    assert "Make room, or write to another disk." in bench.said
    assert not BatchFolder.is_one(tmp_path / "vast_batch")


def test_the_window_speaks_of_no_flags(bench: Bench, tmp_path: Path) -> None:
    bench.sentences.sentences.setPlainText("the blue cell")
    heard = []

    def hear(*paths: Path | str) -> None:
        bench.add(*paths)
        heard.append(bench.said)

    study, inner = tmp_path / "study", tmp_path / "study" / "day1"
    inner.mkdir(parents=True)
    hear(study)
    assert any("--recursive" in note for note in movies_in(study).notes)
    (tmp_path / "notes.txt").write_text("no movie")
    hear(tmp_path / "notes.txt")
    hear(tmp_path / "*.nd2")
    night = batch_by_hand(tmp_path / "night", 1)
    hear(night.path, tmp_path / "notes.txt")
    write_movies(study, 1)
    hear(study)
    two = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(two, ome=True) as file:
        for _ in range(2):
            file.write(np.eye(16, dtype=np.uint8)[None].repeat(3, 0), metadata={"axes": "TYX"})
    bench.add(two)
    (study / "cells-1.tif").write_bytes((study / "cells-1.tif").read_bytes()[:100_000])
    bench.check()
    heard.append(bench.said)
    heard += [f"{row.cause} {row.hint}" for row in bench.parts.model.rows]
    assert all(heard)
    for message in heard:
        assert " -" not in message, message
        assert "(-" not in message, message
        assert "napari-sa2va" not in message, message
        assert "growing" not in message, message
    assert "for example series 0" in heard[-1]
