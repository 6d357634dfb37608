"""Axes and numbers that can be read, worked out by hand."""

import numpy as np
import pytest

from napari_sa2va.analysis.value_axis import (
    number_text,
    round_ticks,
    tick_text,
    unit_of,
    value_axis,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("title", "unit"),
    [
        ("Area (µm²)", "µm²"),
        ("Speed (µm/s)", "µm/s"),
        ("J&F", ""),
        ("Steadiness (J)", ""),
        ("Score", ""),
    ],
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
    axis = value_axis("Score", np.array([0.9, 0.95]), [])
    assert (axis.low, axis.high, axis.ticks) == (0, 1, (0, 0.5, 1))
    assert axis.height_of(np.array([0.25, NAN])).tolist()[0] == 0.25


def test_areas_start_at_zero_unless_they_are_far_from_it() -> None:
    near = value_axis("Area (px)", np.array([30.0, 100.0]), [])
    assert (near.low, near.high) == (0, 105)
    far = value_axis("Area (px)", np.array([1000.0, 1100.0]), [])
    assert (far.low, far.high) == (995, pytest.approx(1105.25))


def test_the_axis_fits_all_curves_unless_the_chosen_one_would_be_flat() -> None:
    chosen = np.array([900.0, 1000.0])
    # 100 of 300: a third of the range, which is enough to be read.
    assert value_axis("Area (px)", chosen, [np.array([700.0, 800.0])]).low < 700
    # 100 of 910 is not.
    assert value_axis("Area (px)", chosen, [np.array([90.0, 100.0])]).low > 800


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
