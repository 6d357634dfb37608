"""Units of length and time as files spell them."""

from __future__ import annotations

import pytest

from napari_sa2va.core.geometry import length_in_um, time_in_s


@pytest.mark.parametrize(
    ("value", "unit", "um"),
    [
        (0.65, "um", 0.65),
        (0.65, "\u00b5m", 0.65),
        (0.65, "\u03bcm", 0.65),
        (0.65, "\\u00B5m", 0.65),
        (0.65, "Microns", 0.65),
        (650, "nm", 0.65),
        (0.065, "mm", 65.0),
        (0.01, "cm", 100.0),
        (0.001, "inch", 25.4),
        (0.001, "inches", 25.4),
        (2, "micrometers", 2.0),
    ],
)
def test_lengths_become_micrometres(value: float, unit: str, um: float) -> None:
    assert length_in_um(value, unit) == um


@pytest.mark.parametrize(
    ("value", "unit"),
    [(1, "pixel"), (0, "um"), (-1, "um"), (float("nan"), "um"), (None, "um"), (1, None), (1, "")],
)
def test_lengths_that_say_nothing_are_none(value: float | None, unit: str | None) -> None:
    assert length_in_um(value, unit) is None


@pytest.mark.parametrize(
    ("value", "unit", "s"),
    [(40, "ms", 0.04), (2, "min", 120.0), (1.5, "hours", 5400.0), (3, "sec", 3.0), (1, "um", None)],
)
def test_times_become_seconds(value: float, unit: str, s: float | None) -> None:
    assert time_in_s(value, unit) == s
