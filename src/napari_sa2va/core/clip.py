"""The clip: frames on demand, in playing order, with the physical facts and fixed limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core import pixels
from napari_sa2va.core.axes import ChannelRequest, arrange
from napari_sa2va.core.errors import ClipError, RequestError
from napari_sa2va.core.intensity import (
    Limits,
    check_finite,
    check_limits,
    find_limits,
    is_fixed,
    known_limits,
    to_uint8,
)
from napari_sa2va.core.privacy import NOBODY, Private
from napari_sa2va.core.region_box import Box, as_box
from napari_sa2va.core.tints import ColorRequest, blend, table_of, tints_of

if TYPE_CHECKING:
    import dask.array as da

    from napari_sa2va.core.recording import Recording


@dataclass(frozen=True, eq=False)
class Clip:
    """A movie in playing order. Make one with `open_clip` or `make_clip`.

    Attributes
    ----------
    frames : dask.array.Array, shape (T, Y, X) or (T, Y, X, C)
        Pixels in their own dtype, one frame per chunk, or several chunks per frame where the source
        keeps it so: of a clip that is cropped, only those that the region touches are read. C is at
        most 3, or more with tints.
    limits : tuple of (float, float), one pair per channel
        Values that become 0 and 255, the same in all frames.
    name : str
        Short name for people and for file names.
    source : str or None
        Path of the file or folder; None for an array.
    pixel_size_um : tuple of float or None
        Height and width of a pixel in um, (y, x).
    z_step_um : float or None
        Distance of z planes in um.
    frame_interval_s : float or None
        Time between frames in s, if time plays and is known.
    time_axis : str or None
        Axis that plays: "T", "Z", or None for a single picture.
    z : int, str or None
        Plane or projection that was taken.
    channels : tuple of int or None
        Positions that were taken on the channel axis.
    channel_names : tuple of str
        Their names.
    variable_rate : bool
        Whether the time between frames varies; `frame_interval_s` is then its median.
    tints : tuple of str
        Colours of the channels, one each (see `napari_sa2va.core.tints`), which are added up. Empty:
        one channel is grey, two or three are red, green (and blue).
    box : Box or None
        The part of the frames of the source that this clip is of; None for all.
    notes : tuple of str
        What a person should know about how the clip was read.
    opened_with : mapping
        What was asked for on opening: axes, series, z ... as `open_clip` takes them, JSON types.
    left_out : tuple of str
        Names of what the file says of a person and what is not told here.
    private : Private
        What it says, in memory only. Its words are not in `name` and `notes`, but may be in
        `source`: what is written has `told_source` instead.
    has_pixels : bool
        Whether frames can be read. The other facts alone are enough for most formats of masks.
    """

    frames: da.Array
    limits: tuple[Limits, ...] = ()
    name: str = "clip"
    source: str | None = None
    pixel_size_um: tuple[float, float] | None = None
    z_step_um: float | None = None
    frame_interval_s: float | None = None
    time_axis: str | None = "T"
    z: int | str | None = None
    channels: tuple[int, ...] | None = None
    channel_names: tuple[str, ...] = ()
    variable_rate: bool = False
    tints: tuple[str, ...] = ()
    box: Box | None = None
    notes: tuple[str, ...] = ()
    opened_with: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    private: Private = NOBODY
    has_pixels: bool = True

    def __post_init__(self) -> None:
        shape = self.frames.shape
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] > 3 and not self.tints):
            raise ClipError(
                f"A clip is (T, Y, X) or (T, Y, X, C) with C <= 3, or more with colours, not {shape}.",
                "Use open_clip, which brings axes in order.",
            )
        if 0 in shape:
            raise ClipError(f"The clip {self.name!r} is empty: its shape is {shape}.")
        if self.tints and len(self.tints) != self.num_channels:
            raise ClipError(
                f"There are {len(self.tints)} tints for {self.num_channels} channel(s).",
                "Give one for each, or none.",
            )
        for tint in self.tints:
            table_of(tint)
        limits = self.limits or ((0.0, 255.0) if self.frames.dtype == np.uint8 else (0.0, 1.0))
        object.__setattr__(self, "limits", check_limits(limits, self.num_channels))

    @property
    def told_source(self) -> str | None:
        """The source as it may be written: without words about a person."""
        return self.source and self.private.redact(self.source)

    @property
    def num_frames(self) -> int:
        """Number of frames, at least 1."""
        return int(self.frames.shape[0])

    @property
    def height(self) -> int:
        """Rows of a frame in px."""
        return int(self.frames.shape[1])

    @property
    def width(self) -> int:
        """Columns of a frame in px."""
        return int(self.frames.shape[2])

    @property
    def num_channels(self) -> int:
        """1 for grey, else 2 or 3; with tints any number."""
        return int(self.frames.shape[3]) if self.frames.ndim == 4 else 1

    def frame(self, t: int) -> np.ndarray:
        """Read one frame as it is.

        Parameters
        ----------
        t : int
            Frame index from 0.

        Returns
        -------
        ndarray, shape (Y, X) or (Y, X, C), native dtype

        Raises
        ------
        RequestError
            If there is no such frame.
        ClipError
            If the file cannot be read there.
        """
        if not 0 <= t < self.num_frames:
            raise RequestError(
                f"There is no frame {t} in a clip of {self.num_frames} frames.",
                f"Choose 0 to {self.num_frames - 1}.",
            )
        return pixels.read_frame(self.frames, int(t))

    def rgb(self, t: int) -> np.ndarray:
        """One frame as a model or a person sees it.

        Parameters
        ----------
        t : int
            Frame index from 0.

        Returns
        -------
        ndarray of uint8, shape (Y, X, 3)
            Grey is repeated three times; two or three channels are red, green (and blue). Tinted
            channels are in their colours, added up. 8-bit data come out unchanged unless limits or
            colours were given.

        Raises
        ------
        PixelError
            If the frame has NaN or infinite pixels.
        """
        frame = self.frame(t)
        check_finite(frame, t)
        if frame.ndim == 2:
            frame = frame[:, :, np.newaxis]
        if self.tints:
            pairs = enumerate(self.limits)
            return blend([to_uint8(frame[..., c], pair) for c, pair in pairs], self.tints)
        if len(set(self.limits)) == 1:
            scaled = to_uint8(frame, self.limits[0])
        else:
            scaled = np.stack(
                [to_uint8(frame[..., c], pair) for c, pair in enumerate(self.limits)], axis=-1
            )
        rgb = np.zeros((*frame.shape[:2], 3), np.uint8)
        rgb[...] = scaled if scaled.shape[2] in (1, 3) else 0
        if scaled.shape[2] == 2:
            rgb[..., :2] = scaled
        return rgb

    def crop(self, y0: int, x0: int, y1: int, x1: int) -> Clip:
        """The same clip, of a part of every frame; nothing is read.

        Parameters
        ----------
        y0, x0 : int
            First row and column, in px of this clip.
        y1, x1 : int
            Behind the last row and column.

        Returns
        -------
        Clip
            With the limits of this one, so that the part looks as it does in the whole. Its `box`
            says where it lies in the source's frames, also if this clip was cropped before.

        Raises
        ------
        RequestError
            If nothing lies inside, or a part lies outside the frames.
        """
        part = Box(y0, x0, y1, x1)
        part.check_inside(self.height, self.width)
        inside = f"Only {part.describe()} of {self.height} × {self.width} px are looked at."
        return replace(
            self,
            frames=self.frames[:, y0:y1, x0:x1],
            box=part if self.box is None else part.within(self.box),
            notes=(*self.notes, inside),
        )

    def describe(self, *, patient_data: bool = False) -> dict[str, object]:
        """What the run record says of the clip; JSON types only.

        Parameters
        ----------
        patient_data : bool
            Whether to tell what the file says of a person, and the path if that is in it. Else
            "left_out" names what is not told.
        """
        told = {"patient": dict(self.private.values)} if patient_data else {}
        return {
            "name": self.name,
            "source": self.source if patient_data else self.told_source,
            "num_frames": self.num_frames,
            "height": self.height,
            "width": self.width,
            "dtype": str(self.frames.dtype),
            "time_axis": self.time_axis,
            "z": self.z,
            "channels": list(self.channels) if self.channels is not None else None,
            "channel_names": list(self.channel_names),
            "limits": [list(pair) for pair in self.limits],
            "tints": list(self.tints) or None,
            "box": self.box.to_json() if self.box else None,
            "pixel_size_um": list(self.pixel_size_um) if self.pixel_size_um else None,
            "z_step_um": self.z_step_um,
            "frame_interval_s": self.frame_interval_s,
            "variable_rate": self.variable_rate,
            "opened_with": (NOBODY if patient_data else self.private).redact_all(self.opened_with),
            "left_out": [] if patient_data else list(self.left_out),
            **told,
        }


def make_clip(
    recording: Recording,
    *,
    time: str | None = None,
    z: int | str | None = None,
    channels: ChannelRequest | None = None,
    limits: Limits | Sequence[Limits] | None = None,
    colors: ColorRequest | Sequence[ColorRequest] | None = None,
    box: Box | Sequence[int] | None = None,
    name: str | None = None,
    look: bool = True,
) -> Clip:
    """Choose what plays of a recording and fix its limits; reads at most 16 frames.

    Parameters
    ----------
    recording : Recording
    time, z, channels
        See `napari_sa2va.core.axes.arrange`. With `colors`, there may be any number of channels.
    limits : pair or sequence of pairs, optional
        Values that become 0 and 255, for all channels or for each. By default those that the file
        says are to be shown; else 8-bit data keep their values and others take percentiles 0.1 and
        99.9 of a sample of frames.
    colors : str, ndarray or sequence of them, optional
        The colour of every channel: a name, "#rrggbb", a table of shape (256, 3), or a tint as
        `Clip.describe` tells it. The channels are added up. "file" takes those that the file
        names. By default one channel is grey, and two or three are red, green (and blue).
    box : Box or four numbers, optional
        Rows and columns y0, x0, y1, x1 to look at, in px. Limits are those of whole frames, unless
        they need no look at the pixels; then nothing outside is read.
    name : str, optional
        Instead of the recording's own name.
    look : bool
        Whether to read frames. Without it, limits must be given where the pixels do not keep their
        values, and a movie in which there is nothing to see is not refused, nor one whose frames
        are larger than the memory.

    Returns
    -------
    Clip

    Raises
    ------
    AxesError, PixelError, ClipError
        If the request does not fit the recording, or there is nothing to see in it. Only a movie
        whose sample shows one single value is read further than 16 frames, to be sure: up to 1000.
    RequestError
        If a colour is not known or there is not one per channel, or the box does not fit; without a
        look also if there are no limits.
    """
    if 0 in recording.data.shape:
        raise ClipError(
            f"{recording.source or recording.name} is empty: {recording.describe()}.",
            "A clip needs at least one frame.",
        )
    arranged = arrange(recording, time=time, z=z, channels=channels, many=colors is not None)
    num_channels = arranged.frames.shape[3] if arranged.frames.ndim == 4 else 1
    if box is None and look:
        _check_memory(arranged.frames, recording)
    if colors is not None and arranged.is_color:
        raise RequestError(
            "Colours were asked for, but these are RGB pictures, which have their own.",
            "Leave colors out, or choose one of the samples as a channel.",
        )
    if isinstance(colors, str) and colors == "file":
        colors = _colors_of_file(recording, arranged.channels)
    if limits is None:
        limits = _window_of_file(recording, arranged.channels, arranged.frames.dtype)
    whole = Clip(
        arranged.frames,
        limits=((0.0, 1.0),) * num_channels,
        name=recording.private.redact(name or recording.name),
        source=recording.source,
        pixel_size_um=recording.pixel_size_um,
        z_step_um=recording.z_step_um,
        frame_interval_s=recording.frame_interval_s if arranged.time_axis == "T" else None,
        time_axis=arranged.time_axis,
        z=arranged.z,
        channels=arranged.channels,
        channel_names=arranged.channel_names,
        variable_rate=recording.variable_rate,
        tints=() if colors is None else tints_of(colors, num_channels),
        notes=recording.notes,
        left_out=recording.left_out,
        private=recording.private,
    )
    clip = whole if box is None else whole.crop(*as_box(box).to_json())
    if not look:
        known = known_limits(arranged.frames.dtype, num_channels, limits)
        if known is None:
            raise RequestError(
                f"What is black and what is white in {whole.name} ({arranged.frames.dtype}) is not "
                "known without a look at its pixels.",
                "Give limits.",
            )
        return replace(clip, limits=known)
    seen = clip if limits is not None or is_fixed(arranged.frames.dtype) else whole
    found = find_limits(
        seen.frame,
        seen.num_frames,
        arranged.frames.dtype,
        num_channels=num_channels,
        is_color=arranged.is_color,
        given=limits,
    )
    return replace(clip, limits=found)


def _check_memory(frames: da.Array, recording: Recording) -> None:
    """Refuse frames of which not one can be held: the system would end the process."""
    import psutil

    size, free = frames.nbytes // len(frames), psutil.virtual_memory().available
    if size > free:
        raise ClipError(
            f"One frame of {recording.source or recording.name} takes {size / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB of memory are free ({recording.describe()}).",
            "Look at a part of it (box), or open a smaller copy.",
        )


def _colors_of_file(recording: Recording, channels: tuple[int, ...] | None) -> list[str]:
    if not recording.channel_colors:
        raise RequestError(
            f"{recording.source or recording.name} does not say in which colours its channels are "
            "shown.",
            "Name the colours, or leave them out.",
        )
    return [recording.channel_colors[i] for i in channels or (0,)]


def _window_of_file(
    recording: Recording, channels: tuple[int, ...] | None, dtype: np.dtype
) -> tuple[Limits, ...] | None:
    """Limits that the file asks for; None if it does not, or asks for all that the dtype can hold."""
    window = recording.window
    window = tuple(window[i if len(window) > 1 else 0] for i in channels or (0,) if window)
    if dtype.kind in "iu":
        # What programs write that never looked: most of it would be black.
        whole = (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
        if any(tuple(pair) == whole for pair in window):
            return None
    return window or None
