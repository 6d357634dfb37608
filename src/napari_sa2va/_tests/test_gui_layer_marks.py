"""Regions in layers, on the frame that is asked about."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels, Points, Shapes

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.region_box import Box
from napari_sa2va.gui.layer_axes import AxisChoice, read_axes
from napari_sa2va.gui.layer_marks import marks_in

T, Y, X = 5, 30, 40


def marks(layer, frame=2, scale=(1, 1, 1), translate=(0, 0, 0)):
    image = Image(np.zeros((T, Y, X)), scale=scale, translate=translate)
    return marks_in(layer, image, read_axes(image), AxisChoice(plays=0), frame)


def test_every_label_on_the_frame_is_a_mask():
    data = np.zeros((T, Y, X), np.uint8)
    data[2, :10, :10], data[2, 20:, 20:], data[3] = 4, 9, 1
    first, second = marks(Labels(data))
    np.testing.assert_array_equal(first.mask, data[2] == 4)
    np.testing.assert_array_equal(second.mask, data[2] == 9)
    assert (first.object_id, second.object_id, first.frame) == (1, 2, 2)


def test_a_flat_layer_lies_in_every_frame():
    data = np.zeros((Y, X), np.uint8)
    data[5:9, 6:12] = 1
    (mark,) = marks(Labels(data), frame=4)
    np.testing.assert_array_equal(mark.mask, data == 1)


def test_layers_meet_in_the_world():
    """Labels of half the resolution, over an image that has a scale and lies elsewhere."""
    data = np.zeros((T, Y // 2, X // 2), np.uint8)
    data[2, 5, 6] = 1
    layer = Labels(data, scale=(1, 4, 4), translate=(0, 101, 51))
    (mark,) = marks(layer, scale=(1, 2, 2), translate=(0, 100, 50))
    assert sorted(map(tuple, np.argwhere(mark.mask).tolist())) == [
        (10, 12), (10, 13), (11, 12), (11, 13)
    ]  # fmt: skip


def test_closed_shapes_are_filled_in():
    box = np.array([[2, 5, 5], [2, 5, 14], [2, 12, 14], [2, 12, 5]], float)
    elsewhere = box + np.array([1, 0, 0])
    layer = Shapes([box, box, elsewhere, box[:2]],
                   shape_type=["rectangle", "ellipse", "rectangle", "line"])  # fmt: skip
    rectangle, ellipse = marks(layer)
    assert rectangle.mask.sum() == 8 * 10
    assert rectangle.mask[5:13, 5:15].all()
    assert 0.6 < ellipse.mask.sum() / rectangle.mask.sum() < 0.95
    assert ellipse.mask[8, 10]
    assert not ellipse.mask[5, 5]


def test_points_are_clicks_on_one_object():
    layer = Points(np.array([[2, 5, 6], [2, 7, 8], [4, 1, 1]], float))
    (mark,) = marks(layer)
    assert [(p.y, p.x) for p in mark.points] == [(5, 6), (7, 8)]


@pytest.mark.parametrize(
    "layer",
    [Labels(np.zeros((T, Y, X), np.uint8)), Points(np.array([[4.0, 1, 1]])), Shapes(ndim=3)],
)
def test_a_layer_that_marks_nothing_there_is_refused(layer):
    with pytest.raises(RequestError, match="marks nothing on frame 2"):
        marks(layer)


def test_marks_on_another_plane_are_not_in_view():
    image = Image(np.zeros((T, 6, Y, X)), axis_labels=("t", "z", "y", "x"))
    choice = AxisChoice(0, {1: "view"}, (2, 4, 0, 0))

    def found(layer):
        return marks_in(layer, image, read_axes(image), choice, 2)

    (clicked,) = found(Points(np.array([[2, 4, 8, 8], [2, 0, 3, 3.0]]), ndim=4))
    assert [(p.y, p.x) for p in clicked.points] == [(8, 8)]
    box = np.array([[2, 4, 1, 1], [2, 4, 1, 9], [2, 4, 9, 9], [2, 4, 9, 1]], float)
    below = box - np.array([0, 4, 0, 0])
    assert len(found(Shapes([box, below], shape_type="polygon", ndim=4))) == 1
    volume = Labels(np.zeros((6, Y, X), np.uint8))  # has no time: it lies in every frame
    volume.data[4, 3:9, 3:9], volume.data[0] = 1, 2
    (mask,) = found(volume)
    assert mask.mask.sum() == 36
    flat = Points(np.array([[8, 8.0]]))
    assert len(found(flat)) == 1


def test_of_a_part_of_the_frame_only_what_lies_inside_is_marked():
    data = np.zeros((T, Y, X), np.uint8)
    data[2, :4, :4], data[2, 18:22, 19:30] = 1, 2
    image = Image(np.zeros((T, Y, X)))
    choice, box = AxisChoice(plays=0), Box(10, 15, 30, 25)

    def found(layer):
        return marks_in(layer, image, read_axes(image), choice, 2, box)

    (mark,) = found(Labels(data))
    assert (mark.object_id, mark.name, mark.frame) == (1, "region1", 2)
    np.testing.assert_array_equal(mark.mask, data[2, 10:30, 15:25] == 2)
    (clicked,) = found(Points(np.array([[2, 11, 16], [2, 5, 5.0]])))
    assert [(p.y, p.x) for p in clicked.points] == [(1, 1)]
    data[2, 10:] = 0
    with pytest.raises(RequestError, match="lies outside the region"):
        found(Labels(data))
