"""Physical sizes: units of length and time as files spell them, in um and s.

A size that is missing, zero, negative or in pixels is None: a wrong scale bar is worse than none.
"""

from __future__ import annotations

import math

_UM_PER = {
    "m": 1e6,
    "meter": 1e6,
    "metre": 1e6,
    "dm": 1e5,
    "cm": 1e4,
    "centimeter": 1e4,
    "centimetre": 1e4,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "um": 1.0,
    "\u00b5m": 1.0,  # micro sign
    "\u03bcm": 1.0,  # Greek mu
    "micron": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "pm": 1e-6,
    "picometer": 1e-6,
    "\u00e5": 1e-4,  # a with ring, after lower()
    "angstrom": 1e-4,
    "in": 25400.0,
    "inch": 25400.0,
    "pt": 25400.0 / 72,
}

_S_PER = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "microsecond": 1e-6,
    "ns": 1e-9,
    "nanosecond": 1e-9,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}


def length_in_um(value: float | None, unit: str | None) -> float | None:
    r"""A length in um, or None if it says nothing.

    Parameters
    ----------
    value : float or None
    unit : str or None
        As written in a file: "um", "micron", "\u00b5m" (also as the six characters that ImageJ
        writes), "cm", "inch", ... Plural and capitals do not matter; "pixel" or an unknown word
        gives None.
    """
    return _convert(value, unit, _UM_PER)


def time_in_s(value: float | None, unit: str | None) -> float | None:
    """A duration in s, or None if it says nothing; units as in "s", "ms", "min", "hours"."""
    return _convert(value, unit, _S_PER)


def _convert(value: float | None, unit: str | None, table: dict[str, float]) -> float | None:
    if value is None or unit is None:
        return None
    word = str(unit).strip().strip('"').replace("\\u00B5", "\u00b5").replace("\\u00b5", "\u00b5")
    word = word.lower()
    factor = table.get(word)
    if factor is None and len(word) > 2:
        factor = table.get(
            word.removesuffix("s").removesuffix("e") if word == "inches" else word.removesuffix("s")
        )
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if factor is None or not math.isfinite(number) or number <= 0:
        return None
    # Twelve digits: 0.65 mm / 10 must not become 64.99999999999999 um.
    return float(f"{number * factor:.12g}")
