"""Planes in any order come out by depth and moment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sa2va.readers.dicom.grid import NoGrid, arrange_planes


@given(
    num_times=st.integers(1, 5),
    num_depths=st.integers(1, 6),
    step_mm=st.floats(0.01, 100),
    first_mm=st.floats(-1000, 1000),
    data=st.data(),
)
def test_a_full_grid_comes_out_whatever_the_order(
    num_times: int, num_depths: int, step_mm: float, first_mm: float, data: st.DataObject
) -> None:
    places = [(t, z) for t in range(num_times) for z in range(num_depths)]
    order = data.draw(st.permutations(places))
    grid = arrange_planes(
        [first_mm + z * step_mm for _, z in order], [{"time": 10.0 * t} for t, _ in order]
    )
    assert [[order[i] for i in row] for row in grid.order] == [
        [(t, z) for z in range(num_depths)] for t in range(num_times)
    ]
    assert grid.notes == ()
    if num_depths > 1:
        assert grid.z_step_mm == pytest.approx(step_mm, rel=1e-6)


@given(
    missing=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=6),
    seed=st.integers(0, 1000),
)
def test_only_complete_moments_are_taken_and_every_plane_is_accounted_for(
    missing: set[tuple[int, int]], seed: int
) -> None:
    there = [(t, z) for t in range(5) for z in range(4) if (t, z) not in missing]
    np.random.default_rng(seed).shuffle(there)
    there = [(int(t), int(z)) for t, z in there]
    levels = sorted({z for _, z in there})
    whole = [t for t in range(5) if all((t, z) in there for z in levels)]
    depths = [2.0 * z for _, z in there]
    moments = [{"time": float(t)} for t, _ in there]
    if not whole:
        with pytest.raises(NoGrid):
            arrange_planes(depths, moments, shared=["time"])
        return
    grid = arrange_planes(depths, moments, shared=["time"])
    assert [[there[i] for i in row] for row in grid.order] == [
        [(t, z) for z in levels] for t in whole
    ]
    lost = len(there) - len(levels) * len(whole)
    told = [note for note in grid.notes if "left out" in note]
    assert [f"their {lost} planes" in note for note in told] == [True] * bool(lost)


def test_times_may_differ_from_depth_to_depth() -> None:
    moments = [{"time": t} for t in (0.0, 0.1, 5.0, 5.1)]
    assert arrange_planes([0.0, 1.0, 0.0, 1.0], moments).order.tolist() == [[0, 1], [2, 3]]
    with pytest.raises(NoGrid):
        arrange_planes([0.0, 1.0, 0.0, 1.0], moments, shared=["time"])


def test_what_is_believed_first_tells_all_planes_apart() -> None:
    moments = [
        {"index": 1.0, "time": 3.0},
        {"index": 1.0, "time": 2.0},
        {"index": 1.0, "time": 1.0},
    ]
    grid = arrange_planes([0.0] * 3, moments)
    assert grid.ordered_by == "time"
    assert grid.order.tolist() == [[2], [1], [0]]


def test_noise_of_a_position_is_no_depth() -> None:
    grid = arrange_planes([5.0, 5.0004, 0.0, 0.0003], [{"t": float(i)} for i in range(4)])
    assert grid.order.tolist() == [[2, 0], [3, 1]]


def test_planes_without_a_place_are_moments() -> None:
    grid = arrange_planes([1.0, None], [{}, {}])
    assert grid.order.tolist() == [[0], [1]]
    assert grid.z_step_mm is None
