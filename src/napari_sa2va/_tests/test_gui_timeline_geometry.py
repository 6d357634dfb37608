"""Where frames and lanes lie, worked out by hand."""

import numpy as np
import pytest

from napari_sa2va.gui.timeline_geometry import LaneRows, TimeAxis, round_step

# Ten frames on 200 px, from x = 100: 20 px each.
WHOLE = TimeAxis.whole(10, 100, 200)


def test_a_frame_lies_between_its_left_edge_and_that_of_the_next() -> None:
    assert WHOLE.px_per_frame == 20
    assert (WHOLE.x_of(0), WHOLE.x_of(3), WHOLE.x_of(3.5)) == (100, 160, 170)
    assert (WHOLE.frame_at(160), WHOLE.frame_at(179.9), WHOLE.frame_at(180)) == (3, 3, 4)


def test_places_beside_the_movie_are_its_first_and_last_frame() -> None:
    assert (WHOLE.frame_at(-5), WHOLE.frame_at(99), WHOLE.frame_at(300)) == (0, 0, 9)
    assert WHOLE.frame_at(1e6) == 9


@pytest.mark.parametrize("num_frames", [1, 7, 1000, 12345])
def test_the_middle_of_every_frame_gives_the_frame_back(num_frames: int) -> None:
    axis = TimeAxis.whole(num_frames, 137.5, 911.25)
    found = [axis.frame_at(axis.x_of(frame + 0.5)) for frame in range(num_frames)]
    assert found == list(range(num_frames))


def test_zooming_keeps_what_is_under_the_mouse() -> None:
    axis = TimeAxis.whole(100, 0, 500)
    # x = 250 is frame 50.0; half as many frames are on view: 25.0 to 75.0.
    zoomed = axis.zoomed(2, 250)
    assert (zoomed.first, zoomed.span) == (25, 50)
    assert zoomed.x_of(50) == 250


def test_zooming_stops_at_the_ends_of_the_movie_and_at_eight_frames() -> None:
    axis = TimeAxis.whole(100, 0, 500)
    assert axis.zoomed(0.5, 250) == axis
    assert axis.zoomed(2, 0).first == 0
    assert axis.zoomed(2, 500).first == 50
    closest = axis.zoomed(1000, 250)
    assert (closest.first, closest.span) == (46, 8)
    assert TimeAxis.whole(3, 0, 500).zoomed(2, 10).span == 3


def test_zooming_in_and_out_again_shows_the_whole() -> None:
    axis = TimeAxis.whole(100, 0, 500)
    zoomed = axis.zoomed(4, 100)
    assert axis.is_whole
    assert not zoomed.is_whole
    assert zoomed.zoomed(0.01, 400) == axis


def test_panning_stops_at_the_ends() -> None:
    zoomed = TimeAxis.whole(100, 0, 500).zoomed(4, 0)  # frames 0 to 25
    assert zoomed.panned(10).first == 10
    assert zoomed.panned(-10).first == 0
    assert zoomed.panned(500).first == 75


def test_a_frame_is_brought_into_view_with_some_frames_around_it() -> None:
    zoomed = TimeAxis.whole(100, 0, 500).zoomed(5, 250)  # frames 40 to 60
    assert zoomed.showing(40) == zoomed
    assert zoomed.showing(59) == zoomed
    # An eighth of the 20 frames on view is 2.5 frames.
    assert zoomed.showing(30).first == 27.5
    assert zoomed.showing(60).first == 43.5
    assert zoomed.showing(99).first == 80


def test_every_frame_belongs_to_one_column_where_there_are_more_frames_than_columns() -> None:
    starts, stop = TimeAxis.whole(10, 0, 4).column_starts(4)
    assert starts.tolist() == [0, 2, 5, 7]
    assert stop == 10


def test_a_wide_frame_starts_several_columns() -> None:
    starts, stop = TimeAxis.whole(3, 0, 6).column_starts(6)
    assert starts.tolist() == [0, 0, 1, 1, 2, 2]
    assert stop == 3


@pytest.mark.parametrize(("num_frames", "columns"), [(10, 7), (10_000, 911), (3, 911), (1, 5)])
def test_columns_rise_and_leave_no_frame_out(num_frames: int, columns: int) -> None:
    starts, stop = TimeAxis.whole(num_frames, 0, columns).column_starts(columns)
    steps = np.diff(starts)
    assert starts[0] == 0
    assert stop == num_frames
    assert (steps >= 0).all()
    # Where a frame has a column or more, no frame may be stepped over.
    assert num_frames > columns or steps.max(initial=0) <= 1


def test_columns_of_a_zoomed_axis_end_with_the_last_frame_on_view() -> None:
    zoomed = TimeAxis.whole(100, 0, 40).zoomed(5, 20)  # frames 40 to 60
    starts, stop = zoomed.column_starts(10)
    assert starts.tolist() == list(range(40, 60, 2))
    assert stop == 60


def test_numbers_on_the_ruler_have_the_room_they_need() -> None:
    # 0.5 px per frame: numbers 40 px wide need 80 frames each, the next round step is 100.
    numbered, between = TimeAxis.whole(1000, 0, 500).ticks(40)
    assert numbered == list(range(0, 1000, 100))
    assert between[:5] == [20, 40, 60, 80, 120]


def test_few_frames_are_numbered_one_by_one_and_none_in_between() -> None:
    assert WHOLE.ticks(15) == (list(range(10)), [])
    assert TimeAxis.whole(1, 0, 500).ticks(40) == ([0], [])


def test_ticks_of_a_zoomed_axis_are_those_on_view() -> None:
    zoomed = TimeAxis.whole(100, 0, 400).zoomed(5, 200)  # frames 40 to 60, 20 px each
    assert zoomed.ticks(90)[0] == [40, 45, 50, 55]


def test_steps_are_one_two_five_and_so_on() -> None:
    assert [round_step(least) for least in (0.1, 1, 1.1, 3, 6, 11, 400)] == [
        1,
        1,
        2,
        5,
        10,
        20,
        500,
    ]


def test_a_height_belongs_to_the_lane_that_is_there() -> None:
    rows = LaneRows(count=3, height=30)
    assert [rows.row_at(y) for y in (0, 29.9, 30, 89, 90, -1)] == [0, 0, 1, 2, None, None]
    assert LaneRows(3, 30, scroll=20).row_at(10) == 1
    assert LaneRows(3, 30, scroll=20).top_of(1) == 10


def test_only_lanes_of_which_some_is_on_view_are_visible() -> None:
    rows = LaneRows(count=20, height=30, scroll=45)
    assert rows.visible(0, 60) == range(1, 4)
    assert LaneRows(2, 30).visible(0, 500) == range(2)
    assert len(LaneRows(0, 30).visible(0, 500)) == 0


def test_scrolling_to_a_lane_moves_as_little_as_may_be() -> None:
    rows = LaneRows(count=20, height=30, scroll=60)
    assert rows.scroll_to(2, 90) == 60
    assert rows.scroll_to(0, 90) == 0
    assert rows.scroll_to(5, 90) == 90
