"""napari's door to our readers of movies and DICOM files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_sa2va.core.recording import Recording

LayerData = tuple[Any, dict[str, Any], str]

_LABELS = {"T": "t", "Z": "z", "C": "c", "Y": "y", "X": "x"}


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return a reader for a movie or a DICOM file; None if this is neither.

    Looks at the first bytes only and never raises.
    """
    if not isinstance(path, str):
        # napari asks with a list when files shall be stacked; a movie is a stack already.
        return None
    from napari_sa2va.readers import dicom, video

    try:
        ours = any(reader.accepts(Path(path)) for reader in (dicom, video))
    except OSError:
        return None
    return read_layers if ours else None


def read_layers(path: str) -> list[LayerData]:
    """Open a file as lazy image layers.

    Raises
    ------
    ClipError
        If the file is damaged; napari shows the message.
    """
    from napari_sa2va.readers.open import read_recording

    return [layer_data(read_recording(Path(path)))]


def layer_data(recording: Recording) -> LayerData:
    """A recording as napari takes it: lazy data with scale, units, axis labels and limits.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    tuple
        Data, keyword arguments of `add_image`, "image".
    """
    from napari_sa2va.core.clip import make_clip

    spatial = recording.axes.replace("S", "")
    channel_axis = spatial.index("C") if "C" in spatial else None
    shown = spatial.replace("C", "")
    size = _sizes(recording)
    meta: dict[str, Any] = {
        "name": recording.name,
        "rgb": "S" in recording.axes,
        "scale": [size[axis][0] for axis in shown],
        "units": [size[axis][1] for axis in shown],
        "axis_labels": [_LABELS[axis] for axis in shown],
        "metadata": {
            "napari_sa2va_source": {
                "path": recording.source,
                "axes": recording.axes,
                "pixel_size_um": recording.pixel_size_um,
                "frame_interval_s": recording.frame_interval_s,
                "variable_rate": recording.variable_rate,
                "notes": list(recording.notes),
            }
        },
    }
    if channel_axis is not None:
        meta["channel_axis"] = channel_axis
        meta["name"] = [f"{recording.name} {name}" for name in recording.channel_names] or None
    elif "S" not in recording.axes and recording.data.dtype != np.uint8:
        z = "max" if "T" in recording.axes and recording.size("Z") > 1 else None
        meta["contrast_limits"] = make_clip(recording, z=z).limits[0]
    return recording.data, meta, "image"


def _sizes(recording: Recording) -> dict[str, tuple[float, str]]:
    """Step and unit of every axis; pixels where the file says nothing."""
    sizes: dict[str, tuple[float, str]] = dict.fromkeys("TZCYX", (1.0, "pixel"))
    if recording.frame_interval_s:
        sizes["T"] = (recording.frame_interval_s, "s")
    if recording.pixel_size_um:
        sizes["Y"] = (recording.pixel_size_um[0], "um")
        sizes["X"] = (recording.pixel_size_um[1], "um")
    if recording.z_step_um:
        sizes["Z"] = (recording.z_step_um, "um")
    return sizes
