from __future__ import annotations

import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_sa2va.propagation as room
from napari_sa2va.propagation import PROPAGATIONS
from napari_sa2va.propagation.backward import Backward
from napari_sa2va.propagation.both import Both
from napari_sa2va.propagation.forward import Forward
from napari_sa2va.propagation.none import KeyFramesOnly


def visited(passes):
    return [t for sweep in passes for t in sweep.frames]


@st.composite
def cases(draw):
    num_frames = draw(st.integers(1, 60))
    prompted = draw(st.sets(st.integers(0, num_frames - 1), min_size=1))
    return num_frames, sorted(prompted)


@pytest.mark.parametrize("rule", PROPAGATIONS)
@given(case=cases())
def test_every_order_visits_each_frame_once_and_every_prompted_frame(rule, case):
    num_frames, prompted = case
    frames = visited(rule()(num_frames, prompted))
    assert len(set(frames)) == len(frames)
    assert set(prompted) <= set(frames) <= set(range(num_frames))


@pytest.mark.parametrize("rule", PROPAGATIONS)
@given(case=cases())
def test_the_direction_flag_says_which_way_a_pass_goes(rule, case):
    for sweep in rule()(*case):
        assert sweep.reverse == (sweep.frames.step < 0)


def test_every_order_file_is_listed():
    files = {m.name for m in pkgutil.iter_modules(room.__path__)} - {"base"}
    assert files == {rule.__module__.rsplit(".", 1)[-1] for rule in PROPAGATIONS}


def test_the_orders_worked_out_by_hand():
    prompted = [2, 4]
    assert visited(Forward()(6, prompted)) == [2, 3, 4, 5]
    assert visited(Backward()(6, prompted)) == [4, 3, 2, 1, 0]
    assert visited(Both()(6, prompted)) == [2, 3, 4, 5, 1, 0]
    assert visited(KeyFramesOnly()(6, prompted)) == [2, 4]
