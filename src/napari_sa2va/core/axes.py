"""Named axes: which of them plays as time, which plane, which channels.

Nothing is guessed where a wrong guess would change a measurement: a stack with both T and Z needs
to be told the plane, and one with more than three channels which of them to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import AxesError
from napari_sa2va.core.flag_names import asked

if TYPE_CHECKING:
    import dask.array as da

    from napari_sa2va.core.recording import Recording

KNOWN_AXES = "TZCYXS"
PROJECTIONS = ("max", "mean")
_SAMPLE_NAMES = ("red", "green", "blue", "alpha")

ChannelRequest = int | str | Sequence[int | str]


@dataclass(frozen=True, eq=False)
class Arranged:
    """A recording brought into playing order.

    Attributes
    ----------
    frames : dask.array.Array, shape (T, Y, X) or (T, Y, X, C)
        Native dtype, C from 2 on. A chunk holds no more than one frame, and all its channels.
    time_axis : str or None
        Letter of the axis that plays, None for a single picture.
    z : int, str or None
        The plane or projection taken.
    channels : tuple of int or None
        Positions taken on C (or S), None if the recording has neither.
    channel_names : tuple of str
        Names of the channels taken, in the order red, green, blue.
    is_color : bool
        Whether the channels are the colour samples of one camera picture.
    """

    frames: da.Array
    time_axis: str | None
    z: int | str | None
    channels: tuple[int, ...] | None
    channel_names: tuple[str, ...]
    is_color: bool


def check_axes(axes: str, ndim: int) -> str:
    """Return the axes in capitals after checking them against the number of dimensions.

    Raises
    ------
    AxesError
        On an unknown or repeated letter, on a wrong count, or without both Y and X.
    """
    letters = axes.strip().upper()
    unknown = [a for a in letters if a not in KNOWN_AXES]
    if unknown:
        raise AxesError(
            f"Unknown axis {unknown[0]!r} in {axes!r}.",
            "Use letters out of TZCYXS: time, z, channel, y, x, RGB samples.",
        )
    if len(set(letters)) != len(letters):
        raise AxesError(f"An axis is named twice in {axes!r}.", "Name each axis once.")
    if len(letters) != ndim:
        raise AxesError(
            f"The axes {axes!r} name {len(letters)} dimensions, but the data have {ndim}.",
            "Name every dimension, in the order of the data.",
        )
    if "Y" not in letters or "X" not in letters:
        raise AxesError(f"The axes {axes!r} lack Y or X.", "A frame needs both.")
    return letters


def guess_axes(shape: tuple[int, ...], rgb: bool | None = None) -> str:
    """Axes of an array that carries none: YX, TYX, YXS or TYXS.

    Parameters
    ----------
    shape : tuple of int
    rgb : bool, optional
        Whether the last dimension holds colour samples. By default it does if it is 3 or 4 long
        and the array has at least three dimensions.

    Raises
    ------
    AxesError
        If more than one dimension is left over: time, z and channels look alike.
    """
    ndim = len(shape)
    if rgb is None:
        rgb = ndim >= 3 and shape[-1] in (3, 4)
    if rgb and (ndim < 3 or shape[-1] not in (3, 4)):
        raise AxesError(
            f"An RGB array ends with 3 or 4 samples, this one has the shape {shape}.",
            "Leave rgb out, or name the axes.",
        )
    tail = "YXS" if rgb else "YX"
    extra = ndim - len(tail)
    if extra < 0:
        raise AxesError(f"An array of shape {shape} is not an image.", "Give at least Y and X.")
    if extra > 1:
        raise AxesError(
            f"Which axes does an array of shape {shape} have?",
            _name_them("?" * extra + tail),
        )
    return "T" * extra + tail


def unnamed(recording: Recording) -> AxesError | None:
    """What is to be said of a recording whose file does not name all axes; None if it does."""
    if set(recording.axes) <= set(KNOWN_AXES):
        return None
    shape = " x ".join(str(n) for n in recording.data.shape)
    return AxesError(
        f"{recording.source or recording.name} does not name all its axes; its shape is {shape}.",
        _name_them(recording.axes),
    )


def _name_them(axes: str) -> str:
    """How axes are named, with the letters that are free for those that have none."""
    free = [letter for letter in "TZC" if letter not in axes]
    if sum(axis not in KNOWN_AXES for axis in axes) > len(free):
        return "Time, z and channels are the most that is read: save a part of it."
    example = "".join(axis if axis in KNOWN_AXES else free.pop(0) for axis in axes)
    return f"Name them, for example {asked('axes', example)}."


def relabel(recording: Recording, axes: str | None, rgb: bool | None) -> Recording:
    """Apply what the user says about the axes to what the file says.

    Parameters
    ----------
    recording : Recording
    axes : str, optional
        New letters, one per dimension.
    rgb : bool, optional
        True reads a channel axis of 3 or 4 as colour samples; False reads samples as channels.
    """
    if axes is not None:
        recording = replace(recording, axes=check_axes(axes, recording.data.ndim))
    if rgb is True and "S" not in recording.axes:
        if recording.size("C") not in (3, 4):
            raise AxesError(
                f"There are no RGB samples here: {recording.describe()}.",
                "Leave rgb out, or choose channels instead.",
            )
        return replace(recording, axes=recording.axes.replace("C", "S"))
    if rgb is False and "S" in recording.axes and "C" not in recording.axes:
        return replace(recording, axes=recording.axes.replace("S", "C"))
    return recording


def arrange(
    recording: Recording,
    *,
    time: str | None = None,
    z: int | str | None = None,
    channels: ChannelRequest | None = None,
    many: bool = False,
) -> Arranged:
    """Bring a recording into the order (T, Y, X) or (T, Y, X, C), lazily.

    Parameters
    ----------
    recording : Recording
    time : str, optional
        Axis that plays as time. By default T, or else Z; a recording with neither is one frame.
    z : int or {"max", "mean"}, optional
        Plane from 0, or a projection. Needed if z does not play and has more than one plane.
    channels : int, str or sequence of them, optional
        One to three positions from 0 or names; shown as red, green and blue in this order, one
        alone as grey. By default all, if there are at most three.
    many : bool
        Whether there may be more than three channels, because each will be given a colour.

    Returns
    -------
    Arranged

    Raises
    ------
    AxesError
        If the request does not fit; the message says what the recording has.
    """
    missing = unnamed(recording)
    if missing is not None:
        raise missing
    axes = check_axes(recording.axes, recording.data.ndim)
    play = _playing_axis(recording, time)
    data, axes, z_taken = _take_plane(recording, recording.data, axes, play, z)
    if "T" in axes and play != "T":
        if recording.size("T") > 1:
            raise AxesError(
                f"{play} shall play as time, but T has {recording.size('T')} positions too "
                f"({recording.describe()}).",
                f"Let T play, with {asked('z', 'max')} or one plane, or save one time point as a file "
                "of its own.",
            )
        data, axes = _drop(data, axes, "T", 0)
    data, axes, taken, names, is_color = _take_channels(recording, data, axes, channels, many)
    if play is None:
        data, axes = data[np.newaxis], "T" + axes
        play_letter = "T"
    else:
        play_letter = play
    order = play_letter + "YX" + ("C" if "C" in axes else "")
    frames = data.transpose(tuple(axes.index(a) for a in order))
    # Rows and columns stay in the chunks of the source: a region then reads only what it touches.
    frames = frames.rechunk({0: 1, 3: -1} if frames.ndim == 4 else {0: 1})
    return Arranged(frames, play, z_taken, taken, names, is_color)


def _playing_axis(recording: Recording, time: str | None) -> str | None:
    if time is None:
        if "T" in recording.axes and (recording.size("T") > 1 or "Z" not in recording.axes):
            return "T"
        return "Z" if recording.size("Z") > 1 else ("T" if "T" in recording.axes else None)
    letter = time.strip().upper()
    if letter not in ("T", "Z") or letter not in recording.axes:
        raise AxesError(
            f"The axis {time!r} cannot play as time here: {recording.describe()}.",
            "Choose T or Z, if the recording has it, or name the axes anew.",
        )
    return letter


def _take_plane(
    recording: Recording, data: da.Array, axes: str, play: str | None, z: int | str | None
) -> tuple[da.Array, str, int | str | None]:
    if "Z" not in axes or play == "Z":
        if z is not None and not ("Z" not in axes and z in (0, *PROJECTIONS)):
            why = "z plays as time" if play == "Z" else "there is no z axis"
            raise AxesError(
                f"The plane z={z!r} was asked for, but {why} ({recording.describe()}).",
                "Leave z out.",
            )
        return data, axes, None
    planes = recording.size("Z")
    if z is None:
        if planes > 1:
            through = (
                f", or play through z: {asked('time', 'Z')}" if recording.size("T") == 1 else ""
            )
            raise AxesError(
                f"Which of {planes} z planes? The recording has {recording.describe()}.",
                f"{_planes_to_give(planes)}{through}.",
            )
        z = 0
    if isinstance(z, str) and z.lower() in PROJECTIONS:
        return *_project(data, axes, z.lower()), z.lower()
    index = _as_index(z)
    if index is None or not 0 <= index < planes:
        raise AxesError(
            f"There is no z plane {z!r}; the recording has {recording.describe()}.",
            f"{_planes_to_give(planes)}.",
        )
    return *_drop(data, axes, "Z", index), index


def _planes_to_give(planes: int) -> str:
    return (
        f"Give a plane from 0 to {planes - 1}, for example {asked('z', planes // 2)}, or a "
        f"projection: {asked('z', 'max')} (or mean)"
    )


def _as_index(value: int | str) -> int | None:
    """A whole number out of what a person or the command line gave."""
    if isinstance(value, str):
        return int(value) if value.strip().isdecimal() else None
    return int(value) if isinstance(value, int | np.integer) else None


def _drop(data: da.Array, axes: str, axis: str, index: int) -> tuple[da.Array, str]:
    position = axes.index(axis)
    return data[(slice(None),) * position + (index,)], axes.replace(axis, "")


def _project(data: da.Array, axes: str, how: str) -> tuple[da.Array, str]:
    position = axes.index("Z")
    whole = data.rechunk({position: -1})
    projected = whole.map_blocks(
        _project_block, position, how, drop_axis=position, dtype=data.dtype
    )
    return projected, axes.replace("Z", "")


def _project_block(block: np.ndarray, axis: int, how: str) -> np.ndarray:
    """Projection in the dtype of the data, so that 8-bit data stay 8-bit data."""
    if how == "max":
        return block.max(axis=axis)
    mean = block.mean(axis=axis)
    if block.dtype.kind in "iu":
        mean = np.rint(mean)
    return mean.astype(block.dtype)


def _take_channels(
    recording: Recording,
    data: da.Array,
    axes: str,
    channels: ChannelRequest | None,
    many: bool,
) -> tuple[da.Array, str, tuple[int, ...] | None, tuple[str, ...], bool]:
    if "C" in axes and "S" in axes:
        if recording.size("C") > 1:
            raise AxesError(
                f"The recording has channels and RGB samples at once: {recording.describe()}.",
                "Name the axes so that one of both is left.",
            )
        data, axes = _drop(data, axes, "C", 0)
    letter = "S" if "S" in axes else "C"
    if letter not in axes:
        if channels is not None and list(_as_list(channels)) not in ([0], ["0"]):
            raise AxesError(
                f"Channels {channels!r} were asked for, but there is no channel axis "
                f"({recording.describe()}).",
                "Leave channels out.",
            )
        return data, axes, None, (), False
    count = recording.size(letter)
    is_color = letter == "S"
    names = _channel_names(recording, count, is_color)
    if channels is None:
        # Grey + alpha and colour + alpha: alpha is no light, so it is not shown.
        taken = tuple(range({2: 1, 4: 3}.get(count, count) if is_color else count))
        if len(taken) > 3 and not many:
            raise AxesError(
                f"Which of {count} channels? The recording has {_listed(names)}.",
                f"Choose one to three, for example {asked('channels', 0)}; they are shown as red, "
                "green and blue.",
            )
    else:
        taken = _positions(channels, names, count, many)
        is_color = is_color and taken == (0, 1, 2)
    position = axes.index(letter)
    if len(taken) == 1:
        data, axes = _drop(data, axes, letter, taken[0])
        is_color = False
    else:
        if taken != tuple(range(count)):
            data = data[(slice(None),) * position + (list(taken),)]
        axes = axes.replace(letter, "C")
    return data, axes, taken, tuple(names[i] for i in taken), is_color


def _channel_names(recording: Recording, count: int, is_color: bool) -> tuple[str, ...]:
    if len(recording.channel_names) == count:
        return recording.channel_names
    if is_color and count >= 3:
        return _SAMPLE_NAMES[:count]
    return tuple(str(i) for i in range(count))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(n if n == str(i) else f"{i} {n!r}" for i, n in enumerate(names))


def _as_list(channels: ChannelRequest) -> list[int | str]:
    if isinstance(channels, int | str | np.integer):
        return [channels]
    return list(channels)


def _positions(
    channels: ChannelRequest, names: tuple[str, ...], count: int, many: bool
) -> tuple[int, ...]:
    wanted = _as_list(channels)
    if not wanted or (len(wanted) > 3 and not many):
        how = "one or more" if many else "one to three"
        raise AxesError(
            f"{len(wanted)} channels were asked for.", f"Choose {how} of: " + _listed(names)
        )
    lowered = [name.lower() for name in names]
    found = []
    for channel in wanted:
        if isinstance(channel, str) and channel.strip().lower() in lowered:
            index: int | None = lowered.index(channel.strip().lower())
        else:
            index = _as_index(channel)
        if index is None or not 0 <= index < count:
            raise AxesError(
                f"There is no channel {channel!r}; the recording has {_listed(names)}.",
                "Give positions from 0 or names.",
            )
        if index in found:
            raise AxesError(f"Channel {channel!r} was asked for twice.", "Name each once.")
        found.append(index)
    return tuple(found)
