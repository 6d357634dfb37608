"""Where other layers lie under the frames of a workspace, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_sa2va._tests.made_workspaces import counted, workspace_on
from napari_sa2va.core.errors import ShapeMismatch
from napari_sa2va.core.region_box import Box
from napari_sa2va.gui.layer_axes import AxisChoice
from napari_sa2va.gui.layer_beside import beside, layers_beside
from napari_sa2va.gui.layer_frames import frames_under, truth_under

T, Y, X = 3, 8, 10
RNG = np.random.default_rng(4)
NUMBERS = RNG.integers(0, 9, (T, Y, X), dtype=np.uint16)


@pytest.fixture
def viewer():
    return ViewerModel()


def movie(viewer, shape=(T, Y, X), **options):
    return viewer.add_image(RNG.integers(1, 200, shape, dtype=np.uint8), name="movie", **options)


def on(viewer, image=None, choice=None, box=None, objects=None):
    return workspace_on(viewer, image or movie(viewer), objects or {}, choice, box=box)


def read_all(frames):
    return np.stack([frames.read(f) for f in range(frames.placement.stack_length)])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_labels_of_the_same_shape_are_read_as_they_are(viewer, dtype):
    truth = truth_under(on(viewer), Labels((NUMBERS > 4).astype(dtype)))
    assert truth.frames == [0, 1, 2]
    np.testing.assert_array_equal(read_all(truth), NUMBERS > 4)


def test_of_labels_on_disk_one_frame_is_read_at_a_time(viewer, tmp_path):
    lazy, read = counted(NUMBERS)
    truth = truth_under(on(viewer), Labels(lazy))
    read.clear()
    np.testing.assert_array_equal(truth.read(2), NUMBERS[2])
    assert read == [2]
    stored = zarr.create_array(tmp_path / "truth.zarr", shape=(T, Y, X), dtype="u2")
    stored[:] = NUMBERS
    np.testing.assert_array_equal(read_all(truth_under(on(viewer), Labels(stored))), NUMBERS)


def test_a_flat_layer_is_the_same_on_every_frame(viewer):
    truth = truth_under(on(viewer), Labels(NUMBERS[1]))
    np.testing.assert_array_equal(read_all(truth), np.stack([NUMBERS[1]] * T))


def test_a_movie_of_labels_is_not_taken_for_a_stack(viewer):
    """One plane of a stack was taken, and the labels have no such axis: their first one is time."""
    image = movie(viewer, (T, 4, Y, X), axis_labels=("t", "z", "y", "x"))
    workspace = on(viewer, image, AxisChoice(0, {1: "view"}, (0, 2, 0, 0)))
    np.testing.assert_array_equal(read_all(truth_under(workspace, Labels(NUMBERS))), NUMBERS)


def test_labels_of_the_whole_stack_are_read_on_the_plane_that_was_taken(viewer):
    image = movie(viewer, (T, 4, Y, X), axis_labels=("t", "z", "y", "x"))
    workspace = on(viewer, image, AxisChoice(0, {1: "view"}, (0, 2, 0, 0)))
    stack = np.zeros((T, 4, Y, X), np.uint16)
    stack[:, 2] = NUMBERS
    np.testing.assert_array_equal(read_all(truth_under(workspace, Labels(stack))), NUMBERS)


def test_planes_that_are_followed_on_their_own_are_read_one_after_the_other(viewer):
    image = movie(viewer, (T, 2, Y, X), axis_labels=("t", "z", "y", "x"))
    workspace = on(viewer, image, AxisChoice(0, {1: "every"}))
    stack = RNG.integers(0, 9, (T, 2, Y, X), dtype=np.uint16)
    truth = truth_under(workspace, Labels(stack))
    np.testing.assert_array_equal(read_all(truth), np.concatenate([stack[:, 0], stack[:, 1]]))


def test_rows_and_columns_may_be_swapped_in_both(viewer):
    image = movie(viewer, (T, X, Y), axis_labels=("t", "x", "y"))
    workspace = on(viewer, image)
    turned = NUMBERS.transpose(0, 2, 1)
    np.testing.assert_array_equal(read_all(truth_under(workspace, Labels(turned))), NUMBERS)


def test_layers_meet_where_they_are_seen(viewer):
    """Labels of half the resolution, at the image's place: every pixel stands for two by two."""
    image = movie(viewer, scale=(1, 0.5, 0.5), translate=(0, 7, 9))
    half = NUMBERS[:, ::2, ::2]
    layer = Labels(half, scale=(1, 1, 1), translate=(0, 7.25, 9.25))
    read = read_all(truth_under(on(viewer, image), layer))
    np.testing.assert_array_equal(read, half.repeat(2, axis=1).repeat(2, axis=2))


