"""Stacks of masks in the order of a layer: whole, frame by frame, and on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels

from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.region_box import Box
from napari_sa2va.gui.layer_axes import AxisChoice, Rest, read_axes
from napari_sa2va.gui.placement import Placement, place

T, Z, Y, X = 4, 3, 6, 7
SIZES = {"t": T, "z": Z, "y": Y, "x": X, "c": 2}


def image(labels: str, **options) -> Image:
    shape = [SIZES[letter] for letter in labels]
    data = np.zeros(shape, np.uint8)
    return Image(data, axis_labels=tuple(labels), contrast_limits=(0, 9), **options)


def placed(labels: str, plays: int | None, rests: dict[int, Rest], box: Box | None = None):
    layer = image(labels)
    return place(layer, read_axes(layer), AxisChoice(plays, rests), box)


CASES = [
    ("tyx", 0, {}),
    ("yxt", 2, {}),
    ("xty", 1, {}),
    ("yx", None, {}),
    ("tzyx", 0, {1: "view"}),
    ("tzyx", 0, {1: "max"}),
    ("tzyx", 0, {1: "every"}),
    ("ztyx", 1, {0: "every"}),
    ("zxyt", 3, {0: "every"}),
    ("tzyx", 1, {0: "every"}),
    ("tczyx", 0, {1: "colors", 2: "every"}),
]


def numbered(placement: Placement) -> np.ndarray:
    """A stack in which every pixel has another value."""
    return np.arange(1, placement.stack_length * Y * X + 1).reshape(-1, Y, X)


@pytest.mark.parametrize(("labels", "plays", "rests"), CASES)
def test_a_frame_is_read_and_written_alike_in_numpy_and_on_disk(
    labels: str, plays: int | None, rests: dict[int, Rest], tmp_path: Path
) -> None:
    placement = placed(labels, plays, rests)
    stack = numbered(placement)
    view = placement.view(stack)
    assert np.shares_memory(view, stack)
    assert view.shape == placement.layer_shape(stack.shape)
    stored = zarr.create_array(tmp_path / "a.zarr", shape=view.shape, dtype=stack.dtype)
    assert placement.view(stored) is stored
    for f, plane in enumerate(stack):
        index = placement.plane_index(f)
        np.testing.assert_array_equal(placement.from_layer(view[index]), plane)
        stored[index] = placement.to_layer(plane)
    np.testing.assert_array_equal(stored[:], view)
    np.testing.assert_array_equal(placement.from_layer(stored[placement.plane_index(0)]), stack[0])


@pytest.mark.parametrize(("labels", "plays", "rests"), CASES)
def test_the_frame_in_view_is_found_and_can_be_gone_to(
    labels: str, plays: int | None, rests: dict[int, Rest]
) -> None:
    placement = placed(labels, plays, rests)
    near = [0.25] * len(labels)
    for f in range(placement.stack_length):
        point = placement.point_of(f, near)
        assert placement.frame_of(point) == f
        assert placement.frame_of(placement.point_of(f)) == f
        kept = [v for v, letter in zip(point, placement.dims, strict=True) if letter in "YX1"]
        assert kept == [0.25] * len(kept)


def test_planes_come_one_after_the_other_in_the_stack() -> None:
    placement = placed("tzyx", 0, {1: "every"})
    assert (placement.planes, placement.num_frames, placement.stack_length) == (Z, T, Z * T)
    assert (placement.time_dim, placement.plane_dim) == (0, 1)
    stack = np.zeros((Z * T, Y, X), np.uint8)
    stack[2 * T + 1, 3, 4] = 7  # plane 2 at time 1
    view = placement.view(stack)
    assert view.shape == (T, Z, Y, X)
    assert np.argwhere(view).tolist() == [[1, 2, 3, 4]]
    assert placement.frame_of((1, 2, 0, 0)) == 2 * T + 1


def test_planes_on_their_own_lie_in_their_places() -> None:
    layer = image("tzyx", scale=(1, 3, 0.5, 0.5), translate=(0, 10, 0, 0))
    axes, choice = read_axes(layer), AxisChoice(0, {1: "every"}, (0, 2, 0, 0))
    placement = place(layer, axes, choice)
    labels = Labels(placement.view(np.zeros((Z * T, Y, X), np.uint8)), **placement.transform)
    for point in ((0, 0, 0, 0), (3, 2, 5, 6)):
        np.testing.assert_allclose(labels.data_to_world(point), layer.data_to_world(point))


@pytest.mark.parametrize("point", [(-0.6, 0, 0, 0), (3.6, 0, 0, 0), (0, 2.6, 0, 0), (0, -1, 0, 0)])
def test_there_is_no_frame_beside_the_stack(point: tuple[float, ...]) -> None:
    placement = placed("tzyx", 0, {1: "every"})
    assert placement.frame_of(point) is None
    inside = np.clip(point, 0, (T - 1, Z - 1, 0, 0))
    assert placement.frame_of(inside) is not None


def test_a_frame_that_is_not_there_cannot_be_gone_to() -> None:
    placement = placed("tyx", 0, {})
    for ask in (placement.point_of, placement.plane_index):
        with pytest.raises(RequestError, match="no frame 4 in a stack of 4"):
            ask(T)


def test_a_stack_of_another_length_is_refused() -> None:
    placement = placed("tzyx", 0, {1: "every"})
    with pytest.raises(ShapeMismatch, match="F = 3 planes x 4 frames"):
        placement.view(np.zeros((T, Y, X), np.uint8))
    with pytest.raises(ShapeMismatch):
        placement.layer_shape((Z * T + 1, Y, X))


def test_an_array_on_disk_in_another_order_is_refused() -> None:
    placement = placed("tzyx", 0, {1: "every"})
    for shape in ((Z * T, Y, X), (Z, T, Y, X), (T, Z, 1, Y, X)):
        with pytest.raises(ShapeMismatch, match="has not the layer's dims TZYX"):
            placement.view(zarr.zeros(shape, dtype="uint8"))


def test_masks_of_a_region_lie_over_it() -> None:
    layer = image("tyx", scale=(1, 2.0, 2.0), translate=(0, 5, 9), rotate=20)
    axes, choice = read_axes(layer), AxisChoice(0)
    placement = place(layer, axes, choice, Box(2, 3, 6, 5))
    labels = Labels(placement.view(np.zeros((T, 4, 2), np.uint8)), **placement.transform)
    np.testing.assert_allclose(labels.data_to_world((1, 0, 0)), layer.data_to_world((1, 2, 3)))
    np.testing.assert_allclose(labels.data_to_world((1, 3, 1)), layer.data_to_world((1, 5, 4)))


def test_masks_made_in_one_channel_are_seen_with_all() -> None:
    layer = image("tcyx")
    axes, choice = read_axes(layer), AxisChoice(0, {1: "view"}, (0, 1, 0, 0))
    placement = place(layer, axes, choice)
    labels = Labels(placement.view(np.zeros((T, Y, X), np.uint8)), **placement.transform)
    for channel in range(2):
        at = labels.world_to_data(layer.data_to_world((2, channel, 3, 4)))
        np.testing.assert_array_equal(np.rint(at), (2, 0, 3, 4))
