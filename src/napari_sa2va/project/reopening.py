"""How a clip can be had again from a file: the arguments of `open_clip` that give the same pixels.

A clip that was opened from a path says what was asked for. Of a clip that was made from a napari
layer only the layer's file is known, as the plane and the channels were chosen in the window; here
they are found by comparing pixels. Nothing is believed: arguments that give other pixels are no
answer, and neither is a file that was changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core import pixels
from napari_sa2va.core.axes import PROJECTIONS, arrange, relabel
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import Sa2vaError, SeriesError
from napari_sa2va.core.intensity import is_fixed, sample_indices
from napari_sa2va.project.footage import Footage
from napari_sa2va.readers.open import read_recording
from napari_sa2va.readers.opening import OpenArguments

if TYPE_CHECKING:
    import dask.array as da

    from napari_sa2va.core.recording import Recording

_SELECTING = ("axes", "time", "z", "channels", "rgb", "series")
_COMPARED_FRAMES = 8
# Of a stack, every plane is tried; each costs a frame that is read.
_MOST_PLANES = 2000
_MOST_SERIES = 100


@dataclass(frozen=True)
class Selection:
    """What of a recording plays: the arguments of `open_clip` that choose pixels."""

    axes: str | None = None
    time: str | None = None
    z: int | str | None = None
    channels: tuple[int | str, ...] | None = None
    rgb: bool | None = None
    series: int | str | None = None

    def frames_of(self, recording: Recording, *, many: bool) -> da.Array:
        """The frames that it selects, (T, Y, X) or (T, Y, X, C); nothing is read.

        Raises
        ------
        AxesError
            If it does not fit the recording.
        """
        named = relabel(recording, self.axes, self.rgb)
        channels = None if self.channels is None else list(self.channels)
        return arrange(named, time=self.time, z=self.z, channels=channels, many=many).frames


def arguments_of(footage: Footage, path: Path) -> tuple[OpenArguments, ...] | None:
    """Arguments with which `open_clip(path, ...)` gives a clip, or the clip of every plane.

    Reads some frames of both. Of several planes the first and the last are compared; those between
    them are taken to lie there in order.

    Parameters
    ----------
    footage : Footage
    path : Path

    Returns
    -------
    tuple of OpenArguments or None
        One per plane; None if the file cannot be read, holds other pixels, or its z axis is not
        that of the planes.
    """
    return _arguments_of(footage, path, lambda plane: footage.clip_of(plane))


def arguments_of_copy(footage: Footage, path: Path) -> tuple[OpenArguments, ...] | None:
    """The same for a file to which just these frames were written, and nothing else."""

    def anew(plane: int) -> Clip:
        # How the source was opened, and which part of its frames was taken, is done with.
        return replace(footage.clip_of(plane), opened_with={}, box=None)

    return _arguments_of(footage, path, anew)


def _arguments_of(
    footage: Footage, path: Path, clip_of: Callable[[int], Clip]
) -> tuple[OpenArguments, ...] | None:
    first_clip = clip_of(0)
    found = _find(first_clip, path)
    if found is None:
        return None
    recording, first = found
    if footage.planes == 1:
        return (_arguments(first_clip, recording, first),)
    last = footage.planes - 1
    if not isinstance(first.z, int):
        return None
    if not _selects(replace(first, z=first.z + last), clip_of(last), recording):
        return None
    return tuple(
        _arguments(clip_of(plane), recording, replace(first, z=first.z + plane))
        for plane in range(footage.planes)
    )


def _read(path: Path, series: int | str | None) -> Iterator[tuple[int | str | None, Recording]]:
    """What a file holds; where several series are in it and none was chosen, all of them in turn."""
    try:
        yield series, read_recording(path, series=series)
    except SeriesError as error:
        if series is None:
            for key, _ in error.choices[:_MOST_SERIES]:
                yield from _read(path, key)
    except (Sa2vaError, OSError):
        return


def _find(clip: Clip, path: Path) -> tuple[Recording, Selection] | None:
    asked = {k: v for k, v in clip.opened_with.items() if k in _SELECTING}
    if asked.get("channels") is not None:
        channels = asked["channels"]
        asked["channels"] = tuple(channels) if isinstance(channels, list | tuple) else (channels,)
    for series, recording in _read(path, asked.get("series")):
        first = replace(Selection(**asked), series=series)
        if _selects(first, clip, recording):
            return recording, first
        if asked:  # whoever opened it said what is wanted, and the file has that no more
            continue
        for guess in _guesses(clip, recording):
            if _selects(guess, clip, recording):
                return recording, replace(guess, series=series)
    return None


def _guesses(clip: Clip, recording: Recording) -> Iterator[Selection]:
    """Selections that could be the clip: every axis that plays, every plane, every channel."""
    planes = recording.size("Z")
    for time in (None, "T", "Z"):
        zs: list[int | str | None] = [None]
        if planes > 1 and time != "Z":
            zs = [*([clip.z] if isinstance(clip.z, int | str) else []), *PROJECTIONS]
            zs += range(min(planes, _MOST_PLANES))
        for z in dict.fromkeys(zs):
            whole = Selection(time=time, z=z)
            yield whole
            channels = _channels_alike(clip, recording, whole)
            if channels is not None:
                yield replace(whole, channels=channels)


def _channels_alike(
    clip: Clip, recording: Recording, selection: Selection
) -> tuple[int, ...] | None:
    """The channels of a recording that look like those of the clip, in the clip's order."""
    count = recording.size("S" if "S" in recording.axes else "C")
    if count < 2:
        return None
    t = clip.num_frames // 2
    candidates: dict[int, np.ndarray] = {}
    for c in range(count):
        try:
            frames = replace(selection, channels=(c,)).frames_of(recording, many=False)
        except Sa2vaError:
            return None
        frames = _inside(frames, clip)
        if frames.shape != clip.frames.shape[:3]:
            return None
        candidates[c] = _frame(frames, t)
    wanted = clip.frame(t)
    wanted = wanted[..., np.newaxis] if wanted.ndim == 2 else wanted
    found: list[int] = []
    for k in range(wanted.shape[2]):
        alike = [c for c in candidates if c not in found and _same(candidates[c], wanted[..., k])]
        if not alike:
            return None
        found.append(alike[0])
    return tuple(found)


