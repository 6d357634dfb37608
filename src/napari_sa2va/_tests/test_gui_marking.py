"""Clicks in a real viewer: for which object they count, where they are allowed, and when they wait."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.test_gui_correct import end_of_job, masks, stage
from napari_sa2va._tests.test_gui_dock import WAIT_MS, Stepper, colour_movie, square
from napari_sa2va.core import rle
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.request import messages_of
from napari_sa2va.project.steps.click import Click
from napari_sa2va.project.steps.paint import Paint

__all__ = ["stage"]

GREEN, BLUE = (2, 7.0, 3.0), (2, 12.0, 3.0)


def clicks(workspace) -> list[Click]:
    return [step for step in workspace.project.steps if isinstance(step, Click)]


def test_clicks_on_one_object_do_not_count_for_the_next(stage, qtbot) -> None:
    viewer, dock, workspace = stage
    workspace.select(1)
    dock.correct.on_button.click()
    points = viewer.layers.selection.active
    points.add(np.array([GREEN]))
    end_of_job(dock, qtbot)
    workspace.select(2)
    points.add(np.array([BLUE]))
    end_of_job(dock, qtbot)
    first, second = clicks(workspace)
    assert (first.object_id, second.object_id) == (1, 2)
    assert second.points == ((12.0, 3.0, True),)
    # And those on an object that is clicked first for the third time count from there.
    workspace.select(1)
    points.add(np.array([GREEN]))
    end_of_job(dock, qtbot)
    assert clicks(workspace)[-1].points == ((7.0, 3.0, True),)


def test_a_new_object_begins_without_the_clicks_of_the_one_before(
    stage, qtbot, monkeypatch
) -> None:
    viewer, dock, workspace = stage
    workspace.select(1)
    dock.correct.on_button.click()
    points = viewer.layers.selection.active
    points.add(np.array([BLUE]))
    end_of_job(dock, qtbot)
    monkeypatch.setattr(
        "napari_sa2va.gui.correct_panel.QInputDialog.getText", lambda *a: ("the green one", True)
    )
    dock.correct._add_marked("on")
    points.add(np.array([GREEN]))
    end_of_job(dock, qtbot)
    points.add(np.array([(2, 8.0, 3.0)]))
    end_of_job(dock, qtbot)
    *_, new, more = clicks(workspace)
    assert new.name == "the green one"
    assert new.points == ((7.0, 3.0, True),)
    assert (more.object_id, more.name) == (new.object_id, "")
    assert more.points == ((7.0, 3.0, True), (8.0, 3.0, True))


def test_a_click_on_the_outermost_half_pixel_counts_and_one_outside_does_not(stage, qtbot) -> None:
    viewer, dock, workspace = stage
    workspace.select(1)
    dock.correct.on_button.click()
    points = viewer.layers.selection.active
    points.add(np.array([(2, -3.0, 3.0)]))
    points.add(np.array([(2, 7.0, 25.0)]))
    assert clicks(workspace) == []
    points.add(np.array([(2, 6.0, -0.4)]))
    end_of_job(dock, qtbot)
    assert clicks(workspace)[0].points == ((6.0, 0.0, True),)
    dock.correct.off_button.click()
    points.add(np.array([(2, 15.4, 19.4)]))
    end_of_job(dock, qtbot)
    assert clicks(workspace)[1].points[1] == (15.0, 19.0, False)


@pytest.fixture
def waiting(make_napari_viewer_proxy, qtbot):
    """Masks of two objects, and a carry of the first that is held up."""
    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True, name="movie")
    source = Stepper(partial(messages_of, model=FakeModel()))
    dock = SentenceDock(viewer, source)
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    dock.panel.follow_box.setChecked(False)
    dock.sentences.setPlainText("the red square\nthe blue square")
    source.release(6)
    dock.run()
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=WAIT_MS)
    workspace = dock.bench.workspace
    viewer.dims.set_current_step(0, 2)
    workspace.select(1)
    source.entered.clear()
    dock.correct.forward_button.click()
    qtbot.waitUntil(source.entered.is_set, timeout=WAIT_MS)
    yield viewer, dock, workspace, source
    source.release(50)
    dock.controller.stop()


def let_go(dock, source, workspace, qtbot, count: int) -> None:
    source.release(50)
    qtbot.waitUntil(
        lambda: len(clicks(workspace)) == count and not dock.controller.running, timeout=WAIT_MS
    )


def test_a_click_that_waits_is_for_the_object_that_was_selected_then(waiting, qtbot) -> None:
    viewer, dock, workspace, source = waiting
    workspace.select(2)
    dock.correct.on_button.click()
    viewer.layers.selection.active.add(np.array([GREEN]))
    workspace.select(1)
    let_go(dock, source, workspace, qtbot, 1)
    assert clicks(workspace)[0].object_id == 2
    np.testing.assert_array_equal(masks(workspace, 2)[2], square(1)[2])


def test_clicks_on_a_new_object_that_waits_go_together(waiting, qtbot, monkeypatch) -> None:
    viewer, dock, workspace, source = waiting
    monkeypatch.setattr(
        "napari_sa2va.gui.correct_panel.QInputDialog.getText", lambda *a: ("new", True)
    )
    dock.correct._add_marked("on")
    points = viewer.layers.selection.active
    points.add(np.array([GREEN]))
    points.add(np.array([(2, 8.0, 3.0)]))
    let_go(dock, source, workspace, qtbot, 1)
    (click,) = clicks(workspace)
    assert (click.object_id, click.name) == (3, "new")
    assert click.points == ((7.0, 3.0, True), (8.0, 3.0, True))
    assert workspace.selected == 3


def test_a_click_that_waits_goes_with_the_masks_that_it_is_on(waiting, qtbot) -> None:
    viewer, dock, workspace, source = waiting
    dock.correct.on_button.click()
    viewer.layers.selection.active.add(np.array([GREEN]))
    dock.correct._take_workspace(None)
    source.release(50)
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=WAIT_MS)
    qtbot.wait(50)
    assert clicks(workspace) == []
    assert dock.panel.message.text() == ""


def test_undo_while_a_click_waits_is_refused_and_the_click_comes(waiting, qtbot) -> None:
    viewer, dock, workspace, source = waiting
    dock.correct.on_button.click()
    viewer.layers.selection.active.add(np.array([GREEN]))
    dock.correct.undo()
    assert "on its way" in dock.panel.message.text()
    let_go(dock, source, workspace, qtbot, 1)
    workspace.undo()
    workspace.undo()
    np.testing.assert_array_equal(masks(workspace, 1), square(0))


def test_an_error_that_nobody_foresaw_is_said_in_the_dock(stage, qtbot) -> None:
    _, dock, workspace = stage

    def fail(*args: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    workspace.history_changed.connect(fail)
    workspace.select(1)
    dock.correct.absent()
    assert "nobody foresaw this" in dock.panel.message.text()
    dock.panel.message.hide()
    workspace.layer.paint((2, 0, 0), 1)
    qtbot.waitUntil(lambda: "foresaw" in dock.panel.message.text(), timeout=WAIT_MS)


def test_a_region_is_that_of_the_run_which_found_the_object(stage) -> None:
    from napari_sa2va._tests.test_project_jobs import ask, drive

    _, dock, workspace = stage
    project = workspace.project
    drive(project, ask("the green one", first_id=3, region=(4, 0, 12, 20)))
    corrector = dock.correct.corrector()
    assert corrector._region([3], [2]) == (4, 0, 12, 20)
    assert corrector._region([1], [2]) is None
    assert corrector._region([1, 3], [2]) is None
    assert corrector._region([], [2], points=[(6.0, 3.0, True)]) == (4, 0, 12, 20)
    project.do(Paint(frame=2, masks={3: rle.encode(square(0)[2])}))
    assert corrector._region([3], [2]) is None


@pytest.mark.parametrize("kind", ["turned", "x before y", "axes of length 1", "a picture"])
def test_marks_and_paint_lie_right_on_layers_of_every_kind(
    kind: str, make_napari_viewer_proxy, qtbot
) -> None:
    viewer = make_napari_viewer_proxy()
    random = np.random.default_rng(3)
    movie = random.integers(0, 250, (3, 16, 20)).astype(np.uint8)
    letters, data, more = ("t", "y", "x"), movie, {}
    if kind == "turned":
        more = {"rotate": 30, "scale": (2, 0.5, 0.5), "translate": (4, 7, -3)}
    elif kind == "x before y":
        letters, data = ("t", "x", "y"), movie.transpose(0, 2, 1)
    elif kind == "axes of length 1":
        letters, data = ("t", "z", "y", "x"), movie[:, None]
    else:
        letters, data = ("y", "x"), movie[0]
    image = viewer.add_image(data, name="movie", **more)
    image.axis_labels = letters
    dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    dock.panel.follow_box.setChecked(False)
    dock.sentences.setPlainText("the red one")
    dock.run()
    end_of_job(dock, qtbot)
    workspace = dock.bench.workspace
    place = workspace.view.placement
    frame = 0 if kind == "a picture" else 1
    workspace.go_to(frame)
    assert workspace.frame_in_view == frame
    at = {"T": frame, "Y": 5, "X": 11, "1": 0}
    point = [at[letter] for letter in place.dims]
    dock.correct.on_button.click()
    viewer.layers.selection.active.add(np.array([point], float))
    end_of_job(dock, qtbot)
    (click,) = clicks(workspace)
    assert (click.frame, click.points) == (frame, ((5.0, 11.0, True),))
    # On the canvas, masks lie on their image: the same data point is at the same place.
    np.testing.assert_allclose(
        workspace.layer.data_to_world(point)[-2:], image.data_to_world(point)[-2:]
    )
    dock.correct.paint()
    workspace.layer.brush_size = 1
    workspace.layer.paint(point, 9)
    qtbot.waitUntil(lambda: 9 in workspace.project.state.cards, timeout=WAIT_MS)
    mask = workspace.project.state.mask(9, frame)
    assert mask[5, 11]
    assert mask.sum() == 1
    dock.controller.stop()
