"""The numbers behind the plot, worked out by hand."""

import numpy as np

from napari_sa2va._tests.made_timelines import lane, timeline
from napari_sa2va.gui.timeline_curves import (
    AREA,
    SCORE,
    STEADINESS,
    curves_of,
    line_cover,
    titles_of,
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
