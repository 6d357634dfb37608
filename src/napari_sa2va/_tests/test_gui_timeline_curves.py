"""The numbers behind the plot, worked out by hand."""

import numpy as np
import pytest

from napari_sa2va._tests.made_timelines import lane, timeline
from napari_sa2va.gui.timeline_curves import (
    AREA,
    SCORE,
    STEADINESS,
    curves_of,
    line_cover,
    number_text,
    round_ticks,
    tick_text,
    titles_of,
    unit_of,
    value_axis,
)
from napari_sa2va.gui.timeline_geometry import TimeAxis

NAN = float("nan")


def drawn(
    values: list[float], columns: int, rows: int = 11, axis: TimeAxis | None = None, thickness=1.0
) -> np.ndarray:
    """Coverage as a picture of rows and columns."""
    axis = axis or TimeAxis.whole(len(values), 0, columns)
    places, cover = line_cover(np.asarray(values), axis, columns, rows, thickness)
    assert len(set(places.tolist())) == len(places)  # each pixel once
    picture = np.zeros(rows * columns)
    picture[places] = cover
    return picture.reshape(rows, columns)


def rows_of(picture: np.ndarray, column: int) -> list[int]:
    """Rows with some cover."""
    return np.flatnonzero(picture[:, column] > 1e-6).tolist()


def test_three_quantities_are_always_there_and_curves_come_after_them() -> None:
    both = {"Speed (µm/s)": {1: np.zeros(10)}, AREA: {1: np.full(10, 7.0)}}
    assert titles_of(None) == [SCORE, AREA, STEADINESS]
    assert titles_of(timeline(curves=both)) == [SCORE, AREA, STEADINESS, "Speed (µm/s)"]


def test_quantities_come_from_the_lanes_unless_the_timeline_brings_them() -> None:
    shown = timeline(lane(3, score={2: 0.25}))
    assert curves_of(shown, SCORE)[3][2] == 0.25
    assert curves_of(shown, AREA)[3].tolist() == [100.0] * 10
    assert np.isnan(curves_of(shown, STEADINESS)[3][0])
    assert curves_of(shown, "Speed (µm/s)") == {}
    own = timeline(curves={AREA: {1: np.full(10, 7.0)}})
    assert curves_of(own, AREA)[1][0] == 7


@pytest.mark.parametrize(
    ("title", "unit"),
    [("Area (µm²)", "µm²"), ("Speed (µm/s)", "µm/s"), ("J&F", ""), (STEADINESS, ""), (SCORE, "")],
)
def test_the_unit_is_what_stands_in_brackets(title: str, unit: str) -> None:
    assert unit_of(title) == unit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.93456, "0.935"),
        (1234.56, "1235"),
        (12.345, "12.3"),
        (0.0, "0"),
        (NAN, "–"),
        (2e7, "2e+07"),
    ],
)
def test_values_are_written_in_three_or_four_digits(value: float, text: str) -> None:
    assert number_text(value) == text


def test_ticks_are_written_as_short_as_may_be() -> None:
    assert [tick_text(value) for value in (0.0, 0.25, 1500.0)] == ["0", "0.25", "1500"]


def test_shares_have_the_axis_from_zero_to_one() -> None:
    axis = value_axis(SCORE, np.array([0.9, 0.95]), [])
    assert (axis.low, axis.high, axis.ticks) == (0, 1, (0, 0.5, 1))
    assert axis.height_of(np.array([0.25, NAN])).tolist()[0] == 0.25


def test_areas_start_at_zero_unless_they_are_far_from_it() -> None:
    near = value_axis(AREA, np.array([30.0, 100.0]), [])
    assert (near.low, near.high) == (0, 105)
    far = value_axis(AREA, np.array([1000.0, 1100.0]), [])
    assert (far.low, far.high) == (995, pytest.approx(1105.25))


def test_the_axis_fits_all_curves_unless_the_chosen_one_would_be_flat() -> None:
    chosen = np.array([900.0, 1000.0])
    # 100 of 300: a third of the range, which is enough to be read.
    assert value_axis(AREA, chosen, [np.array([700.0, 800.0])]).low < 700
    # 100 of 910 is not.
    assert value_axis(AREA, chosen, [np.array([90.0, 100.0])]).low > 800