def _selects(selection: Selection, clip: Clip, recording: Recording) -> bool:
    """Whether a selection gives the pixels of a clip; the frame in the middle is compared first."""
    try:
        frames = _inside(selection.frames_of(recording, many=bool(clip.tints)), clip)
        if frames.shape != clip.frames.shape or _native(frames.dtype) != _native(clip.frames.dtype):
            return False
        num = clip.num_frames
        order = dict.fromkeys((num // 2, *sample_indices(num, _COMPARED_FRAMES)))
        return all(_same(_frame(frames, t), clip.frame(t)) for t in order)
    except (Sa2vaError, OSError):  # it does not fit, or the file ends too early
        return False


def _inside(frames: da.Array, clip: Clip) -> da.Array:
    if clip.box is None:
        return frames
    box = clip.box
    return frames[:, box.y0 : box.y1, box.x0 : box.x1]


def _native(dtype: np.dtype) -> np.dtype:
    return dtype.newbyteorder("=")


def _frame(frames: da.Array, t: int) -> np.ndarray:
    return pixels.read(frames[t])


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


def _arguments(clip: Clip, recording: Recording, selection: Selection) -> OpenArguments:
    """A selection with what makes the clip look as it does."""
    whole_range = ((0.0, 255.0 if clip.frames.dtype == np.uint8 else 1.0),)
    as_it_is = is_fixed(clip.frames.dtype) and set(clip.limits) == set(whole_range)
    look: dict[str, Any] = {
        "name": None if clip.name == recording.name else clip.name,
        "limits": None if as_it_is else clip.limits,
        "colors": clip.tints or None,
        "box": None if clip.box is None else tuple(clip.box.to_json()),
    }
    return OpenArguments(**{k: getattr(selection, k) for k in _SELECTING}, **look)
