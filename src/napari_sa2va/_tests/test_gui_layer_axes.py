"""Axes of layers in plain words, and masks that lie where the image lies."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels

from napari_sa2va.core.clip import Clip, make_clip
from napari_sa2va.core.errors import AxesError
from napari_sa2va.gui.layer_axes import AxisChoice, first_choice, read_axes
from napari_sa2va.gui.layer_clip import clip_arguments, to_recording
from napari_sa2va.gui.layer_words import describe_layer
from napari_sa2va.gui.placement import place


def layer_of(shape: tuple[int, ...], **options) -> Image:
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    return Image(data, **options)


def clip_of(layer: Image, choice: AxisChoice) -> Clip:
    axes = read_axes(layer)
    return make_clip(to_recording(layer, axes, choice), **clip_arguments(layer, axes, choice))


def guess(layer: Image, view: tuple[int, ...] = ()) -> AxisChoice:
    return first_choice(read_axes(layer), view)


def test_a_plain_stack_plays_along_its_first_axis() -> None:
    layer = layer_of((5, 8, 9))
    choice = guess(layer)
    assert choice.plays == 0
    clip = clip_of(layer, choice)
    assert clip.frames.shape == (5, 8, 9)
    np.testing.assert_array_equal(clip.frame(3), layer.data[3])


def test_a_layer_is_described_in_plain_words() -> None:
    movie = np.zeros((30, 24, 32, 3), np.uint8)
    layer = Image(movie, rgb=True, scale=(0.033, 500, 500), units=("s", "um", "um"))
    words = describe_layer(layer, read_axes(layer), guess(layer))
    assert words == "30 frames of 24 × 32 px, RGB. 500 µm per px, 33 ms per frame."
    picture = layer_of((24, 32))
    words = describe_layer(picture, read_axes(picture), guess(picture))
    assert words == "One picture of 24 × 32 px, grey (uint16)."


@pytest.mark.parametrize(
    ("labels", "plays"),
    [
        (("t", "z", "y", "x"), 0),
        (("z", "t", "y", "x"), 1),
        (("z", "c", "y", "x"), 0),
        (("c", "z", "y", "x"), 1),
        (("time", "", "row", "column"), 0),
        (("position", "z", "y", "x"), 0),
        (None, 0),
    ],
)
def test_time_plays_before_unnamed_axes_and_those_before_z(labels, plays) -> None:
    options = {"axis_labels": labels} if labels else {}
    assert guess(layer_of((4, 3, 6, 7), **options)).plays == plays


def test_channels_do_not_play_by_themselves() -> None:
    layer = layer_of((2, 6, 7), axis_labels=("c", "y", "x"))
    choice = guess(layer)
    assert choice.plays is None
    assert choice.rests == {0: "colors"}
    clip = clip_of(layer, choice)
    assert clip.frames.shape == (1, 6, 7, 2)


def test_the_plane_in_view_is_taken_of_an_axis_that_does_not_play() -> None:
    layer = layer_of((4, 3, 6, 7), axis_labels=("t", "z", "y", "x"))
    choice = guess(layer, view=(0, 2, 0, 0))
    assert choice.rests == {1: "view"}
    clip = clip_of(layer, choice)
    np.testing.assert_array_equal(clip.frame(1), layer.data[1, 2])
    first = clip_of(layer, AxisChoice(0, {1: "view"}, (0, 0, 0, 0)))
    assert not np.array_equal(first.frame(1), clip.frame(1))


@pytest.mark.parametrize(("how", "fold"), [("max", np.max), ("mean", np.mean)])
def test_an_axis_can_be_projected(how, fold) -> None:
    layer = layer_of((4, 3, 6, 7), axis_labels=("t", "z", "y", "x"))
    clip = clip_of(layer, AxisChoice(0, {1: how}))
    np.testing.assert_array_equal(clip.frame(2), fold(layer.data[2], axis=0))


def test_any_axis_can_play_whatever_it_is_called() -> None:
    layer = layer_of((4, 3, 6, 7), axis_labels=("t", "z", "y", "x"))
    clip = clip_of(layer, AxisChoice(1, {0: "view"}, (3, 0, 0, 0)))
    np.testing.assert_array_equal(clip.frame(1), layer.data[3, 1])
    nothing = clip_of(layer, AxisChoice(None, {0: "view", 1: "max"}, (3, 0, 0, 0)))
    assert nothing.num_frames == 1
    np.testing.assert_array_equal(nothing.frame(0), layer.data[3].max(axis=0))


def test_five_axes_are_no_trouble() -> None:
    layer = layer_of((2, 4, 3, 6, 7), axis_labels=("position", "t", "z", "y", "x"))
    clip = clip_of(layer, AxisChoice(1, {0: "view", 2: "max"}, (1, 0, 0, 0, 0)))
    np.testing.assert_array_equal(clip.frame(2), layer.data[1, 2].max(axis=0))


def test_two_projections_at_once_are_refused() -> None:
    layer = layer_of((2, 4, 3, 6, 7), axis_labels=("position", "t", "z", "y", "x"))
    with pytest.raises(AxesError, match="position and z cannot both"):
        clip_of(layer, AxisChoice(1, {0: "max", 2: "max"}))


def test_the_contrast_limits_on_show_become_those_of_the_clip() -> None:
    layer = layer_of((5, 8, 9))
    layer.contrast_limits = (40, 240)
    clip = clip_of(layer, guess(layer))
    assert clip.limits == ((40.0, 240.0),)
    layer.contrast_limits = (0, 300)
    assert clip_of(layer, guess(layer)).limits == ((0.0, 300.0),)


def test_a_dask_layer_is_read_frame_by_frame() -> None:
    reads = []

    def read(block, block_id=None):
        reads.append(block_id)
        return block

    movie = da.from_array(
        np.random.default_rng(0).integers(0, 99, (40, 3, 8, 9)), chunks=(1, 1, 8, 9)
    )
    layer = Image(movie.map_blocks(read, dtype=movie.dtype), axis_labels=("t", "z", "y", "x"))
    layer.contrast_limits = (0, 99)
    reads.clear()
    axes, choice = read_axes(layer), guess(layer, view=(0, 1, 0, 0))
    describe_layer(layer, axes, choice)
    recording = to_recording(layer, axes, choice)
    assert reads == [], "describing and choosing read no pixel"
    clip = make_clip(recording, **clip_arguments(layer, axes, choice))
    reads.clear()
    clip.frame(17)
    assert {block[:2] for block in reads} == {(17, 1)}


def test_a_zarr_layer_is_not_read_when_it_is_chosen(tmp_path: Path) -> None:
    store = zarr.create_array(
        store=str(tmp_path / "a.zarr"), shape=(6, 2, 8, 9), chunks=(1, 1, 8, 9), dtype="uint8"
    )
    store[:] = np.arange(6 * 2 * 8 * 9).reshape(6, 2, 8, 9) % 251
    layer = Image(store, axis_labels=("t", "z", "y", "x"), contrast_limits=(0, 250))
    clip = clip_of(layer, guess(layer, view=(0, 1, 0, 0)))
    np.testing.assert_array_equal(clip.frame(4), store[4, 1])


TRANSFORM = {
    "scale": (2.0, 0.5, 0.5),
    "translate": (3.0, 10.0, 20.0),
    "rotate": 30.0,
    "shear": (0.0, 0.0, 0.2),
    "affine": np.array([[1, 0, 0, 5], [0, 1, 0.1, 6], [0, 0, 1, 7], [0, 0, 0, 1]], float),
}


def masks_layer(layer: Image, choice: AxisChoice, num_frames: int) -> Labels:
    axes = read_axes(layer)
    placement = place(layer, axes, choice)
    stack = np.zeros((num_frames, axes.shape[axes.y], axes.shape[axes.x]), np.uint8)
    return Labels(placement.view(stack), **placement.transform)


def test_masks_take_the_whole_transform_of_the_image() -> None:
    layer = layer_of((5, 8, 9), units=("s", "um", "um"), axis_labels=("t", "y", "x"), **TRANSFORM)
    labels = masks_layer(layer, guess(layer), 5)
    assert labels.data.shape == (5, 8, 9)
    assert labels.units == layer.units
    assert labels.axis_labels == layer.axis_labels
    for point in ((0, 0, 0), (4, 7, 2)):
        np.testing.assert_allclose(labels.data_to_world(point), layer.data_to_world(point))
    plain = Labels(np.zeros((5, 8, 9), np.uint8))
    assert not np.allclose(plain.data_to_world((4, 7, 2)), layer.data_to_world((4, 7, 2)))


def test_the_colour_axis_of_rgb_is_dropped() -> None:
    layer = Image(np.zeros((5, 8, 9, 3), np.uint8), rgb=True, scale=(1, 2, 3))
    labels = masks_layer(layer, guess(layer), 5)
    assert labels.data.shape == (5, 8, 9)
    np.testing.assert_allclose(labels.scale, (1, 2, 3))


def test_masks_of_one_plane_lie_in_that_plane() -> None:
    layer = layer_of((4, 6, 8, 9), axis_labels=("t", "z", "y", "x"), scale=(1, 3, 0.5, 0.5))
    labels = masks_layer(layer, guess(layer, view=(0, 4, 0, 0)), 4)
    assert labels.data.shape == (4, 1, 8, 9)
    np.testing.assert_allclose(
        labels.data_to_world((2, 0, 5, 6)), layer.data_to_world((2, 4, 5, 6))
    )


def test_masks_of_a_projection_fill_the_whole_stack() -> None:
    layer = layer_of((4, 6, 8, 9), axis_labels=("t", "z", "y", "x"), scale=(1, 3, 0.5, 0.5))
    labels = masks_layer(layer, AxisChoice(0, {1: "max"}), 4)
    for z in range(6):
        world = layer.data_to_world((2, z, 5, 6))
        at = np.round(labels.world_to_data(world)).astype(int)
        np.testing.assert_array_equal(at, (2, 0, 5, 6))


def test_a_plane_of_a_tilted_stack_still_lies_in_place() -> None:
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    layer = layer_of((6, 8, 9), axis_labels=("z", "y", "x"), scale=(3, 0.5, 0.5), rotate=rotation)
    labels = masks_layer(layer, AxisChoice(None, {0: "view"}, (4, 0, 0)), 1)
    assert labels.data.shape == (1, 8, 9)
    np.testing.assert_allclose(labels.data_to_world((0, 3, 2)), layer.data_to_world((4, 3, 2)))


def test_writing_to_the_stack_shows_in_the_layer_whatever_its_order() -> None:
    layer = layer_of((8, 9, 5), axis_labels=("y", "x", "t"))
    axes = read_axes(layer)
    choice = first_choice(axes)
    assert choice.plays == 2
    stack = np.zeros((5, 8, 9), np.uint8)
    view = place(layer, axes, choice).view(stack)
    stack[3, 2, 1] = 7
    assert view.shape == (8, 9, 5)
    assert view[2, 1, 3] == 7
