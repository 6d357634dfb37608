"""The batch panel in a real viewer: batches that run in programs of their own, and outlive it."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
import tifffile
from napari.layers import Image
from qtpy.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_sa2va._tests.heartbeat import COLLECTION, Heartbeat, rest
from napari_sa2va._tests.made_batches import SENTENCES, batch_by_hand, finish, write_movies
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.gui.batch.dock import BatchDock
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.docks_together import place_of

WAIT_MS = 240_000  # the machine may be busy with other things


@pytest.fixture
def make_dock(make_napari_viewer_proxy):
    """Make a viewer with the batch dock in it."""

    def make(sentences: str = "") -> tuple:
        viewer = make_napari_viewer_proxy()
        if sentences:
            dock = SentenceDock(viewer)
            viewer.window.add_dock_widget(dock, name="Segment by sentence")
            dock.sentences.setPlainText(sentences)
        batch = BatchDock(viewer)
        viewer.window.add_dock_widget(batch, name="Batch over many movies")
        return viewer, batch

    return make


def drop(batch: BatchDock, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    batch.movies.parts.table.dropEvent(QDropEvent(QPointF(5, 5), copy, data, left, none))


def states(batch: BatchDock) -> list[str]:
    return [row.state for row in batch.movies.parts.model.rows]


def said(batch: BatchDock) -> str:
    return batch.movies.parts.message.text()


def wait(qtbot, batch: BatchDock, until) -> None:
    """Wait; a message that nobody expects ends it."""

    def so() -> bool:
        assert "has ended" not in said(batch), said(batch)
        return until()

    qtbot.waitUntil(so, timeout=WAIT_MS)


def test_a_batch_runs_on_its_own_and_is_paused_left_and_found_again(
    make_dock, tmp_path: Path, qtbot
) -> None:
    movies = tmp_path / "movies"
    movies.mkdir()
    write_movies(movies, 3)
    viewer, batch = make_dock("\n".join(SENTENCES))
    parts = batch.movies.parts
    drop(batch, movies)
    wait(qtbot, batch, lambda: states(batch) == ["planned"] * 3)
    assert parts.setup.value.sentences == SENTENCES
    assert said(batch) == ""
    parts.start_button.click()
    wait(qtbot, batch, lambda: "running" in states(batch))
    parts.pause_button.click()
    wait(qtbot, batch, lambda: batch.movies.controller.seen.is_paused)
    wait(qtbot, batch, lambda: "running" not in states(batch))
    folder = BatchFolder.open(tmp_path / "movies_batch")
    assert folder.is_paused
    before = states(batch)
    assert "waiting" in before
    assert parts.pause_button.text() == "Resume"
    # The dock is closed, and opened again: it knows nothing, and the folder everything.
    viewer.window.remove_dock_widget(batch)
    _, again = make_dock()
    again.movies.open(folder.path)
    wait(qtbot, again, lambda: states(again) == before)
    qtbot.waitUntil(lambda: "Paused" in again.movies.parts.who.text(), timeout=WAIT_MS)
    again.movies.parts.pause_button.click()
    wait(qtbot, again, lambda: states(again) == ["done"] * 3)
    assert "3 done" in again.movies.parts.summary.text()
    # What the last mask looks like is shown with what is known of the movie.
    again.movies.parts.table.choose(again.movies.parts.model.rows[0].unit_id)
    details = again.movies.parts.details
    qtbot.waitUntil(lambda: details.picture.isVisibleTo(again), timeout=WAIT_MS)
    assert "on 4 frames" in details.text.toPlainText()


def test_what_would_go_wrong_is_found_before_anything_is_done(
    make_dock, tmp_path: Path, qtbot
) -> None:
    good, bad = write_movies(tmp_path, 2)
    bad.write_bytes(bad.read_bytes()[:100_000])
    _, batch = make_dock("the blue cell")
    drop(batch, good, bad)
    wait(qtbot, batch, lambda: states(batch) == ["planned"] * 2)
    batch.movies.parts.check_button.click()
    wait(qtbot, batch, lambda: states(batch) == ["planned", "faulty"])
    assert "1 problem was found." in said(batch)
    assert bad.name in said(batch)
    batch.movies.parts.table.choose(batch.movies.parts.model.rows[1].unit_id)
    assert "truncated" in batch.movies.parts.details.text.toPlainText()
    batch.movies.parts.remove_button.click()
    assert states(batch) == ["planned"]
    batch.movies.parts.check_button.click()
    wait(qtbot, batch, lambda: "Nothing is wrong with 1 movie" in said(batch))
    assert not (tmp_path / "cells-1_batch").exists()


def test_sentences_are_taken_from_the_dock_as_it_stands(make_dock, tmp_path: Path, qtbot) -> None:
    (movie,) = write_movies(tmp_path, 1)
    _, batch = make_dock()
    drop(batch, movie)
    wait(qtbot, batch, lambda: "1 movie has no sentence yet." in said(batch))
    assert 'the dock "Segment by sentence"' in said(batch)
    batch.movies.parts.setup.take_button.click()
    assert "There are no sentences yet." in said(batch)
    _, other = make_dock("cell: the blue cell")
    dock = other.window().findChild(SentenceDock)
    dock.settings.preset.setCurrentText("sa2va")
    drop(other, movie)
    wait(qtbot, other, lambda: states(other) == ["planned"])
    shown = other.movies.parts.setup
    assert shown.words.text() == "the blue cell – sa2va, nano on auto"
    dock.sentences.setPlainText("the red cell")
    shown.take_button.click()
    wait(qtbot, other, lambda: not other.movies.draft.busy)
    (unit,) = other.movies.draft.planned.units.values()
    assert unit.sentences == ("the red cell",)


def test_movies_are_opened_as_the_one_in_the_dock(make_dock, tmp_path: Path, qtbot) -> None:
    stacks = [tmp_path / f"stack-{number}.tif" for number in (1, 2)]
    for number, path in enumerate(stacks):
        planes = np.random.default_rng(number).integers(0, 255, (3, 4, 32, 32), np.uint8)
        tifffile.imwrite(path, planes, metadata={"axes": "TZYX"}, ome=True)
    viewer, batch = make_dock("the bright cell")
    viewer.open(str(stacks[0]), plugin="napari-sa2va")
    picker = batch.window().findChild(SentenceDock).picker
    picker.row_of(1).choose("max")
    drop(batch, stacks[1])
    wait(qtbot, batch, lambda: "z max" in batch.movies.parts.setup.words.text())
    wait(qtbot, batch, lambda: states(batch) == ["planned"] and not batch.movies.draft.busy)
    (unit,) = batch.movies.draft.planned.units.values()
    assert unit.arguments.z == "max"
    assert unit.arguments.limits is None, "each movie has its own"
    batch.movies.parts.check_button.click()
    wait(qtbot, batch, lambda: "Nothing is wrong with 1 movie" in said(batch))


def test_layers_are_added_by_their_files(make_dock, tmp_path: Path, qtbot) -> None:
    first, second = write_movies(tmp_path, 2)
    viewer, batch = make_dock("the blue cell")
    viewer.add_image(tifffile.imread(first), rgb=True, name="made here")
    batch.movies.add_layers()
    assert "opened from a file" in said(batch)
    viewer.open(str(second), plugin="napari", rgb=True)
    assert isinstance(viewer.layers[-1], Image)
    viewer.layers.selection.active = viewer.layers[-1]
    batch.movies.add_layers()
    wait(qtbot, batch, lambda: [r.movie for r in batch.movies.parts.model.rows] == [second.stem])


def test_a_batch_folder_that_is_dropped_is_looked_at(make_dock, tmp_path: Path, qtbot) -> None:
    folder = batch_by_hand(tmp_path / "night", 3)
    finish(folder, "0001")
    finish(folder, "0002", "failed", certain=True, cause="Frame 3 is cut off.", hint="Copy it.")
    held = folder.runs.take("0003", 1, claim_here("somebody", device="cuda:1", key="key 3"))
    _, batch = make_dock()
    drop(batch, folder.path)
    wait(qtbot, batch, lambda: states(batch) == ["done", "failed", "running"])
    parts = batch.movies.parts
    assert "cuda:1" in parts.who.text()
    assert not parts.start_button.isEnabled(), "somebody is at work"
    parts.cancel_button.click()
    wait(qtbot, batch, lambda: folder.is_cancelled)
    held.beat(frames_done=5, frames_planned=10)
    wait(qtbot, batch, lambda: parts.model.rows[2].share == 0.5)
    parts.retry_button.click()
    wait(qtbot, batch, lambda: states(batch) == ["done", "waiting", "running"])
    assert "1 movie will be done again." in said(batch)


def test_a_batch_that_is_at_work_is_offered_by_the_next_dock(
    make_dock, tmp_path: Path, qtbot
) -> None:
    folder = batch_by_hand(tmp_path / "night & day", 2)
    folder.runs.take("0001", 1, claim_here("somebody", key="key 1"))
    viewer, first = make_dock()
    assert not first.movies.parts.running_button.isVisibleTo(first)
    first.movies.open(folder.path)
    wait(qtbot, first, lambda: states(first) == ["running", "waiting"])
    viewer.window.remove_dock_widget(first)
    _, second = make_dock()
    button = second.movies.parts.running_button
    wait(qtbot, second, lambda: button.isVisibleTo(second))
    assert button.text() == "Open night && day, which is running"
    button.click()
    wait(qtbot, second, lambda: states(second) == ["running", "waiting"])
    assert not button.isVisibleTo(second)


def test_movies_are_removed_from_a_batch_after_a_question(make_dock, tmp_path: Path, qtbot) -> None:
    folder = batch_by_hand(tmp_path / "night", 4)
    finish(folder, "0001")
    folder.runs.take("0003", 1, claim_here("somebody", key="key 3"))
    _, batch = make_dock()
    batch.movies.open(folder.path)
    wait(qtbot, batch, lambda: states(batch) == ["done", "waiting", "running", "waiting"])
    table, remove = batch.movies.parts.table, batch.movies.parts.remove_action
    table.choose("0003")
    assert not remove.isEnabled(), "somebody works on it"
    asked = []

    def say(answer: QMessageBox.StandardButton) -> None:
        def reply() -> None:
            box = QApplication.activeModalWidget()
            asked.append(box.text())
            box.button(answer).click()

        QTimer.singleShot(0, reply)

    table.selectAll()
    assert remove.isEnabled()
    say(QMessageBox.StandardButton.No)
    remove.trigger()  # as the context menu does, and the key Delete
    assert "3 movies" in asked[0]
    assert len(folder.units()) == 4
    table.choose("0002")
    say(QMessageBox.StandardButton.Yes)
    batch.movies.parts.remove_button.click()
    assert "1 movie" in asked[1]
    wait(qtbot, batch, lambda: states(batch) == ["done", "running", "waiting"])
    assert list(folder.units()) == ["0001", "0003", "0004"]


def test_a_report_that_nothing_here_can_open_is_named(
    make_dock, tmp_path: Path, qtbot, monkeypatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no browser
    folder = batch_by_hand(tmp_path / "night", 1)
    finish(folder, "0001", "failed", certain=True, cause="It is cut off.")
    _, batch = make_dock()
    batch.movies.open(folder.path)
    button = batch.movies.parts.report_button
    wait(qtbot, batch, lambda: button.isVisibleTo(batch))
    button.click()
    wait(qtbot, batch, lambda: str(folder.path / "report.html") in said(batch))
    assert "It is cut off." in (folder.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("kinds", [(SentenceDock, BatchDock), (BatchDock, SentenceDock)])
def test_the_dock_is_a_tab_beside_the_one_for_sentences(
    make_napari_viewer_proxy, kinds: tuple[type, type], qtbot
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    docks = [kind(viewer) for kind in kinds]
    for dock in docks:
        viewer.window.add_dock_widget(dock, name=type(dock).__name__)
    first, second = map(place_of, docks)
    window = first.parentWidget()
    qtbot.waitUntil(lambda: window.tabifiedDockWidgets(first) == [second])
    # The one that was opened last is in view.
    qtbot.waitUntil(lambda: not second.visibleRegion().isEmpty())
    assert first.visibleRegion().isEmpty()


def test_the_panel_fits_into_a_narrow_dock_in_every_state(make_dock, tmp_path: Path, qtbot) -> None:
    folder = batch_by_hand(tmp_path / ("a-night-with-a-long-name-" * 3), 3)
    finish(folder, "0001")
    finish(folder, "0002", "failed", certain=True, cause="It is cut off.")
    folder.runs.take("0003", 1, claim_here("somebody", device="cuda:0", key="key 3"))
    _, batch = make_dock()
    parts = batch.movies.parts

    def fits() -> bool:
        QApplication.processEvents()
        return batch.minimumSizeHint().width() <= 300

    assert fits()
    parts.offer_running(folder.path)
    assert fits()
    batch.movies.open(folder.path)
    wait(qtbot, batch, lambda: states(batch) == ["done", "failed", "running"])
    parts.table.choose("0002")
    assert fits()
    parts.pause_button.click()
    wait(qtbot, batch, lambda: parts.pause_button.text() == "Resume")
    assert fits()
    parts.show_errand(f"Opened {folder.path / 'report.html'}", 0, 0)
    assert fits()


def test_a_folder_that_is_none_is_refused(make_dock, tmp_path: Path, qtbot) -> None:
    _, batch = make_dock()
    batch.movies.open(tmp_path)
    wait(qtbot, batch, lambda: "is no batch folder" in said(batch))


def test_ten_thousand_movies_leave_the_window_alone(make_dock, tmp_path: Path, qtbot) -> None:
    folder = batch_by_hand(tmp_path / "night", 10_000)
    _, batch = make_dock()
    batch.movies.open(folder.path)
    wait(qtbot, batch, lambda: len(states(batch)) == 10_000)
    looks = []
    show = batch.movies.show_seen
    batch.movies.show_seen = lambda seen: (looks.append(len(seen.rows)), show(seen))
    begin = monotonic()
    with Heartbeat() as beat:
        for number in range(1, 6):
            finish(folder, f"{number:04d}")
            rest(0.3)
        wait(qtbot, batch, lambda: states(batch)[:6] == ["done"] * 5 + ["waiting"])
    assert looks
    assert sum(looks) == 5, "only what has changed is handed over"
    assert len(looks) <= (monotonic() - begin) / 0.5 + 1
    assert beat.longest_without({COLLECTION}).frozen_ms < 250


def test_closed_docks_go_and_no_thread_stays(make_dock, tmp_path: Path, qtbot) -> None:
    gone = opened_and_closed(make_dock, batch_by_hand(tmp_path / "night", 3), qtbot)

    def are_gone() -> bool:
        gc.collect()
        ours = [t for t in threading.enumerate() if "sa2va" in t.name]
        return all(ref() is None for ref in gone) and not ours

    qtbot.waitUntil(are_gone, timeout=20_000)


def opened_and_closed(make_dock, folder: BatchFolder, qtbot) -> list[weakref.ref]:
    """Look at a batch in a dock, and close the dock; what must go with it."""
    viewer, batch = make_dock()
    batch.movies.open(folder.path)
    wait(qtbot, batch, lambda: len(states(batch)) == len(folder.units()))
    viewer.window.remove_dock_widget(batch)
    return [weakref.ref(part) for part in (batch, batch.movies, batch.review)]
