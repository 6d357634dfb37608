"""Physical facts out of the XML metadata of a CZI file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from napari_sa2va.core.geometry import length_in_um, time_in_s
from napari_sa2va.core.intensity import Limits

_DIMENSIONS = "Metadata/Information/Image/Dimensions"


def read_facts(xml: str, channels: Sequence[np.dtype]) -> dict[str, Any]:
    """Pixel size, z step, frame interval, and how channels are shown.

    Parameters
    ----------
    xml : str
    channels : sequence of numpy.dtype
        Of the pixels of each channel: limits are shares of what it can hold. Empty for colour
        pictures, whose channels are not named.

    Returns
    -------
    dict
        Fields of `Recording`; only those that the file knows.
    """
    root = _parsed(xml)
    if root is None:
        return {}
    y, x, z = (_distance_um(root, axis) for axis in "YXZ")
    interval = _number(root.findtext(f"{_DIMENSIONS}/T/Positions/Interval/Increment"))
    facts: dict[str, Any] = {
        "pixel_size_um": (y, x) if y and x else None,
        "z_step_um": z,
        "frame_interval_s": time_in_s(interval, "s"),
    }
    shown = root.findall("Metadata/DisplaySetting/Channels/Channel")
    taken = root.findall(f"{_DIMENSIONS}/Channels/Channel")
    if channels:
        facts["channel_names"] = _names(taken or shown, len(channels))
        facts["channel_colors"] = _colors(shown, len(channels)) or _colors(taken, len(channels))
        facts["window"] = _window(shown, channels)
    return {name: value for name, value in facts.items() if value}


def scene_names(xml: str) -> dict[int, str]:
    """Names of scenes by their numbers."""
    root = _parsed(xml)
    scenes = root.findall(f"{_DIMENSIONS}/S/Scenes/Scene") if root is not None else []
    return {
        int(scene.get("Index", "")): scene.get("Name", "")
        for scene in scenes
        if scene.get("Index", "").isdecimal() and scene.get("Name")
    }


def _parsed(xml: str) -> Element | None:
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None


def _distance_um(root: Element, axis: str) -> float | None:
    # In metres, whatever the unit that ZEN shows.
    for distance in root.findall("Metadata/Scaling/Items/Distance"):
        if distance.get("Id") == axis:
            return length_in_um(_number(distance.findtext("Value")), "m")
    return None


def _names(channels: list[Element], count: int) -> tuple[str, ...]:
    names = tuple(channel.get("Name", "") for channel in channels)
    return names if len(names) == count and all(names) else ()


def _colors(channels: list[Element], count: int) -> tuple[str, ...]:
    """As "#rrggbb", out of "#AARRGGBB"."""
    colors = tuple("#" + channel.findtext("Color", "")[-6:].lower() for channel in channels)
    is_whole = len(colors) == count and all(_is_color(color) for color in colors)
    return colors if is_whole else ()


def _is_color(color: str) -> bool:
    return len(color) == 7 and set(color[1:]) <= set("0123456789abcdef")


def _window(shown: list[Element], channels: Sequence[np.dtype]) -> tuple[Limits, ...]:
    if len(shown) != len(channels) or any(dtype.kind != "u" for dtype in channels):
        return ()
    window: list[Limits] = []
    for channel, dtype in zip(shown, channels, strict=True):
        low, high = _number(channel.findtext("Low")), _number(channel.findtext("High"))
        if low is None or high is None or not 0 <= low < high <= 1:
            return ()
        brightest = float(np.iinfo(dtype).max)
        window.append((low * brightest, high * brightest))
    return tuple(window)


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
