"""Outlines run along pixel edges, and enclose exactly the pixels of their masks."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from skimage.draw import polygon2mask

from napari_sa2va.analysis.outlines import joined, outlines_of
from napari_sa2va.core import rle


def outline(*rows: str) -> list[np.ndarray]:
    mask = np.array([[c == "#" for c in row] for row in rows])
    [rings] = outlines_of([rle.encode(mask)], *mask.shape)
    return rings


def filled(ring: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre lies in a polygon, by scikit-image, which puts centres at whole numbers."""
    return polygon2mask(shape, ring - 0.5)


def ring_area(ring: np.ndarray) -> int:
    """Area in px² that a ring goes around: negative if not clockwise, as around a hole."""
    y, x = ring.T
    return int(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) // 2


def test_a_pixel_has_four_corners_clockwise() -> None:
    [ring] = outline("...", ".#.", "...")
    assert ring.tolist() == [[2, 1], [1, 1], [1, 2], [2, 2]]
    assert ring_area(ring) == 1


def test_a_straight_edge_has_no_corners_on_its_way() -> None:
    [ring] = outline("###", "###")
    assert ring.tolist() == [[2, 0], [0, 0], [0, 3], [2, 3]]


def test_a_hole_is_a_ring_that_runs_the_other_way() -> None:
    rings = outline("###", "#.#", "###")
    assert sorted(map(ring_area, rings)) == [-1, 9]


@pytest.mark.parametrize("rows", [("#.", ".#"), (".#", "#.")])
def test_pixels_that_touch_at_a_corner_are_two_parts(rows: tuple[str, str]) -> None:
    assert [ring_area(ring) for ring in outline(*rows)] == [1, 1]


@pytest.mark.parametrize(
    "rows", [("####", "#.##", "##.#", "####"), ("####", "##.#", "#.##", "####")]
)
def test_holes_that_touch_at_a_corner_are_one(rows: tuple[str, ...]) -> None:
    """Inside is joined by edges, so outside is joined by corners: the hole is one ring."""
    assert sorted(map(ring_area, outline(*rows))) == [-2, 16]


def test_masks_without_a_pixel_have_no_ring() -> None:
    assert outlines_of([], 3, 3) == []
    assert outlines_of([rle.empty(3, 3), rle.empty(3, 3)], 3, 3) == [[], []]


def test_a_run_that_is_cut_in_two_makes_no_difference() -> None:
    whole = {"size": [4, 2], "counts": np.array([1, 3, 4], np.uint32)}
    cut = {"size": [4, 2], "counts": np.array([1, 1, 0, 2, 4], np.uint32)}
    expected, found = outlines_of([whole, cut], 4, 2)
    np.testing.assert_array_equal(found, expected)


def test_a_ring_alone_is_the_polygon_and_two_are_joined_at_their_nearest_corners() -> None:
    near, far = outline("#...", "...#")
    assert joined([near]).tolist() == near.tolist()
    # (y, x): from (1, 1) of the first to (1, 3) of the second, around it, and back
    assert near.tolist() == [[1, 0], [0, 0], [0, 1], [1, 1]]
    assert joined([near, far]).tolist() == [
        [1, 0], [0, 0], [0, 1], [1, 1], [1, 3], [1, 4], [2, 4], [2, 3], [1, 3], [1, 1],
    ]  # fmt: skip


masks = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))


@settings(max_examples=300, deadline=None)
@given(masks)
def test_any_mask_comes_back_from_its_rings_and_from_one_polygon(mask: np.ndarray) -> None:
    [rings] = outlines_of([rle.encode(mask)], *mask.shape)
    assert sum(map(ring_area, rings)) == mask.sum()
    winding = np.zeros(mask.shape, int)
    for ring in rings:
        # Corners alternate between the two directions: none lies on a straight edge.
        steps = np.roll(ring, -1, axis=0) - ring
        assert ((steps == 0).sum(axis=1) == 1).all()
        assert ((steps[:, 0] == 0) != (np.roll(steps, -1, axis=0)[:, 0] == 0)).all()
        winding += np.sign(ring_area(ring)) * filled(ring, mask.shape)
    np.testing.assert_array_equal(winding, mask)
    parts, holes = ndimage.label(mask)[1], ndimage.label(np.pad(~mask, 1, constant_values=True),
                                                          np.ones((3, 3)))[1] - 1  # fmt: skip
    assert [sum(ring_area(r) > 0 for r in rings), len(rings)] == [parts, parts + holes]
    if rings:
        one = joined(rings)
        assert ring_area(one) == mask.sum()
        np.testing.assert_array_equal(filled(one, mask.shape), mask)


def test_thousands_of_specks_are_joined_in_seconds() -> None:
    mask = np.random.default_rng(0).random((300, 300)) > 0.7
    [rings] = outlines_of([rle.encode(mask)], *mask.shape)
    assert len(rings) > 5000
    start = perf_counter()
    one = joined(rings)
    assert perf_counter() - start < 10
    assert ring_area(one) == mask.sum()


@settings(max_examples=50, deadline=None)
@given(st.lists(arrays.arrays(bool, (5, 7)), max_size=6))
def test_many_masks_are_traced_as_one_after_the_other(many: list[np.ndarray]) -> None:
    codes = [rle.encode(mask) for mask in many]
    together = outlines_of(codes, 5, 7)
    for code, rings in zip(codes, together, strict=True):
        [alone] = outlines_of([code], 5, 7)
        assert [r.tolist() for r in rings] == [r.tolist() for r in alone]
