"""OME-XML: read without harm, and the physical facts of an image in it."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.geometry import length_in_um, time_in_s

_DECLARES = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def parse(xml: str | bytes, path: str) -> ElementTree.Element | None:
    """The root of an OME document; None if it is no well-formed XML.

    Raises
    ------
    ClipError
        If it declares entities, of which a few lines can unfold to gigabytes. OME-XML has none.
    """
    text = xml.decode(errors="replace") if isinstance(xml, bytes) else xml
    text = text.strip().strip("\0").lstrip("\ufeff")
    if _DECLARES.search(text):
        raise ClipError(
            f"The OME-XML of {path} has a document type or entities, and is not read.",
            "OME-XML needs none: the file is damaged or made to do harm.",
        )
    try:
        root = ElementTree.fromstring(_without_declaration(text))
    except (ElementTree.ParseError, ValueError):
        return None
    return root if root.tag.rpartition("}")[2] == "OME" else None


def _without_declaration(text: str) -> str:
    """The text is decoded already; what encoding the first line claims counts no more."""
    return re.sub(r"^<\?xml[^>]*\?>", "", text)


def facts(pixels: ElementTree.Element, num_channels: int) -> dict[str, Any]:
    """Fields of `Recording` that a Pixels element tells.

    Parameters
    ----------
    pixels : Element
    num_channels : int
        Positions of C in the recording; names and colours must be as many.

    Returns
    -------
    dict
        Pixel size, z step, frame interval, channel names and colours; only what is known.
    """

    def size(axis: str) -> float | None:
        # The schema's default unit is the micrometre.
        unit = pixels.get(f"PhysicalSize{axis}Unit", "\u00b5m")
        return length_in_um(number(pixels.get(f"PhysicalSize{axis}")), unit)

    y, x = size("Y"), size("X")
    interval = time_in_s(number(pixels.get("TimeIncrement")), pixels.get("TimeIncrementUnit", "s"))
    found: dict[str, Any] = {
        "pixel_size_um": (y, x) if y and x else None,
        "z_step_um": size("Z"),
        "frame_interval_s": interval,
    }
    channels = pixels.findall("{*}Channel")
    if len(channels) == num_channels:
        if any(c.get("Name") for c in channels):
            found["channel_names"] = tuple(c.get("Name") or str(i) for i, c in enumerate(channels))
        found["channel_colors"] = colors([c.get("Color") for c in channels])
    if interval is None:
        found |= _plane_times(pixels)
    return {name: value for name, value in found.items() if value}


def colors(written: list[str | None]) -> tuple[str, ...]:
    """Colours of channels as "#rrggbb", from signed 32-bit numbers RGBA.

    Empty if none is given, or if all are white: -1 is what the schema says of an unknown colour.
    """
    codes = [_code(text) for text in written]
    if all(code in (None, 0xFFFFFF) for code in codes):
        return ()
    return tuple(f"#{0xFFFFFF if code is None else code:06x}" for code in codes)


def _code(text: str | None) -> int | None:
    try:
        return None if text is None else int(text) % 2**32 >> 8
    except ValueError:
        return None


def _plane_times(pixels: ElementTree.Element) -> dict[str, Any]:
    """Frame interval from the time stamps of single planes, where no increment is given."""
    stamps: dict[int, float] = {}
    for plane in pixels.findall("{*}Plane"):
        if plane.get("TheZ", "0") == "0" and plane.get("TheC", "0") == "0":
            value, unit = number(plane.get("DeltaT")), plane.get("DeltaTUnit", "s")
            factor, t = time_in_s(1.0, unit), number(plane.get("TheT", "0"))
            if value is not None and factor is not None and t is not None:
                stamps[int(t)] = value * factor
    return interval_of([stamps[t] for t in sorted(stamps)])


def interval_of(times_s: list[float]) -> dict[str, Any]:
    """Frame interval and whether it varies, from the time of each frame in s."""
    steps = np.diff(np.array(times_s, float))
    if steps.size == 0 or not (steps > 0).all():
        return {}
    median = float(np.median(steps))
    # Stamps of a real microscope jitter; a tenth of the interval is no change of rate.
    uneven = bool(np.abs(steps - median).max() > 0.1 * median)
    return {"frame_interval_s": float(f"{median:.9g}"), "variable_rate": uneven}


def number(value: object) -> float | None:
    """A finite number, or None."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found) else None
