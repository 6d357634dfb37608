"""The layer of masks: painted at once where somebody looks, drawn now and then, and always right."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.palette import color_of
from napari_sa2va.gui import labels_view
from napari_sa2va.gui.labels_view import LabelsView
from napari_sa2va.gui.placement import Placement

WAIT_MS = 120_000
NUM_FRAMES, SIZE = 12, (16, 20)
COLORS = {1: color_of(1), 2: color_of(2)}


def plane(label: int) -> np.ndarray:
    """A label image of one label everywhere."""
    return np.full(SIZE, label, np.uint16, order="F")


@pytest.fixture
def view(make_napari_viewer_proxy) -> LabelsView:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((NUM_FRAMES, *SIZE), np.uint8))
    viewer.dims.set_current_step(0, 0)
    made = LabelsView(viewer, Placement("TYX", NUM_FRAMES), (NUM_FRAMES, *SIZE))
    made.open("masks", COLORS)
    viewer.dims.set_current_step(0, 0)
    return made


@pytest.fixture
def one_frame_at_a_time(monkeypatch):
    """As if a frame took all the time that there is at a time."""
    monkeypatch.setattr(labels_view, "_AT_A_TIME_PX", 1)
    monkeypatch.setattr(labels_view, "_AT_A_TIME_S", 0.0)


def painted(view: LabelsView) -> list[int]:
    """The label of the corner of each frame, as it is in the layer."""
    return [int(v) for v in view.layer.data[:, 0, 0]]


def drawn(view: LabelsView) -> list[int]:
    """The label of the corner of the frame in view, each time that napari draws it, from now on."""
    seen: list[int] = []
    view.layer.events.set_data.connect(lambda event: seen.append(painted(view)[view.frame_in_view]))
    return seen


def test_a_few_small_frames_are_painted_at_once(view) -> None:
    view.show_all(range(NUM_FRAMES), plane_of=lambda f: plane(f + 1))
    assert painted(view) == [f + 1 for f in range(NUM_FRAMES)]


def test_of_many_frames_the_one_in_view_is_painted_first_and_the_rest_in_a_moment(
    view, one_frame_at_a_time, qtbot
) -> None:
    view.viewer.dims.set_current_step(0, 5)
    view.show_all(range(NUM_FRAMES), plane_of=lambda f: plane(f + 1))
    assert painted(view) == [0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0]
    qtbot.waitUntil(lambda: all(painted(view)), timeout=WAIT_MS)
    assert painted(view) == [f + 1 for f in range(NUM_FRAMES)]


def test_whoever_moves_the_slider_sees_no_frame_that_is_out_of_date(
    view, one_frame_at_a_time
) -> None:
    seen = drawn(view)
    view.show_all(range(NUM_FRAMES), plane_of=lambda f: plane(f + 1))
    view.viewer.dims.set_current_step(0, 7)
    assert painted(view)[7] == 8
    assert seen[-1] == 8
    assert painted(view)[8] == 0


def test_a_frame_that_is_read_is_painted_before(view, one_frame_at_a_time) -> None:
    view.show_all(range(NUM_FRAMES), plane_of=lambda f: plane(f + 1))
    assert painted(view)[9] == 0
    assert view.read(9)[0, 0] == 10


def test_what_is_painted_late_is_what_is_so_then(view, one_frame_at_a_time, qtbot) -> None:
    labels = dict.fromkeys(range(NUM_FRAMES), 1)
    view.show_all(range(NUM_FRAMES), plane_of=lambda f: plane(labels[f]))
    labels[11] = 2
    view.show(10, plane(3))
    qtbot.waitUntil(lambda: all(painted(view)), timeout=WAIT_MS)
    assert painted(view)[9:] == [1, 3, 2]


def test_a_layer_that_is_removed_is_not_painted_on_any_more(
    view, one_frame_at_a_time, qtbot
) -> None:
    view.show_all(range(NUM_FRAMES), plane_of=lambda f: plane(f + 1))
    layer = view.layer
    view.viewer.layers.remove(layer)
    qtbot.wait(1)
    assert 0 in layer.data[:, 0, 0]
    with pytest.raises(OutputError, match="was removed"):
        view.show(0, plane(1))


def test_a_burst_of_frames_is_drawn_a_few_times_and_ends_right(view, qtbot) -> None:
    seen = drawn(view)
    for label in range(1, 101):
        view.show(0, plane(label))
    qtbot.waitUntil(lambda: 100 in seen, timeout=WAIT_MS)
    assert len(seen) < 10


def test_colours_that_are_set_already_are_not_set_again(view) -> None:
    changes: list[object] = []
    view.layer.events.colormap.connect(changes.append)
    view.recolor(COLORS)
    assert changes == []
    view.recolor(COLORS | {2: (1, 2, 3)})
    assert changes
    np.testing.assert_allclose(np.ravel(view.layer.colormap.map(2))[:3] * 255, (1, 2, 3), atol=0.1)


def test_labels_beyond_255_find_room(make_napari_viewer_proxy) -> None:
    viewer = make_napari_viewer_proxy()
    view = LabelsView(viewer, Placement("TYX", NUM_FRAMES), (NUM_FRAMES, *SIZE))
    view.open("masks", {})
    view.show(0, plane(1))
    view.show(1, plane(300))
    assert painted(view)[:2] == [1, 300]


def test_a_view_knows_the_frame_in_view_before_it_has_a_layer(make_napari_viewer_proxy) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(np.zeros((NUM_FRAMES, *SIZE), np.uint8), scale=(2, 1, 1), translate=(6, 0, 0))
    place = Placement("TYX", NUM_FRAMES, transform={"scale": (2, 1, 1), "translate": (6, 0, 0)})
    view = LabelsView(viewer, place, (NUM_FRAMES, *SIZE))
    viewer.dims.set_point(0, 14.0)
    assert view.frame_in_view == 4
    view.open("masks", COLORS)
    assert view.frame_in_view == 4
    assert len(viewer.layers) == 2
