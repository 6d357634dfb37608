"""NGFF metadata of one image: what its axes are, how large a pixel is, how channels are shown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.geometry import length_in_um, time_in_s
from napari_sa2va.core.intensity import Limits

_OLD_AXES = ("t", "c", "z", "y", "x")  # of NGFF 0.1 and 0.2, which do not name them
_LETTERS = {
    "t": "T", "time": "T", "z": "Z", "depth": "Z", "plane": "Z", "c": "C", "channel": "C",
    "y": "Y", "row": "Y", "height": "Y", "x": "X", "column": "X", "width": "X",
}  # fmt: skip
_SPACE = "ZYX"
_PREFIXES = {
    "yocto": -24, "zepto": -21, "atto": -18, "femto": -15, "pico": -12, "nano": -9, "micro": -6,
    "milli": -3, "centi": -2, "deci": -1, "hecto": 2, "kilo": 3, "mega": 6, "giga": 9, "tera": 12,
    "peta": 15, "exa": 18, "zetta": 21, "yotta": 24,
}  # fmt: skip
_COLOR = re.compile(r"#?([0-9a-fA-F]{6})")
OTHER = "?"
"""Letter of an axis that is neither time, channel nor space."""


class _Axis(BaseModel):
    name: str
    type: str | None = None
    unit: str | None = None


class _Transformation(BaseModel):
    type: str
    scale: list[float] | None = None


class _Dataset(BaseModel):
    path: str
    coordinateTransformations: list[_Transformation] = []


class _Multiscale(BaseModel):
    name: Any = None
    axes: list[_Axis | str] | None = None
    datasets: list[_Dataset] = Field(min_length=1)
    coordinateTransformations: list[_Transformation] = []


@dataclass(frozen=True)
class Multiscale:
    """An image at one or more resolutions.

    Attributes
    ----------
    paths : tuple of str
        Of its arrays, the largest first.
    axes : str
        A letter out of "TZCYX?" per dimension.
    scale : tuple of float
        Size of a step of the largest array along every dimension; NaN where it is not told.
    units : tuple of (str or None)
        Units of the scale.
    name : str
        May be empty.
    """

    paths: tuple[str, ...]
    axes: str
    scale: tuple[float, ...]
    units: tuple[str | None, ...]
    name: str = ""

    def sizes(self) -> dict[str, Any]:
        """Pixel size, z step and frame interval, as keyword arguments of `Recording`."""
        of = dict(zip(self.axes, zip(self.scale, self.units, strict=True), strict=True))
        y, x = (length_in_um(*_plain_unit(*of[a])) for a in "YX")
        return {
            "pixel_size_um": (y, x) if y and x else None,
            "z_step_um": length_in_um(*_plain_unit(*of["Z"])) if "Z" in of else None,
            "frame_interval_s": time_in_s(*_plain_unit(*of["T"])) if "T" in of else None,
        }


def multiscale_of(attributes: Mapping[str, Any]) -> Multiscale:
    """The first multiscale image that NGFF metadata describe.

    Parameters
    ----------
    attributes : mapping
        Of the group, with "multiscales".

    Raises
    ------
    ClipError
        If something that is needed is absent or of another kind; it says what.
    """
    entries = attributes["multiscales"]
    try:
        if not isinstance(entries, list) or not entries:
            raise ClipError(f'"multiscales" is {entries!r:.60}.', "It should be a list.")
        read = _Multiscale.model_validate(entries[0])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("multiscales.0", *first["loc"])))
        raise ClipError(
            f"the NGFF metadata say {where} = {first['input']!r:.60} ({first['msg']}).",
            "Let the writer's validator look at this store.",
        ) from error
    version = str(attributes.get("version") or entries[0].get("version") or "0.1")
    if read.axes is None and version not in ("0.1", "0.2"):
        raise ClipError(
            f"the NGFF metadata, version {version}, name no axes.",
            "NGFF 0.1 to 0.5 are read; convert other versions.",
        )
    axes = [a if isinstance(a, _Axis) else _Axis(name=a) for a in read.axes or _OLD_AXES]
    return Multiscale(
        tuple(dataset.path for dataset in read.datasets),
        letters([a.name for a in axes], [a.type for a in axes]),
        _scale(
            len(axes), read.datasets[0].coordinateTransformations, read.coordinateTransformations
        ),
        tuple(a.unit for a in axes),
        read.name if isinstance(read.name, str) else "",
    )


def letters(names: Sequence[str], types: Sequence[str | None] = ()) -> str:
    """A letter per axis; `OTHER` for what is neither time, channel nor space.

    Axes of space with names that say nothing are z, y, x in this order, as NGFF wants it.
    """
    kinds = list(types) or [None] * len(names)
    found = [_letter(name, kind) for name, kind in zip(names, kinds, strict=True)]
    nameless = [i for i, kind in enumerate(kinds) if kind == "space" and found[i] == OTHER]
    free = [a for a in _SPACE if a not in found]
    for i, letter in zip(reversed(nameless), reversed(free), strict=False):
        found[i] = letter
    return "".join(found)


def _letter(name: str, kind: str | None) -> str:
    if kind in ("time", "channel"):
        return kind[0].upper()
    letter = _LETTERS.get(name.strip().lower(), OTHER)
    return OTHER if kind == "space" and letter not in _SPACE else letter


def _scale(ndim: int, *transformations: list[_Transformation]) -> tuple[float, ...]:
    """What scales that follow each other make together; NaN if there is none."""
    scales = [t.scale for ts in transformations for t in ts if t.type == "scale" and t.scale]
    if not scales or any(len(scale) != ndim for scale in scales):
        return (math.nan,) * ndim
    return tuple(math.prod(steps) for steps in zip(*scales, strict=True))


def _plain_unit(value: float, unit: str | None) -> tuple[float, str | None]:
    """The same in meter or second, where the unit is one of these with a prefix."""
    for base in ("meter", "second"):
        if unit and unit.lower().endswith(base):
            prefix = unit.lower().removesuffix(base)
            if prefix in _PREFIXES:
                return value * 10.0 ** _PREFIXES[prefix], base
    return value, unit


def channels_of(attributes: Mapping[str, Any], count: int | None) -> dict[str, Any]:
    """Names, colours and windows of channels, as keyword arguments of `Recording`.

    Parameters
    ----------
    attributes : mapping
        Of the group; what its "omero" says is passed over where it does not fit.
    count : int or None
        Number of channels, None without a channel axis.
    """
    omero = attributes.get("omero")
    if not isinstance(omero, Mapping):
        return {}
    told = omero.get("channels")
    if not isinstance(told, list) or len(told) != (count or 1):
        return {}
    channels = [c if isinstance(c, Mapping) else {} for c in told]
    windows = [_window(c.get("window")) for c in channels]
    colors: list[str | None] = [_color(c.get("color")) for c in channels]
    drawing = omero.get("rdefs")
    if isinstance(drawing, Mapping) and drawing.get("model") == "greyscale":
        colors = ["#ffffff"] * len(channels)
    names = [str(c.get("label") or i) for i, c in enumerate(channels)]
    is_named = count is not None and any(c.get("label") for c in channels)
    return {
        "channel_names": tuple(names) if is_named else (),
        "channel_colors": tuple(c for c in colors if c) if all(colors) else (),
        "window": tuple(w for w in windows if w) if all(windows) else (),
    }


def _color(given: object) -> str | None:
    match = _COLOR.fullmatch(given.strip()) if isinstance(given, str) else None
    return f"#{match[1].lower()}" if match else None


def _window(given: object) -> Limits | None:
    if not isinstance(given, Mapping):
        return None
    low, high = given.get("start"), given.get("end")
    if not (isinstance(low, int | float) and isinstance(high, int | float)):
        return None
    return (float(low), float(high)) if math.isfinite(low + high) and low < high else None
