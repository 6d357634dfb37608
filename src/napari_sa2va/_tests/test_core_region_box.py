"""A region of interest: cut out, pasted back, and what was marked on the whole frame."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.prompt import Point, Prompt
from napari_sa2va.core.region_box import Box, as_box, prompt_inside


def test_a_mask_of_the_crop_is_pasted_where_it_was_cut_out() -> None:
    box = Box(2, 3, 5, 7)
    frame = np.arange(8 * 9).reshape(8, 9)
    part = box.crop(frame)
    assert (box.height, box.width) == part.shape == (3, 4)
    assert part[0, 0] == 2 * 9 + 3
    pasted = box.paste(part > 30, 8, 9)
    inside = np.zeros((8, 9), bool)
    inside[2:5, 3:7] = True
    np.testing.assert_array_equal(pasted, (frame > 30) & inside)
    assert pasted.dtype == bool
    assert box.paste(part.astype(np.uint8), 8, 9).dtype == np.uint8


def test_a_colour_frame_is_cropped_too() -> None:
    assert Box(0, 1, 2, 3).crop(np.zeros((4, 5, 3))).shape == (2, 2, 3)


def test_a_mask_of_another_size_is_not_pasted() -> None:
    with pytest.raises(ShapeMismatch, match=r"\(3, 3\) does not fit a region of 3 × 4 px"):
        Box(2, 3, 5, 7).paste(np.zeros((3, 3), bool), 8, 9)


@pytest.mark.parametrize("numbers", [(0, 0, 0, 4), (4, 0, 2, 4), (-1, 0, 4, 4), (0, 5, 4, 5)])
def test_a_box_without_inside_is_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match="are no region"):
        Box(*numbers)


def test_a_box_that_reaches_over_the_frame_is_refused() -> None:
    with pytest.raises(RequestError, match="reach over the frame of 8 × 6 px"):
        Box(0, 0, 8, 7).check_inside(8, 6)
    Box(0, 0, 8, 6).check_inside(8, 6)


def test_a_box_survives_json() -> None:
    box = Box(1, 2, 30, 40)
    assert Box.from_json(json.loads(json.dumps(box.to_json()))) == box
    assert as_box([1, 2, 30, 40]) == as_box(box) == box


@pytest.mark.parametrize("numbers", [(1, 2, 3), (0.5, 0, 4, 4), (True, 0, 4, 4)])
def test_what_is_not_four_whole_numbers_is_no_box(numbers: tuple[float, ...]) -> None:
    with pytest.raises(RequestError, match="is no region"):
        Box.from_json(numbers)  # type: ignore[arg-type]


def test_a_box_inside_a_box_is_a_box_of_the_frame() -> None:
    assert Box(1, 2, 4, 6).within(Box(10, 20, 30, 40)) == Box(11, 22, 14, 26)


@pytest.mark.parametrize(
    ("corners", "box"),
    [
        # The first pixel reaches from -0.5 to 0.5.
        ([(0.0, 0.0), (19.0, 29.0)], Box(0, 0, 20, 30)),
        ([(9.6, 9.4), (40.4, 40.6)], Box(10, 9, 41, 42)),
        ([(-100, -100), (20.2, 500)], Box(0, 0, 21, 60)),
        # A rectangle that was turned: everything that it touches.
        ([(10, 30), (30, 50), (49, 30), (30, 10)], Box(10, 10, 50, 51)),
    ],
)
def test_a_drawn_rectangle_takes_every_pixel_it_touches(corners: list, box: Box) -> None:
    assert Box.around(np.array(corners, float), 50, 60) == box


def test_a_rectangle_outside_the_image_is_refused() -> None:
    with pytest.raises(RequestError, match="outside the image of 50 × 60 px"):
        Box.around(np.array([(60.0, 0), (90, 30)]), 50, 60)


def test_a_rectangle_that_leaves_too_little_is_refused() -> None:
    with pytest.raises(RequestError, match="has 15 × 40 px"):
        Box.around(np.array([(-20.0, 0), (14, 39)]), 50, 60)
    assert Box.around(np.array([(-20.0, 0), (15, 39)]), 50, 60).height == 16


def test_a_sentence_has_no_place() -> None:
    sentence = Prompt(1, "a", text="the cell")
    assert prompt_inside(sentence, Box(0, 0, 9, 9)) is sentence


def test_points_and_boxes_are_counted_from_the_corner_of_the_region() -> None:
    points = (Point(12, 25), Point(11, 21, positive=False), Point(50, 50, positive=False))
    marked = Prompt(1, "a", frame=3, points=points, box=(8.0, 22.0, 18.0, 90.0))
    moved = prompt_inside(marked, Box(10, 20, 30, 40))
    assert moved.points == (Point(2, 5), Point(1, 1, positive=False))
    assert moved.box == (0.0, 2.0, 8.0, 20.0)
    assert moved.frame == 3


def test_a_mask_is_cut_off_even_if_nothing_is_left() -> None:
    mask = np.zeros((40, 50), bool)
    mask[5:15, 20:30] = True
    inside = prompt_inside(Prompt(1, "a", mask=mask), Box(10, 20, 30, 40)).mask
    assert inside is not None
    assert inside.shape == (20, 20)
    assert inside.sum() == 5 * 10
    empty = prompt_inside(Prompt(1, "a", mask=mask), Box(20, 20, 30, 40)).mask
    assert empty is not None
    assert not empty.any()


def test_a_mask_and_the_points_that_put_it_right_are_cut_together() -> None:
    mask = np.zeros((40, 50), bool)
    mask[5:15, 20:30] = True
    points = (Point(12, 35), Point(5, 5), Point(14, 29, positive=False))
    moved = prompt_inside(Prompt(1, "a", mask=mask, points=points), Box(10, 20, 30, 40))
    assert moved.points == (Point(2, 15), Point(4, 9, positive=False))
    assert moved.mask is not None
    assert (moved.mask.shape, moved.mask.sum()) == ((20, 20), 5 * 10)
    # A negative click is enough, as the mask says where the object is.
    moved = prompt_inside(Prompt(1, "a", mask=mask, points=points[1:]), Box(10, 20, 30, 40))
    assert moved.points == (Point(4, 9, positive=False),)


def test_points_stand_alone_where_nothing_of_their_mask_is_left() -> None:
    mask = np.zeros((40, 50), bool)
    mask[5:9, 20:30] = True
    both = Prompt(1, "cell", mask=mask, points=(Point(15, 25), Point(16, 26, positive=False)))
    moved = prompt_inside(both, Box(10, 20, 30, 40))
    assert moved.mask is None
    assert moved.points == (Point(5, 5), Point(6, 6, positive=False))
    # Where it is not does not say where it is.
    negative = Prompt(1, "cell", mask=mask, points=(Point(16, 26, positive=False),))
    with pytest.raises(RequestError, match="'cell' lies outside the region"):
        prompt_inside(negative, Box(10, 20, 30, 40))


def test_a_click_on_the_edge_of_the_first_pixel_is_inside() -> None:
    moved = prompt_inside(Prompt(1, "a", points=(Point(9.6, 20.2),)), Box(10, 20, 30, 40))
    assert moved.points[0].y == 0.0
    assert moved.points[0].x == pytest.approx(0.2)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(1, "cell", points=(Point(5, 5), Point(15, 25, positive=False))),
        Prompt(1, "cell", points=(Point(5, 5, positive=False),)),
        Prompt(1, "cell", box=(0, 0, 9, 9)),
        Prompt(1, "cell", points=(Point(5, 5),), mask=np.ones((40, 50), bool)),
    ],
)
def test_marks_that_all_lie_outside_are_refused(prompt: Prompt) -> None:
    with pytest.raises(RequestError, match=r"'cell' lies outside the region \(rows 10 to 29"):
        prompt_inside(prompt, Box(10, 20, 30, 40))
