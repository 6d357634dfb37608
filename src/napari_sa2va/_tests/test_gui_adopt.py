"""Labels layers that were there before: taken over once, empty or on disk, and not if they change."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_sa2va._tests.fakes import FakeModel
from napari_sa2va._tests.test_gui_correct import end_of_job
from napari_sa2va._tests.test_gui_dock import WAIT_MS, colour_movie, run_to_end, square
from napari_sa2va.core import rle
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.adopt import Adoption
from napari_sa2va.gui.dock import SentenceDock
from napari_sa2va.gui.request import messages_of
from napari_sa2va.gui.workspace import workspace_of
from napari_sa2va.project.steps.given import Given
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.review import Review
from napari_sa2va.project.steps.spans import Span


@pytest.fixture
def dock_on_movie(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(colour_movie(), rgb=True, name="movie")
    dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    dock.panel.follow_box.setChecked(False)
    yield viewer, dock
    dock.controller.stop()


def read(adoption: Adoption) -> Given:
    *_, step = adoption.read(CancelToken())
    assert isinstance(step, Given)
    return step


def test_masks_of_a_run_go_straight_into_an_array_on_disk(dock_on_movie, tmp_path: Path, qtbot):
    viewer, dock = dock_on_movie
    store = zarr.create_array(
        store=str(tmp_path / "masks.zarr"), shape=(6, 16, 20), chunks=(1, 16, 20), dtype="uint8"
    )
    layer = viewer.add_labels(store, name="masks")
    dock.correct.adopt_button.click()
    qtbot.waitUntil(lambda: workspace_of(layer) is not None, timeout=WAIT_MS)
    dock.sentences.setPlainText("the red square")
    dock.finder.into.setCurrentIndex(1)
    run_to_end(dock, qtbot)
    assert dock.panel.message.text() == ""
    kept = zarr.open_array(str(tmp_path / "masks.zarr"), mode="r")
    np.testing.assert_array_equal(kept[:] == 1, square(0))
    layer.selected_label = 1
    viewer.dims.set_current_step(0, 2)
    layer.paint((2, 12, 12), 1)
    workspace = workspace_of(layer)
    qtbot.waitUntil(lambda: workspace.project.state.mask(1, 2)[12, 12], timeout=WAIT_MS)
    workspace.undo()
    workspace.undo()
    assert not kept[:].any()
    # A label that the array cannot hold is said, and the project stays as it was.
    code = rle.encode(square(1)[2])
    dock.correct._try(lambda c: c.workspace.do(Paint(frame=2, masks={300: code})))
    assert "labels up to 255" in dock.panel.message.text()
    assert 300 not in workspace.project.state.cards


def test_a_layer_is_taken_over_once(dock_on_movie):
    viewer, _ = dock_on_movie
    layer = viewer.add_labels(square(0).astype(np.uint8), name="masks")
    one, two = Adoption(viewer, layer, None), Adoption(viewer, layer, None)
    first, second = read(one), read(two)
    workspace = one.finish(first)
    assert two.finish(second) is workspace
    assert len(workspace.project.steps) == 1


@pytest.mark.parametrize("change", ["paint", "data", "remove"])
def test_a_layer_that_changes_while_it_is_read_is_not_taken_over(dock_on_movie, change: str):
    viewer, _ = dock_on_movie
    layer = viewer.add_labels(square(0).astype(np.uint8), name="masks")
    adoption = Adoption(viewer, layer, None)
    step = read(adoption)
    if change == "paint":
        layer.paint((0, 8, 8), 3)
    elif change == "data":
        layer.data = layer.data.astype(np.uint16)
    else:
        viewer.layers.remove(layer)
    with pytest.raises(RequestError, match="was changed while it was read"):
        adoption.finish(step)
    assert workspace_of(layer) is None


def test_a_layer_that_is_write_protected_is_not_taken_over(dock_on_movie):
    viewer, dock = dock_on_movie
    data = square(0).astype(np.uint8)
    data.flags.writeable = False
    viewer.add_labels(data, name="masks")
    dock.correct.adopt_button.adopt()
    assert "cannot be written to" in dock.panel.message.text()


def test_objects_are_added_only_to_masks_that_were_looked_for_in_the_same_way(
    make_napari_viewer_proxy, qtbot
):
    viewer = make_napari_viewer_proxy()
    stack = np.random.default_rng(1).integers(0, 200, (6, 3, 16, 20)).astype(np.uint8)
    image = viewer.add_image(stack, name="stack")
    image.axis_labels = ("t", "z", "y", "x")
    dock = SentenceDock(viewer, partial(messages_of, model=FakeModel()))
    viewer.window.add_dock_widget(dock, name="Segment by sentence")
    dock.sentences.setPlainText("the red one")
    viewer.dims.set_current_step(1, 0)
    run_to_end(dock, qtbot)
    dock.finder.offer_masks()
    assert dock.finder.into.count() == 2
    dock.finder.into.setCurrentIndex(1)
    dock.bench.workspace.do(Review(span=Span.of(0)))
    assert dock.finder.into.currentIndex() == 1, "what was chosen stays"
    viewer.dims.set_current_step(1, 2)
    dock.finder.offer_masks()
    assert dock.finder.into.count() == 1, "these are masks of another plane"
    viewer.dims.set_current_step(1, 0)
    image.contrast_limits = (10, 90)
    dock.finder.offer_masks()
    assert dock.finder.into.count() == 1, "the model would see other pictures"
    end_of_job(dock, qtbot)
