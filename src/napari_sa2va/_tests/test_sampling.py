from __future__ import annotations

import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_sa2va.sampling as room
from napari_sa2va.core.errors import RequestError
from napari_sa2va.sampling import SAMPLINGS
from napari_sa2va.sampling.first import First
from napari_sa2va.sampling.interval import Interval
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.sampling.uniform import Uniform
from napari_sa2va.sampling.window import Window


@pytest.mark.parametrize("rule", SAMPLINGS)
@given(num_frames=st.integers(1, 300))
def test_every_rule_gives_sorted_unique_frames_inside_the_clip(rule, num_frames):
    key_frames = rule()(num_frames)
    frames = key_frames.frames
    assert frames
    assert list(frames) == sorted(set(frames))
    assert frames[0] >= 0
    assert frames[-1] < num_frames
    assert key_frames.reason


def test_every_rule_file_is_listed():
    files = {m.name for m in pkgutil.iter_modules(room.__path__)} - {"base"}
    assert files == {rule.__module__.rsplit(".", 1)[-1] for rule in SAMPLINGS}


def test_kinds_tell_the_rules_apart():
    kinds = [rule.model_fields["kind"].default for rule in SAMPLINGS]
    assert len(set(kinds)) == len(kinds)


def test_first_takes_the_first_frames_or_all_of_a_short_clip():
    assert First(num_key_frames=5)(20).frames == (0, 1, 2, 3, 4)
    assert First(num_key_frames=5)(3).frames == (0, 1, 2)


def test_interval_three_is_long_interleaved_inference():
    # Frames 1, 4, 7, 10, 13 counted from 1.
    assert Interval()(20).frames == (0, 3, 6, 9, 12)
    assert Interval()(8).frames == (0, 3, 6, 7)


def test_interval_takes_the_last_frame_for_its_tail_but_not_for_its_start():
    assert Interval(start=9)(10).frames == (9,)
    with pytest.raises(RequestError, match="frame 50, but the clip has frames 0 to 9"):
        Interval(start=50)(10)
    with pytest.raises(RequestError, match="frame 10,"):
        Interval(start=10)(10)


@pytest.mark.parametrize(
    ("num_frames", "count", "expected"),
    [
        (20, 5, (0, 4, 9, 14, 19)),
        (100, 5, (0, 24, 49, 74, 99)),
        (7, 5, (0, 1, 3, 4, 6)),
        (3, 5, (0, 1, 2)),
        (1, 5, (0,)),
        (10, 12, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)),
    ],
)
def test_uniform_truncates_as_sa2va_i_does(num_frames, count, expected):
    assert Uniform(num_key_frames=count)(num_frames).frames == expected


def test_uniform_keeps_the_float_that_falls_below_a_whole_number():
    # The twelfth of 23 frames out of 31 is 11 * 30 / 22 = 15, but 11 * (30 / 22) is 14.999...
    assert 14 in Uniform(num_key_frames=23)(31).frames
    assert 15 not in Uniform(num_key_frames=23)(31).frames


def test_window_stays_inside_its_part():
    assert Window(num_key_frames=3, start=10, stop=20)(100).frames == (10, 15, 20)
    assert Window(num_key_frames=2, start=10)(100).frames == (10, 99)
    with pytest.raises(RequestError, match="does not fit"):
        Window(start=10, stop=20)(15)


def test_manual_takes_what_it_is_told_or_says_what_is_outside():
    assert Manual(frames=(7, 2, 2))(10).frames == (2, 7)
    with pytest.raises(RequestError, match=r"\[10\]"):
        Manual(frames=(2, 10))(10)
