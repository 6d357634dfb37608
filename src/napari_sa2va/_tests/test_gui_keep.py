"""Projects in a real viewer: saved, opened again in another one, and copied as command and script."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from qtpy.QtWidgets import QApplication

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.test_gui_correct import end_of_job, masks
from napari_sa2va._tests.test_gui_dock import WAIT_MS, colour_movie, run_to_end, square
from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.keeper import show_project
from napari_sa2va.gui.request import messages_of
from napari_sa2va.project import Project
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.name import Rename
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.spans import Span
from napari_sa2va.readers.open import open_clip


@pytest.fixture
def make_dock(make_napari_viewer_proxy):
    """Make a viewer with a dock in it."""
    made = []

    def make() -> tuple:
        viewer = make_napari_viewer_proxy()
        dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
        viewer.window.add_dock_widget(dock, name="Segment by sentence")
        dock.panel.follow_box.setChecked(False)
        made.append(dock)
        return viewer, dock

    yield make
    for dock in made:
        dock.controller.stop()


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, colour_movie(), photometric="rgb")
    return path


def corrected(viewer, dock, movie: Path, qtbot) -> None:
    """Run, paint, lock, rename."""
    viewer.open(movie, plugin="napari", rgb=True, name="movie", scale=(1, 2, 2))
    dock.sentences.setPlainText("the red square\nthe blue square")
    run_to_end(dock, qtbot)
    workspace = dock.bench.workspace
    workspace.do(Paint(frame=2, masks={1: rle.encode(square(1)[2])}))
    workspace.do(Lock(object_ids=(2,), span=Span(first=0, last=3)))
    workspace.do(Rename(object_id=1, name="mother"))
    workspace.go_to(3)
    workspace.select(2)


def finish(dock, qtbot) -> None:
    qtbot.waitUntil(lambda: dock.keep._work is None, timeout=WAIT_MS)


@pytest.mark.parametrize("is_open", [True, False], ids=["image there", "image not there"])
def test_a_project_opens_again_with_everything(is_open, make_dock, movie, tmp_path, qtbot) -> None:
    viewer, dock = make_dock()
    corrected(viewer, dock, movie, qtbot)
    saved = dock.bench.workspace
    dock.settings.preset.setCurrentText("sa2va")
    dock.keep.save_to(tmp_path / "cells")
    finish(dock, qtbot)
    assert dock.panel.message.text() == ""
    assert "cells" in dock.keep.place.text()

    again, other = make_dock()
    if is_open:
        again.open(movie, plugin="napari", rgb=True, name="another name", scale=(1, 2, 2))
    other.keep.open_from(tmp_path / "cells")
    finish(other, qtbot)
    assert other.panel.message.text() == ""
    workspace = other.bench.workspace
    for object_id in (1, 2):
        np.testing.assert_array_equal(masks(workspace, object_id), masks(saved, object_id))
    np.testing.assert_array_equal(workspace.layer.data, saved.layer.data)
    np.testing.assert_allclose(workspace.layer.scale, (1, 2, 2))
    assert workspace.project.state.card(1).name == "mother"
    assert workspace.project.state.frames_where(2, locked=True) == [0, 1, 2, 3]
    assert workspace.frame_in_view == 3
    assert workspace.selected == 2
    assert other.sentences.toPlainText() == "the red square\nthe blue square"
    assert other.settings.preset.currentText() == "sa2va"
    images = [layer for layer in again.layers if isinstance(layer, Image)]
    assert len(images) == 1
    np.testing.assert_array_equal(np.asarray(images[0].data), colour_movie())
    # Undo reaches back over the save, and the network can go on.
    workspace.undo()
    assert workspace.project.state.card(1).name == "the red square"
    workspace.select(1)
    workspace.go_to(2)
    other.correct.forward_button.click()
    end_of_job(other, qtbot)
    np.testing.assert_array_equal(masks(workspace, 1)[2:], square(1)[2:])


def test_a_layer_without_a_file_is_kept_with_its_pixels(make_dock, tmp_path, qtbot) -> None:
    viewer, dock = make_dock()
    viewer.add_image(colour_movie(), rgb=True, name="made here")
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    dock.keep.save_to(tmp_path / "kept")
    finish(dock, qtbot)
    assert dock.panel.message.text() == ""
    again, other = make_dock()
    other.keep.open_from(tmp_path / "kept")
    finish(other, qtbot)
    image = next(layer for layer in again.layers if isinstance(layer, Image))
    np.testing.assert_array_equal(np.asarray(image.data), colour_movie())
    np.testing.assert_array_equal(masks(other.bench.workspace, 1), square(0))


def test_a_clip_of_many_coloured_channels_is_shown_as_it_was_seen(
    make_napari_viewer_proxy,
) -> None:
    rng = np.random.default_rng(0)
    clip = open_clip(
        rng.integers(0, 255, (3, 4, 16, 20), np.uint8),
        axes="TCYX",
        colors=["red", "green", "blue", "#808080"],
    )
    viewer = make_napari_viewer_proxy()
    show_project(viewer, Project.of(clip), {})
    image = viewer.layers[0]
    assert isinstance(image, Image)
    assert image.rgb
    for t in range(3):
        np.testing.assert_array_equal(np.asarray(image.data[t]), clip.rgb(t))


def test_what_cannot_be_opened_or_saved_is_said(make_dock, movie, tmp_path, qtbot) -> None:
    viewer, dock = make_dock()
    dock.keep.save_to(tmp_path / "nothing")
    assert "no masks to keep" in dock.panel.message.text()
    dock.keep.open_from(tmp_path)
    finish(dock, qtbot)
    assert str(tmp_path) in dock.panel.message.text()
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)
    corrected(viewer, dock, movie, qtbot)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("years of work", encoding="utf-8")
    dock.keep.save_to(tmp_path / "taken")
    assert "taken" in dock.panel.message.text()
    assert (tmp_path / "taken" / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_nothing_is_changed_while_it_is_being_saved(make_dock, movie, qtbot) -> None:
    viewer, dock = make_dock()
    corrected(viewer, dock, movie, qtbot)
    workspace = dock.bench.workspace
    workspace.is_being_saved = True
    with pytest.raises(RequestError, match="being saved"):
        workspace.do(Rename(object_id=1, name="x"))
    with pytest.raises(RequestError, match="being saved"):
        workspace.undo()


def test_what_was_done_is_copied_as_a_command_and_as_a_script(make_dock, movie, qtbot) -> None:
    viewer, dock = make_dock()
    viewer.open(movie, plugin="napari", rgb=True, name="movie")
    dock.sentences.setPlainText("the red square")
    run_to_end(dock, qtbot)
    dock.keep.command_button.click()
    command = QApplication.clipboard().text()
    assert command.startswith("napari-sa2va segment ")
    assert str(movie) in command
    assert "the red square" in command
    dock.keep.python_button.click()
    script = QApplication.clipboard().text()
    compile(script, "script.py", "exec")
    assert "the red square" in script
    assert "was copied" in dock.panel.message.text()
    titles = [dock.keep.steps.item(row).text() for row in range(dock.keep.steps.count())]
    assert titles == ["Find 'the red square'"]


def test_what_failed_to_be_saved_can_be_worked_on_whatever_is_worked_on_now(
    make_dock, movie, tmp_path, qtbot
) -> None:
    viewer, dock = make_dock()
    corrected(viewer, dock, movie, qtbot)
    workspace = dock.bench.workspace
    begun = dock.keep._start

    def start_elsewhere(task, words, saved=None) -> None:
        def failing():
            raise OSError("the disk is gone")

        begun(failing, words, saved)
        dock.keep._take_workspace(None)  # as if other masks had been chosen

    dock.keep._start = start_elsewhere
    dock.keep.save_to(tmp_path / "new")
    finish(dock, qtbot)
    assert not workspace.is_being_saved
    workspace.do(Rename(object_id=1, name="x"))


def test_masks_that_are_being_saved_are_not_saved_twice_at_once(
    make_dock, movie, tmp_path, qtbot
) -> None:
    viewer, dock = make_dock()
    corrected(viewer, dock, movie, qtbot)
    dock.bench.workspace.is_being_saved = True
    dock.keep.save_to(tmp_path / "new")
    assert "being saved" in dock.panel.message.text()
    assert dock.keep._work is None
    assert not (tmp_path / "new").exists()


def test_the_object_that_is_seen_where_two_overlap_is_the_same_after_opening(
    make_dock, movie, tmp_path, qtbot
) -> None:
    viewer, dock = make_dock()
    viewer.open(movie, plugin="napari", rgb=True, name="movie")
    settings = dock.settings.value()
    output = settings.output.model_copy(update={"overlap": "first"})
    dock.settings.set_value(settings.model_copy(update={"output": output}))
    dock.sentences.setPlainText("the red square\nthe blue square")
    run_to_end(dock, qtbot)
    workspace = dock.bench.workspace
    workspace.do(Paint(frame=2, masks={2: rle.encode(square(0)[2])}))
    assert (workspace.layer.data[2] == 1).sum() == 16
    dock.keep.save_to(tmp_path / "kept")
    finish(dock, qtbot)
    _, other_dock = make_dock()
    other_dock.keep.open_from(tmp_path / "kept")
    finish(other_dock, qtbot)
    assert (other_dock.bench.workspace.layer.data[2] == 1).sum() == 16
