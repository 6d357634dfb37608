"""napari's door to our readers: lazy layers with sizes, units, channels, colours and limits."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.axes import unnamed
from napari_sa2va.core.errors import ClipError, PixelError, SeriesError

if TYPE_CHECKING:
    from napari_sa2va.core.intensity import Limits
    from napari_sa2va.core.recording import Recording

LayerData = tuple[Any, dict[str, Any], str]
Paths = str | Sequence[str]

_LABELS = {"T": "t", "Z": "z", "C": "c", "Y": "y", "X": "x"}
_SOURCE_KEY = "napari_sa2va_source"
# npe2 takes this for "was read, and there is nothing to show", and not for a failure.
_NOTHING: list[Any] = [(None,)]


def get_reader(path: Paths) -> Callable[[Any], list[LayerData]] | None:
    """Return a reader for what we read; None if it is something else.

    Looks at names and first bytes only and never raises.

    Parameters
    ----------
    path : str or list of str
        A list if the files shall be stacked.
    """
    paths = [path] if isinstance(path, str) else list(path)
    try:
        ours = bool(paths) and all(_is_ours(one) for one in paths)
    except OSError:
        return None
    return read_layers if ours else None


def _is_ours(path: str) -> bool:
    from napari_sa2va.readers import READERS, REMOTE_READERS
    from napari_sa2va.readers.open import is_url

    if is_url(path):
        return any(reader.accepts_url(path) for reader in REMOTE_READERS)
    here = Path(path)
    return here.exists() and any(reader.accepts(here) for reader in READERS)


def read_layers(path: Paths, *, series: int | str | None = None) -> list[LayerData]:
    """Open files as lazy image layers; labels that we wrote as Labels layers with names.

    Of a file with several series a person is asked which ones to open, where there is a window.

    Parameters
    ----------
    path : str or list of str
        Of a list, the files become one stack: movies one after the other, others as its frames.
    series : int or str, optional
        Which series to open, without asking: for scripts, since napari itself names none.

    Raises
    ------
    SeriesError
        If there are several series and nobody to ask.
    ClipError
        If a file is damaged, or files do not fit together; napari shows the message.
    """
    from napari_sa2va.readers.open import read_recording

    first, *more = [path] if isinstance(path, str) else list(path)
    recordings: dict[int | str | None, Recording]
    try:
        recordings = {series: read_recording(first, series=series)}
    except SeriesError as error:
        if series is not None:  # there is no such one
            raise
        chosen = _ask(error, first)
        if not chosen:
            return _NOTHING
        recordings = {key: read_recording(first, series=key) for key in chosen}
    if more:
        recordings = {
            key: _stacked([recording, *(read_recording(p, series=key) for p in more)])
            for key, recording in recordings.items()
        }
    return [labels_data(made) or layer_data(made) for made in recordings.values()]


def _ask(error: SeriesError, path: str) -> list[int | str]:
    """Let a person choose; empty if none is wanted."""
    if not error.choices:
        raise error
    if "qtpy" in sys.modules:  # there may be a window
        from napari_sa2va.gui.series_dialog import can_ask, choose_series

        if can_ask():
            return choose_series(error, path)
    raise SeriesError(
        error.message,
        "Without a window nobody can be asked; a script names one: for data, meta, _ in "
        f"napari_sa2va.plugin.reader.read_layers(path, series={error.choices[0][0]!r}): "
        "viewer.add_image(data, **meta)",
        error.choices,
    )


def _stacked(recordings: Sequence[Recording]) -> Recording:
    """Several files as one recording.

    Raises
    ------
    ClipError
        If they differ in size or type.
    """
    import dask.array as da

    first = recordings[0]
    has_time = "T" in first.axes
    for other in recordings[1:]:
        same_size = all(first.size(a) == other.size(a) for a in "ZCYXS")
        if other.axes != first.axes or not same_size or other.data.dtype != first.data.dtype:
            raise ClipError(
                f"{other.source} ({other.describe()}, {other.data.dtype}) does not fit "
                f"{first.source} ({first.describe()}, {first.data.dtype}).",
                "Open them one by one, or choose files of one size and type.",
            )
    if has_time:
        at = first.axes.index("T")
        data = da.concatenate([recording.data for recording in recordings], axis=at)
        return replace(first, data=data, pyramid=())
    data = da.stack([recording.data for recording in recordings])
    return replace(first, data=data, axes="T" + first.axes, pyramid=(), frame_interval_s=None)


def layer_data(recording: Recording) -> LayerData:
    """A recording as napari takes it: lazy data with scale, units, axis labels and limits.

    Parameters
    ----------
    recording : Recording
        Several channels become layers of their own, lower resolutions a pyramid. Of axes that the
        file does not name, a warning says so.

    Returns
    -------
    tuple
        Data, keyword arguments of `add_image`, "image".
    """
    missing = unnamed(recording)
    if missing is not None:
        warnings.warn(f"{missing.message} Name them in the dock.", stacklevel=2)
    axes = recording.axes.replace("S", "")
    shown = axes.replace("C", "")
    size = _sizes(recording)
    name = recording.private.redact(recording.name)
    meta: dict[str, Any] = {
        "name": name,
        "rgb": "S" in recording.axes,
        "scale": [size[axis][0] for axis in shown],
        "units": [size[axis][1] for axis in shown],
        "axis_labels": [_LABELS.get(axis, f"axis {dim}") for dim, axis in enumerate(shown)],
        "metadata": {
            # Metadata are saved with projects and by other plugins: patients are not named there.
            _SOURCE_KEY: {
                "path": recording.source and recording.private.redact(recording.source),
                "axes": recording.axes,
                "pixel_size_um": recording.pixel_size_um,
                "z_step_um": recording.z_step_um,
                "frame_interval_s": recording.frame_interval_s,
                "variable_rate": recording.variable_rate,
                "left_out": list(recording.left_out),
                "notes": recording.private.redact_all(recording.notes),
            }
        },
    }
    limits = [] if meta["rgb"] else _limits(recording)
    if "C" in axes:
        meta["channel_axis"] = axes.index("C")
        if recording.channel_names:
            meta["name"] = [f"{name} {channel}" for channel in recording.channel_names]
        elif recording.size("C") > 1:  # napari would count from the second one on
            meta["name"] = [f"{name} [{position}]" for position in range(recording.size("C"))]
        if recording.channel_colors:
            meta["colormap"] = list(recording.channel_colors)
        if limits:
            meta["contrast_limits"] = limits
    elif limits:
        meta["contrast_limits"] = limits[0]
    if recording.pyramid:
        meta["multiscale"] = True
        return [recording.data, *recording.pyramid], meta, "image"
    return recording.data, meta, "image"


def labels_data(recording: Recording) -> LayerData | None:
    """Labels of ours as napari takes them, with names and colours; None if a file holds no such."""
    if (
        recording.source is None
        or recording.data.dtype.kind != "u"
        or set("CS") & set(recording.axes)
    ):
        return None
    from napari_sa2va.core.palette import color_of
    from napari_sa2va.project.label_subjects import subjects_of

    subjects = subjects_of(Path(recording.source), ())
    if not subjects:
        return None
    data, meta, _ = layer_data(replace(recording, window=((0, 1),)))
    for name in ("rgb", "contrast_limits"):
        meta.pop(name, None)
    colors: dict[int | None, tuple[float, ...]] = {None: (0.0, 0.0, 0.0, 0.0)}
    for subject in subjects:
        colors[subject.object_id] = (*(c / 255 for c in color_of(subject.object_id)), 1.0)
    ids, names = zip(*((s.object_id, s.name) for s in subjects), strict=True)
    return data, meta | {"features": {"index": ids, "name": names}, "colormap": colors}, "labels"


def _limits(recording: Recording) -> list[Limits]:
    """Contrast limits, one pair per channel; empty if napari's own do.

    They are those of the file, or found on frames over the whole movie: napari would look at the first
    one only. At most 16 planes of each channel are read, at the lowest resolution.
    """
    from napari_sa2va.core.clip import make_clip
    from napari_sa2va.core.intensity import is_fixed, sample_indices
    from napari_sa2va.core.tints import GREY

    if (is_fixed(recording.data.dtype) and not recording.window) or unnamed(recording):
        return []
    data = recording.pyramid[-1] if recording.pyramid else recording.data
    plays = "T" if recording.size("T") > 1 else "Z"
    index: list[Any] = [slice(None)] * data.ndim
    for dim, axis in enumerate(recording.axes):
        if axis == plays:
            index[dim] = sample_indices(data.shape[dim])
        elif axis in "TZ":
            index[dim] = slice(data.shape[dim] // 2, data.shape[dim] // 2 + 1)
    sample = replace(recording, data=data[tuple(index)], pyramid=())
    try:
        if "C" in recording.axes:
            return list(make_clip(sample, colors=[GREY] * sample.size("C")).limits)
        return list(make_clip(sample).limits)
    except PixelError:  # NaN, or nothing to see there: to be looked at all the same
        return []


def _sizes(recording: Recording) -> dict[str, tuple[float, str]]:
    """Step and unit of every axis; pixels where the file says nothing."""
    sizes: dict[str, tuple[float, str]] = dict.fromkeys(recording.axes, (1.0, "pixel"))
    if recording.frame_interval_s:
        sizes["T"] = (recording.frame_interval_s, "s")
    if recording.pixel_size_um:
        sizes["Y"] = (recording.pixel_size_um[0], "um")
        sizes["X"] = (recording.pixel_size_um[1], "um")
    if recording.z_step_um:
        sizes["Z"] = (recording.z_step_um, "um")
    return sizes
