"""Colours of channels: as short texts, as tables, and added up."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.tints import blend, table_of, tints_of

FIRE = np.stack([np.arange(256), np.arange(256) ** 2 // 255, np.zeros(256)], 1).astype(np.uint8)


def test_a_colour_runs_from_black_to_itself() -> None:
    table = table_of("#ff8000")
    assert table.shape == (256, 3)
    assert table[0].tolist() == [0, 0, 0]
    # 100 of 255: red 255 * 100 / 255, green 128 * 100 / 255 = 50.2
    assert table[100].tolist() == [100, 50, 0]
    assert table[255].tolist() == [255, 128, 0]


def test_a_table_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        table_of("#00ff00")[0] = 1


def test_names_and_numbers_of_colours_mean_the_same() -> None:
    assert tints_of(["Magenta", "#00FF00"], 2) == ("#ff00ff", "#00ff00")


def test_a_table_that_is_a_ramp_is_written_as_its_colour() -> None:
    assert tints_of([table_of("#12fe80"), "red"], 2) == ("#12fe80", "#ff0000")


def test_any_other_table_survives_as_json() -> None:
    (tint,) = tints_of(FIRE, 1)
    assert len(tint) < 1100
    again = json.loads(json.dumps(tint))
    np.testing.assert_array_equal(table_of(again), FIRE)
    assert tints_of(again, 1) == (tint,)
    assert tints_of(FIRE.astype(np.int64), 1) == (tint,)


@pytest.mark.parametrize(
    "colors", ["grey", "white", ["red", "green"], ["red", "green", "blue"], table_of("#ffffff")]
)
def test_colours_that_change_nothing_are_no_tints(colors: object) -> None:
    count = len(colors) if isinstance(colors, list) else 1
    assert tints_of(colors, count) == ()  # type: ignore[arg-type]


def test_one_colour_is_not_enough_for_two_channels() -> None:
    for colors in ("green", ["green"], FIRE):
        with pytest.raises(RequestError, match=r"1 colour\(s\) were given for 2 channel"):
            tints_of(colors, 2)


@pytest.mark.parametrize(
    ("colors", "said"),
    [
        ("mauve", "'mauve' is no colour"),
        ("#12345", "is no colour"),
        ("table:abcd", "is no colour"),
        ("table:ä", "is no colour"),
        (FIRE[:9], r"shape \(9, 3\)"),
        (FIRE / 255.0, "type float64"),
        (FIRE.astype(int) + 1, "type int64"),
        (["red", "green", "blue"], r"3 colour\(s\) were given for 1 channel"),
        ([], r"0 colour\(s\) were given for 1 channel"),
    ],
)
def test_what_is_no_colour_is_refused_with_a_way_out(colors: object, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        tints_of(colors, 1)  # type: ignore[arg-type]
    assert caught.value.hint


def test_channels_are_added_up_and_do_not_run_over() -> None:
    first = np.array([[0, 100, 200]], np.uint8)
    second = np.array([[50, 50, 100]], np.uint8)
    rgb = blend([first, second], ["#ff00ff", "#ffff00"])
    assert rgb.dtype == np.uint8
    # Red is in both: 0 + 50, 100 + 50, and 200 + 100 is too much.
    assert rgb[0].tolist() == [[50, 50, 0], [150, 50, 100], [255, 100, 200]]


def test_a_table_need_not_begin_with_black() -> None:
    inverted = table_of("#ffffff")[::-1]
    (tint,) = tints_of(inverted, 1)
    assert blend([np.array([[0, 255]], np.uint8)], [tint])[0].tolist() == [[255] * 3, [0] * 3]
