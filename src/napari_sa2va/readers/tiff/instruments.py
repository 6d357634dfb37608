"""What the programs of microscopes write into TIFF files of their own: LSM, STK, Micro-Manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_sa2va.core.geometry import length_in_um, time_in_s
from napari_sa2va.readers.tiff.ome_xml import interval_of, number

_M = "m"


def lsm_facts(about: dict[str, Any], num_channels: int) -> dict[str, Any]:
    """Fields of `Recording` from the header of a Zeiss LSM file.

    Parameters
    ----------
    about : dict
        What tifffile calls `lsm_metadata`.
    num_channels : int
    """
    y, x, z = (length_in_um(number(about.get(f"VoxelSize{a}")), _M) for a in "YXZ")
    found: dict[str, Any] = {"pixel_size_um": (y, x) if y and x else None, "z_step_um": z}
    stamps = about.get("TimeStamps")
    times = [] if stamps is None else [float(t) for t in np.ravel(stamps)]
    if len(times) > 1:
        found |= interval_of(times)
    else:
        found["frame_interval_s"] = time_in_s(number(about.get("TimeIntervall")), "s")
    shown = about.get("ChannelColors") or {}
    names, rgba = shown.get("ColorNames") or (), shown.get("Colors") or ()
    if len(names) == num_channels and any(names):
        found["channel_names"] = tuple(str(name).strip("\0") for name in names)
    if len(rgba) == num_channels:
        found["channel_colors"] = _hex([tuple(color[:3]) for color in rgba])
    return found


def stk_facts(about: dict[str, Any]) -> dict[str, Any]:
    """Fields of `Recording` from the tags of a MetaMorph stack.

    Parameters
    ----------
    about : dict
        What tifffile calls `stk_metadata`.
    """
    unit = about.get("CalibrationUnits")
    y, x = (length_in_um(number(about.get(f"{a}Calibration")), unit) for a in "YX")
    found: dict[str, Any] = {"pixel_size_um": (y, x) if y and x else None}
    steps = np.ravel(about.get("ZDistance", ()))
    if steps.size > 1 and np.allclose(steps, steps[0]):
        found["z_step_um"] = length_in_um(abs(float(steps[0])), unit or "um")
    low, high = about.get("MinScale"), about.get("MaxScale")
    if not about.get("AutoScale") and isinstance(low, int) and isinstance(high, int) and low < high:
        found["window"] = ((float(low), float(high)),)
    clock = about.get("DatetimeCreated")
    if clock is not None and found.get("z_step_um") is None:
        # Days and milliseconds of each plane.
        seconds = (np.asarray(clock) - np.asarray(clock)[0]) / np.timedelta64(1, "s")
        found |= interval_of([float(s) for s in seconds])
    return found


def micromanager_facts(summary: dict[str, Any], num_channels: int) -> dict[str, Any]:
    """Fields of `Recording` from the summary that Micro-Manager writes into its stacks."""
    size = length_in_um(number(summary.get("PixelSize_um")), "um")
    aspect = number(summary.get("PixelAspect")) or 1.0
    names, shown = summary.get("ChNames") or (), summary.get("ChColors") or ()
    found: dict[str, Any] = {
        "pixel_size_um": (size * aspect, size) if size else None,
        "z_step_um": length_in_um(number(summary.get("z-step_um")), "um"),
        "frame_interval_s": time_in_s(number(summary.get("Interval_ms")), "ms"),
    }
    if isinstance(names, list) and len(names) == num_channels:
        found["channel_names"] = tuple(str(name) for name in names)
    codes = [int(c) for c in shown if isinstance(c, int)] if isinstance(shown, list) else []
    if len(codes) == num_channels:
        # Java's colours: alpha, red, green, blue in a signed number.
        rgb = [(code >> 16 & 255, code >> 8 & 255, code & 255) for code in codes]
        found["channel_colors"] = _hex(rgb)
    return found


def _hex(colors: Sequence[tuple[int, ...]]) -> tuple[str, ...]:
    """As "#rrggbb"; nothing if a channel would be black, or all are white."""
    if any(not any(color) for color in colors) or all(color == (255,) * 3 for color in colors):
        return ()
    return tuple("#" + "".join(f"{v:02x}" for v in color) for color in colors)