def test_pixels_of_twice_the_size_have_even_shares_wherever_they_begin(viewer):
    layer = Labels(np.arange(1, 1 + 5 * 6).reshape(1, 5, 6).repeat(T, 0), scale=(1, 2, 2))
    read = truth_under(on(viewer), layer).read(0)
    # Pixel i is centred on row 2 i: row 1 lies half in pixel 0 and half in 1, row 3 in 1 and 2.
    np.testing.assert_array_equal(read[:, 0], [1, 7, 7, 13, 13, 19, 19, 25])


def test_a_part_of_the_frames_is_compared_with_that_part(viewer):
    workspace = on(viewer, box=Box(2, 3, 7, 9))
    read = read_all(truth_under(workspace, Labels(NUMBERS)))
    np.testing.assert_array_equal(read, NUMBERS[:, 2:7, 3:9])


def test_a_truth_of_some_frames_is_one_for_these(viewer):
    workspace = on(viewer)
    truth = truth_under(workspace, Labels(NUMBERS[1:], translate=(1, 0, 0)))
    assert truth.frames == [1, 2]
    np.testing.assert_array_equal(truth.read(2), NUMBERS[2])


def test_a_layer_without_the_scale_of_the_image_is_refused(viewer):
    workspace = on(viewer, movie(viewer, scale=(1, 0.5, 0.5)))
    with pytest.raises(ShapeMismatch, match="8 × 10 px like 'movie', but lies elsewhere"):
        truth_under(workspace, Labels(NUMBERS))


@pytest.mark.parametrize(
    "layer",
    [
        Labels(NUMBERS[:, :4]),
        Labels(NUMBERS, translate=(9, 0, 0)),
        Labels(np.ones((T, 40, 40), int), translate=(0, 100, 0)),
    ],
)
def test_a_layer_that_does_not_cover_a_frame_is_refused(viewer, layer):
    with pytest.raises(ShapeMismatch, match="does not lie on the frames of 'movie'"):
        truth_under(on(viewer), layer)


def test_an_axis_that_the_masks_have_not_is_read_where_the_slider_stands(viewer):
    workspace = on(viewer)
    stack = np.stack([NUMBERS, NUMBERS + 1, NUMBERS + 2])
    layer = viewer.add_labels(stack)
    viewer.dims.set_point(0, 2)
    np.testing.assert_array_equal(frames_under(workspace, layer).read(0), NUMBERS[0] + 2)


def test_only_layers_that_lie_pixel_on_pixel_are_measured_besides(viewer):
    workspace = on(viewer)
    viewer.add_image(np.zeros((T, Y, X, 3), np.uint8), rgb=True)
    viewer.add_image(np.zeros((T, Y // 2, X // 2)), scale=(1, 2, 2))
    viewer.add_image(np.zeros((T - 1, Y, X)))
    viewer.add_image(np.zeros((T, Y, X)), translate=(0, 1, 0))
    other = viewer.add_image(np.zeros((T, Y, X)), name="GFP")
    larger = viewer.add_image(np.zeros((T, Y + 2, X)), name="larger")
    # The clip's own layer has been measured already.
    assert layers_beside(workspace) == [larger, other]


def test_of_a_layer_with_channels_the_other_ones_can_be_measured(viewer):
    image = movie(viewer, (T, 2, Y, X), axis_labels=("t", "c", "y", "x"))
    image.metadata["channel_names"] = ("DAPI", "GFP")
    workspace = on(viewer, image, AxisChoice(0, {1: "view"}, (0, 0, 0, 0)))
    assert layers_beside(workspace) == [image]
    measured = beside(workspace, image)
    assert measured is not None
    assert measured.channels == (("DAPI", "GFP"),)
    picture = measured.frames.read(1)
    np.testing.assert_array_equal(picture, np.moveaxis(image.data[1], 0, -1))


def test_a_projection_is_measured_as_one():
    viewer = ViewerModel()
    image = movie(viewer, (T, 4, Y, X), axis_labels=("t", "z", "y", "x"))
    other = Image(RNG.integers(0, 99, (T, 4, Y, X)), name="GFP", axis_labels=("t", "z", "y", "x"))
    boxes = [(2, 3, 5, 7)] * T
    workspace = on(viewer, image, AxisChoice(0, {1: "max"}), objects={"cell": boxes})
    measured = beside(workspace, other)
    assert measured is not None
    table = {"index": np.array([1])} | {
        f"bbox_{side}_px": np.array([v])
        for side, v in zip(("y0", "x0", "y1", "x1"), boxes[0], strict=True)
    }
    code = workspace.project.state.cell(1, 1).code
    part = other.data[1, :, 2:5, 3:7]
    for projection, expected in (("max", part.max(0).mean()), ("mean", part.mean())):
        means = measured.means(1, table, {1: code}, projection)
        assert list(means) == ["mean_intensity_GFP"]
        np.testing.assert_allclose(means["mean_intensity_GFP"], [expected])