def test_an_axis_without_values_or_with_one_value_still_has_a_length() -> None:
    for values in ([NAN, NAN], [5.0, 5.0], [0.0, 0.0], [-3.0, NAN]):
        axis = value_axis("Position (µm)", np.array(values), [])
        assert axis.high > axis.low
        assert 2 <= len(axis.ticks) <= 4


@pytest.mark.parametrize("low", [0.0, -7.3, 0.2, 1999.0, 6.2])
@pytest.mark.parametrize("length", [1e-4, 0.37, 1.0, 7.7, 8.4, 9.9, 123.0, 4.5e6])
def test_there_are_two_to_four_round_ticks_within_the_axis(low: float, length: float) -> None:
    ticks = round_ticks(low, low + length)
    assert 2 <= len(ticks) <= 4
    assert all(low - 1e-6 <= tick <= low + length + 1e-6 for tick in ticks)
    steps = np.diff(ticks)
    np.testing.assert_allclose(steps, steps[0])


def test_a_level_line_is_one_px_thick_at_its_height() -> None:
    picture = drawn([0.5] * 10, columns=10)
    # 11 rows: half the height is the middle of row 5. The line goes from middle to middle.
    assert all(rows_of(picture, column) == [5] for column in range(1, 9))
    np.testing.assert_allclose(picture[5, 1:9], 1)


def test_nothing_is_drawn_beyond_the_middles_of_the_first_and_last_frame() -> None:
    picture = drawn([0.5, 0.5], columns=16)
    # Frames are 8 columns wide, so their middles are at 4 and 12.
    assert np.flatnonzero(picture.any(axis=0)).tolist() == list(range(4, 13))


def test_a_gap_at_nan_has_no_line_on_either_side() -> None:
    picture = drawn([0.5, 0.5, NAN, 0.5, 0.5], columns=50)
    # Frame 2 is columns 20 to 29; lines end at the middles of frames 1 and 3: 15 and 35.
    assert not picture[:, 17:34].any()
    assert picture[5, 6:15].all()
    assert picture[5, 36:45].all()


def test_a_value_between_two_nans_is_a_dash_of_three_columns() -> None:
    picture = drawn([NAN, 0.5, NAN], columns=30)
    assert np.flatnonzero(picture.any(axis=0)).tolist() == [14, 15, 16]


def test_a_column_of_many_frames_covers_their_lowest_and_highest_value() -> None:
    values = [0.5] * 100
    values[42], values[47] = 0.0, 1.0
    picture = drawn(values, columns=10)
    assert rows_of(picture, 4) == list(range(11))
    assert rows_of(picture, 2) == [5]


def test_a_nan_among_the_frames_of_a_column_hides_no_value() -> None:
    values = [0.5] * 100
    values[42], values[43] = 0.0, NAN
    assert 10 in rows_of(drawn(values, columns=10), 4)


def test_a_steep_line_has_no_holes() -> None:
    picture = drawn([0.0, 1.0], columns=4)
    covered = [rows_of(picture, column) for column in range(4)]
    reached = sorted({row for rows in covered for row in rows})
    assert reached == list(range(11))


def test_only_what_is_on_view_is_drawn() -> None:
    values = [0.0] * 50 + [1.0] * 50
    axis = TimeAxis.whole(100, 0, 40).zoomed(5, 40)  # frames 80 to 100
    picture = drawn(values, 40, axis=axis)
    assert np.flatnonzero(picture.any(axis=1)).tolist() == [0]


def test_a_thicker_line_is_thicker_upwards_and_sideways() -> None:
    level = drawn([0.5] * 10, columns=10, thickness=3)
    assert rows_of(level, 5) == [4, 5, 6]
    jump = [0.0] * 50 + [1.0] * 50
    thin, thick = (drawn(jump, columns=50, thickness=px) for px in (1.0, 3.0))
    assert (thin[4] > 0).sum() < (thick[4] > 0).sum()


def test_values_beyond_the_axis_stay_within_the_picture() -> None:
    picture = drawn([-1.0, 2.0, -1.0], columns=30)
    assert picture.shape == (11, 30)
    assert picture.max() <= 1


def test_no_values_draw_nothing() -> None:
    assert not drawn([NAN] * 5, columns=10).any()
    assert drawn([0.5], columns=10).any()
