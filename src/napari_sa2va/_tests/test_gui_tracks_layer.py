"""The ways of objects as a Tracks layer that lies on the image."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sa2va._tests.made_workspaces import boxed, workspace_on
from napari_sa2va.core import rle
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.palette import color_of
from napari_sa2va.gui.bench import Bench
from napari_sa2va.gui.layer_axes import AxisChoice
from napari_sa2va.gui.measure_panel import MeasurePanel
from napari_sa2va.gui.tracks_layer import show_tracks, tracks_layer_of
from napari_sa2va.project.steps.divide import Divide
from napari_sa2va.project.steps.name import Recolor
from napari_sa2va.project.steps.paint import Paint

T, Y, X = 3, 8, 10
# 2 x 2 px, centred on (0.5, 0.5), (0.5, 3.5), and 1 x 3 px, centred on (6, 1).
MOTHER = [(0, 0, 2, 2), (0, 3, 2, 5), (0, 0, 0, 0)]
DAUGHTER = [None, None, (6, 0, 7, 3)]
OBJECTS = {"mother": MOTHER, "daughter": DAUGHTER}


@pytest.fixture
def viewer():
    return ViewerModel()


def movie(viewer, shape=(T, Y, X), **options):
    pixels = np.zeros(shape, np.uint8)
    pixels[..., 0] = 255
    return viewer.add_image(pixels, name="movie", **options)


def test_tracks_are_the_centroids_of_objects_with_their_names(viewer):
    image = movie(viewer, scale=(2, 0.5, 0.5), units=("s", "um", "um"))
    tracks = show_tracks(workspace_on(viewer, image, OBJECTS))
    np.testing.assert_array_equal(tracks.data, [[1, 0, 0.5, 0.5], [1, 1, 0.5, 3.5], [2, 2, 6, 1]])
    features = tracks.features
    assert features["name"].tolist() == ["mother", "mother", "daughter"]
    assert features["object"].tolist() == features["track_id"].tolist() == [1, 1, 2]
    assert features["area_px"].tolist() == [4, 4, 3]
    assert features["area_um2"].tolist() == [1, 1, 0.75]
    assert tracks.name == "movie – tracks"


def test_tracks_lie_where_the_image_lies(viewer):
    options = {"scale": (2, 0.5, 0.25), "translate": (0, 7, 9), "rotate": 10}
    image = movie(viewer, **options)
    tracks = show_tracks(workspace_on(viewer, image, OBJECTS))
    np.testing.assert_allclose(tracks.data_to_world((1, 3, 4)), image.data_to_world((1, 3, 4)))


def test_a_division_is_a_link_from_the_daughter_to_its_parent(viewer):
    workspace = workspace_on(viewer, movie(viewer), OBJECTS)
    workspace.do(Divide(parent=1, daughters=(2,)))
    assert show_tracks(workspace).graph == {2: [1]}


def test_tracks_have_the_colours_of_the_objects_whatever_they_are_coloured_by(viewer):
    workspace = workspace_on(viewer, movie(viewer), OBJECTS)
    workspace.do(Recolor(object_id=2, color=(255, 0, 102)))
    tracks = show_tracks(workspace)
    expected = np.array([color_of(1), color_of(1), (255, 0, 102)]) / 255
    for by in ("track_id", "object", "name"):
        tracks.color_by = by
        np.testing.assert_allclose(tracks.track_colors[:, :3], expected, atol=1e-6)


def test_asked_again_the_same_layer_is_brought_up_to_date(viewer):
    workspace = workspace_on(viewer, movie(viewer), OBJECTS)
    workspace.do(Divide(parent=1, daughters=(2,)))
    tracks = show_tracks(workspace)
    tracks.name, tracks.color_by, tracks.tail_length = "ways", "area_px", 5
    workspace.do(Paint(frame=1, masks={1: rle.encode(boxed((Y, X), (4, 4, 5, 5)))}))
    assert show_tracks(workspace) is tracks
    np.testing.assert_array_equal(tracks.data, [[1, 0, 0.5, 0.5], [1, 1, 4, 4], [2, 2, 6, 1]])
    assert tracks.features["area_px"].tolist() == [4, 1, 3]
    assert (tracks.name, tracks.color_by, tracks.tail_length) == ("ways", "area_px", 5)
    assert tracks.graph == {2: [1]}
    viewer.layers.remove(tracks)
    assert tracks_layer_of(workspace) is None
    assert show_tracks(workspace) is not tracks


def test_an_object_on_several_planes_has_one_way_through_the_volume(viewer):
    image = movie(viewer, (T, 2, Y, X), axis_labels=("t", "z", "y", "x"), scale=(1, 3, 1, 1))
    # On frame 0, 4 px on plane 0 and 2 px at (0, 1) and (1, 1) on plane 1.
    boxes = [*MOTHER, (0, 1, 2, 2), (0, 0, 0, 0), (0, 0, 0, 0)]
    workspace = workspace_on(viewer, image, {"mother": boxes}, AxisChoice(0, {1: "every"}))
    tracks = show_tracks(workspace)
    np.testing.assert_allclose(tracks.data, [[1, 0, 1 / 3, 0.5, 2 / 3], [1, 1, 0, 0.5, 3.5]])
    assert tracks.features["area_px_all_planes"].tolist() == [6, 4]
    np.testing.assert_allclose(
        tracks.data_to_world((1, 1, 2, 2)), image.data_to_world((1, 1, 2, 2))
    )


def test_of_a_plane_that_was_taken_the_tracks_lie_on_it(viewer):
    image = movie(viewer, (T, 5, Y, X), axis_labels=("t", "z", "y", "x"), scale=(1, 3, 1, 1))
    workspace = workspace_on(viewer, image, OBJECTS, AxisChoice(0, {1: "view"}, (0, 2, 0, 0)))
    tracks = show_tracks(workspace)
    np.testing.assert_allclose(tracks.data_to_world(tracks.data[0, 1:]), (0, 2 * 3, 0.5, 0.5))


def test_channels_before_time_are_left_out(viewer):
    """Of napari's tracks, the first axis is time."""
    image = movie(
        viewer, (2, T, Y, X), axis_labels=("c", "t", "y", "x"), scale=(1, 2, 0.5, 0.5),
        translate=(0, 0, 7, 9), units=("pixel", "s", "um", "um"),
    )  # fmt: skip
    tracks = show_tracks(workspace_on(viewer, image, OBJECTS))
    assert tracks.data.shape == (3, 4)
    np.testing.assert_allclose(
        tracks.data_to_world((1, 3, 4)), image.data_to_world((0, 1, 3, 4))[1:]
    )
    assert tuple(str(unit) for unit in tracks.units) == ("second", "micrometer", "micrometer")


