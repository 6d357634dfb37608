from __future__ import annotations

import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_sa2va.propagation as room
from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.prompt import Point, Prompt, PromptSet
from napari_sa2va.pipeline.events import FrameMasks
from napari_sa2va.pipeline.run import run
from napari_sa2va.presets import preset
from napari_sa2va.propagation import PROPAGATIONS
from napari_sa2va.propagation.backward import Backward
from napari_sa2va.propagation.both import Both
from napari_sa2va.propagation.forward import Forward
from napari_sa2va.propagation.none import KeyFramesOnly
from napari_sa2va.propagation.range import Range
from napari_sa2va.sampling.manual import Manual


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
    assert visited(Range()(6, prompted)) == [2, 3, 4, 5, 1, 0]
    assert visited(KeyFramesOnly()(6, prompted)) == [2, 4]


@pytest.mark.parametrize(
    ("prompted", "direction", "frames"),
    [
        ([5], "both", [5, 6, 7, 4, 3]),
        ([1, 5, 6, 9], "both", [5, 6, 7, 4, 3]),
        ([3, 7], "both", [3, 4, 5, 6, 7]),
        ([0, 2], "both", [3, 4, 5, 6, 7]),
        ([8, 9], "both", [7, 6, 5, 4, 3]),
        ([1, 8], "both", [3, 4, 5, 6, 7]),
        ([4, 6], "forward", [4, 5, 6, 7]),
        ([8], "forward", [3, 4, 5, 6, 7]),
        ([4, 6], "backward", [6, 5, 4, 3]),
        ([1], "backward", [7, 6, 5, 4, 3]),
    ],
)
def test_a_range_worked_out_by_hand(prompted, direction, frames):
    assert visited(Range(first_frame=3, last_frame=7, direction=direction)(10, prompted)) == frames


@given(case=cases(), ends=st.tuples(st.integers(0, 59), st.integers(0, 59)))
def test_a_range_visits_its_frames_and_no_other_whatever_is_prompted(case, ends):
    num_frames, prompted = case
    first, last = sorted(t % num_frames for t in ends)
    for direction in ("both", "forward", "backward"):
        rule = Range(first_frame=first, last_frame=last, direction=direction)
        frames = visited(rule(num_frames, prompted))
        inside = {t for t in prompted if first <= t <= last}
        assert len(set(frames)) == len(frames)
        assert inside <= set(frames) <= set(range(first, last + 1))
        if direction == "both" or not inside:
            assert set(frames) == set(range(first, last + 1))
        for sweep in rule(num_frames, prompted):
            assert sweep.reverse == (sweep.frames.step < 0)


@pytest.mark.parametrize(
    ("start", "direction", "frames"),
    [
        (3, "both", [3, 4, 5, 6, 7]),
        (5, "both", [5, 6, 7, 4, 3]),
        (4, "forward", [4, 5, 6, 7]),
        (6, "backward", [6, 5, 4, 3]),
        (7, "backward", [7, 6, 5, 4, 3]),
    ],
)
@pytest.mark.parametrize("prompted", [[0], [5], [4, 6], [9]])
def test_a_range_begins_where_it_is_told_whatever_is_prompted(start, direction, frames, prompted):
    rule = Range(first_frame=3, last_frame=7, direction=direction, start_frame=start)
    assert visited(rule(10, prompted)) == frames


@pytest.mark.parametrize("start", [2, 8])
def test_a_range_does_not_begin_outside_of_itself(start):
    with pytest.raises(RequestError, match=rf"at frame {start}, outside .* from frame 3 to 7"):
        Range(first_frame=3, last_frame=7, start_frame=start)(10, [5])


@pytest.mark.parametrize(("first", "last"), [(4, 3), (0, 6), (6, -1)])
def test_a_range_that_does_not_fit_the_clip_is_refused(first, last):
    shown = 5 if last == -1 else last
    with pytest.raises(RequestError, match=rf"from frame {first} to {shown} .* frames 0 to 5"):
        Range(first_frame=first, last_frame=last)(6, [2])


def key_frames_only(prompts):
    """Frames that get masks, and the tracker's calls that track."""
    settings = preset("sa2va-i")
    tracking = settings.tracking.model_copy(update={"propagation": KeyFramesOnly()})
    settings = settings.model_copy(update={"tracking": tracking, "sampling": Manual(frames=(1, 4))})
    model = FakeModel()
    events = list(run(colour_clip(), PromptSet(prompts), settings, model=model))
    masked = {e.frame: e.object_ids for e in events if type(e) is FrameMasks}
    return masked, [c for c in model.calls if c[0] == "track"]


def test_what_key_frames_only_says_of_tracking_is_true():
    said = " ".join(KeyFramesOnly.__doc__.split())
    assert "drawn where it was prompted, and tracked on the frames where only others were" in said
    red = Prompt(1, "red", frame=1, points=(Point(2, 2),))
    blue = Prompt(2, "blue", frame=4, points=(Point(12, 5),))
    masked, tracked = key_frames_only((red, blue))
    assert {t: sorted(ids) for t, ids in masked.items()} == {1: [1, 2], 4: [1, 2]}
    assert [(t, ids) for _, t, ids, _ in tracked] == [(1, (2,)), (4, (1,))]

    assert "With sentences alone, all are prompted on the same frames" in said
    masked, tracked = key_frames_only((Prompt(1, "red", text="the red one"),))
    assert list(masked) == [1, 4]
    assert tracked == []