@pytest.mark.parametrize(
    ("shape", "labels", "choice", "message"),
    [
        ((Y, X), ("y", "x"), AxisChoice(None), "'movie' does not play"),
        ((Y, X, T), ("y", "x", "t"), AxisChoice(2), "comes after its rows"),
        (
            (T, 2, 2, Y, X),
            ("t", "c", "z", "y", "x"),
            AxisChoice(0, {1: "view", 2: "view"}),
            "5 axes",
        ),
    ],
)
def test_what_napari_cannot_show_as_tracks_is_refused(viewer, shape, labels, choice, message):
    workspace = workspace_on(viewer, movie(viewer, shape, axis_labels=labels), {}, choice)
    with pytest.raises(RequestError, match=message):
        show_tracks(workspace)


def test_tracks_are_never_made_of_no_rows(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    workspace = workspace_on(viewer, movie(viewer), {"ghost": [(0, 0, 0, 0)] * T})
    bench = Bench(viewer)
    bench.take(workspace)
    panel = MeasurePanel(bench)
    viewer.window.add_dock_widget(panel)
    panel.tracks_button.click()
    assert panel.message.text().startswith("There is no mask to make tracks of.")
    assert tracks_layer_of(workspace) is None


def test_the_button_makes_the_layer_and_the_masks_stay_active(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    workspace = workspace_on(viewer, movie(viewer), OBJECTS)
    bench = Bench(viewer)
    bench.take(workspace)
    panel = MeasurePanel(bench)
    viewer.window.add_dock_widget(panel)
    viewer.layers.selection.active = workspace.layer
    panel.tracks_button.click()
    assert tracks_layer_of(workspace).data.shape == (3, 4)
    assert viewer.layers.selection.active == workspace.layer
    assert panel.tracks_button.text() == "Update tracks layer"
