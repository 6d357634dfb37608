"""Which frames a movie has and when each is shown, without decoding where that can be.

Three ways, the cheapest first, each believed only if the first frames that are decoded bear it out
(see `video.py`):

* *table*: mp4 and mov keep a table of their packets; nothing else of the file is read;
* *listed*: all packets are read. They come in decoding order and carry the time at which their
  frame is shown; sorted by it they are the frames;
* *counted*: where a container has no such times (AVI with B-frames), all frames are decoded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.video.container import opened, reason
from napari_sa2va.readers.video.numbers import (
    CountedNumbers,
    ListedNumbers,
    Numbers,
    TableNumbers,
)

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Containers made to be tuned into at any point.
_BROADCAST = ("mpegts", "mpeg")


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """The frames of one video stream in the order they are shown.

    Attributes
    ----------
    stream : int
        Number of the video stream in its file.
    how : {"table", "listed", "counted"}
        Where the frames are known from.
    stamps : ndarray of int64, shape (T,)
        Ticks of the stream, rising strictly: presentation times, decoding times for "table",
        numbers for "counted".
    keys : ndarray of int64
        Indices of the frames at which decoding can begin, rising; begins with 0.
    key_stamps : ndarray of int64
        For each of `keys` the time to which the demuxer is sent.
    interval_s : float or None
        Median time between two frames; None for a single frame.
    is_variable : bool
        Whether the time between frames varies.
    sizes : ndarray of int64
        For "listed" the bytes of each frame's packet; else empty.
    is_key_first : bool
        Whether all that stands before the first key frame is left out.
    is_cut : bool
        Whether the file, which promises no length, ends within a packet.
    """

    stream: int
    how: Literal["table", "listed", "counted"]
    stamps: np.ndarray
    keys: np.ndarray
    key_stamps: np.ndarray
    interval_s: float | None
    is_variable: bool
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    is_key_first: bool = False
    is_cut: bool = False

    @property
    def num_frames(self) -> int:
        """Number of frames shown."""
        return len(self.stamps)

    def numbers(self) -> Numbers:
        """A fresh account of which frame is which."""
        if self.how == "table":
            return TableNumbers(self.stamps, self.keys)
        if self.how == "listed":
            return ListedNumbers(self.stamps, self.sizes)
        return CountedNumbers()


def indexes(path: Path, container: InputContainer, stream: int = 0) -> Iterator[VideoIndex]:
    """What may be the frames of a movie, the cheapest guess first; the last one is no guess.

    Parameters
    ----------
    path : Path
    container : av.container.InputContainer
        The same file, opened; nothing is read from it.
    stream : int
        Which video stream.

    Raises
    ------
    ClipError
        If it has no frames or ends before what its header promises.
    """
    table = _of_table(path, stream, container, container.streams.video[stream])
    if table is not None:
        yield table
    with opened(path, stream) as (fresh, video):
        listed = _of_packets(path, stream, fresh, video)
    if listed is not None:
        yield listed
    yield _counted(path, stream)


def _of_table(
    path: Path, stream: int, container: InputContainer, video: VideoStream
) -> VideoIndex | None:
    """The table of mp4 and mov, unless it hides frames or plays a part twice."""
    table = getattr(video, "index_entries", None)  # PyAV has it from version 17 on
    if table is None or "mp4" not in container.format.name or len(table) != video.frames:
        return None
    size = path.stat().st_size
    if len(table) > size:
        raise ClipError(
            f"{path} promises {len(table)} frames in {size} bytes.",
            "Its table is damaged; copy the file again.",
        )
    if not len(table):
        return None
    entries = table[:]
    dts, begins, sizes, is_key, is_hidden = (
        np.fromiter(map(attrgetter(name), entries), np.int64, len(entries))
        for name in ("timestamp", "pos", "size", "is_keyframe", "is_discard")
    )
    ends = begins + sizes
    if ends.max() > size:
        raise _truncated(path, f"{int((ends <= size).sum())} of {len(table)} frames are there")
    if is_hidden.any() or (np.diff(dts) <= 0).any():
        return None
    keys = np.union1d([0], np.flatnonzero(is_key))
    # The demuxer is sent to the time at which a key frame is shown, which is a little later.
    delay = 0 if video.start_time is None else max(0, video.start_time - int(dts[0]))
    return VideoIndex(stream, "table", dts, keys, dts[keys] + delay, *_rate(dts, video))


class _Shown(NamedTuple):
    """A packet whose frame is shown."""

    pts: int | None
    dts: int | None
    is_key: bool
    size: int


def _of_packets(
    path: Path, stream: int, container: InputContainer, video: VideoStream
) -> VideoIndex | None:
    """All packets, sorted by the time they are shown; None if they do not say it."""
    import av

    is_vp8 = video.codec_context.name in ("vp8", "libvpx")
    is_broadcast = container.format.name in _BROADCAST
    promised, num_packets, is_cut = video.frames, 0, False
    shown: list[_Shown] = []
    try:
        for packet in container.demux(video):
            if packet.size == 0:  # the empty packet that ends a stream
                continue
            if packet.is_corrupt:
                is_cut = True
                continue
            num_packets += 1
            # An edit list hides frames that are only there to be decoded; so does VP8 by a bit.
            if not packet.is_discard and not (is_vp8 and not bytes(packet)[0] & 0x10):
                shown.append(_Shown(packet.pts, packet.dts, packet.is_keyframe, packet.size))
    except (av.error.FFmpegError, OSError):
        is_cut = True
    _check_complete(path, container, video, shown, num_packets, promised, is_cut)
    if is_broadcast:
        shown = _from_first_key(shown)
    stamps = [one.pts for one in shown]
    # AVI numbers its packets in the order of decoding.
    has_no_times = container.format.name == "avi" and video.codec_context.has_b_frames
    if has_no_times or None in stamps or len(set(stamps)) < len(stamps) or not shown:
        return None
    # Demuxers of streams that are broadcast look for the time of decoding when they seek.
    goes = [one.dts if is_broadcast and one.dts is not None else one.pts for one in shown]
    order = np.argsort(np.array(stamps, np.int64))
    pts, goes_to, is_key, sizes = (
        np.array(row, np.int64)[order]
        for row in (stamps, goes, [o.is_key for o in shown], [o.size for o in shown])
    )
    # Frames before the first key frame can only come from decoding from the start.
    keys = np.union1d([0], np.flatnonzero(is_key))
    return VideoIndex(
        stream, "listed", pts, keys, goes_to[keys], *_rate(pts, video), sizes=sizes,
        is_key_first=bool(is_key[0]), is_cut=is_cut,
    )  # fmt: skip


def _from_first_key(shown: list[_Shown]) -> list[_Shown]:
    """Without what refers to frames that were sent before this recording began."""
    first = next((i for i, one in enumerate(shown) if one.is_key and one.pts is not None), 0)
    begin = shown[first].pts if shown else None
    if begin is None:
        return shown
    return [one for one in shown[first:] if one.pts is None or one.pts >= begin]


def _check_complete(
    path: Path,
    container: InputContainer,
    video: VideoStream,
    shown: list[_Shown],
    num_packets: int,
    promised: int,
    is_cut: bool,
) -> None:
    # What is broadcast, or written in fragments, promises nothing: it may end anywhere.
    name = container.format.name
    promises = name not in _BROADCAST and not ("mp4" in name and not promised)
    missing = ""
    if promised > num_packets:
        missing = f"{num_packets} of {promised} frames are there"
    elif is_cut and promises and container.duration:
        missing = f"it breaks off after {num_packets} frames"
    elif not promised and len(container.streams) == 1 and container.duration and video.time_base:
        # Matroska does not say how many frames it has, but how long it is.
        stamps = [one.pts for one in shown if one.pts is not None]
        told_s = container.duration / 1e6
        last_s = float(max(stamps, default=0) * video.time_base)
        step_s = last_s / max(1, len(stamps) - 1)
        if promises and told_s - last_s > max(0.5, 3 * step_s):
            missing = f"{last_s:.1f} of {told_s:.1f} s are there"
    if missing:
        raise _truncated(path, missing)
    if num_packets == 0:
        raise ClipError(f"{path} holds no frames.", "Is this a movie with a picture?")


def _truncated(path: Path, missing: str) -> ClipError:
    return ClipError(
        f"{path} is truncated: {missing}.",
        "Copy the file again, or save what is there: ffmpeg -i IN -c copy OUT.mkv",
    )


def _counted(path: Path, stream: int) -> VideoIndex:
    """Count the frames by decoding all of them once."""
    import av

    with opened(path, stream) as (container, video):
        try:
            num_frames = sum(1 for _ in container.decode(video))
        except (av.error.FFmpegError, OSError) as error:
            raise undecodable(path, error) from error
        rate = video.average_rate or video.guessed_rate
    if num_frames == 0:
        raise ClipError(f"{path} holds no frames that can be decoded.", "The file is damaged.")
    interval = float(1 / rate) if rate and num_frames > 1 else None
    start = np.zeros(1, np.int64)
    return VideoIndex(stream, "counted", np.arange(num_frames), start, start, interval, False)


def undecodable(path: str | Path, error: Exception) -> ClipError:
    """What is said of a movie of which not even the first frame can be decoded."""
    return ClipError(
        f"{path} cannot be decoded ({reason(error)}).", "The file is damaged or truncated."
    )


def _rate(stamps: np.ndarray, video: VideoStream) -> tuple[float | None, bool]:
    """Median step in s, and whether steps differ by more than the rounding of time stamps."""
    if len(stamps) < 2 or not video.time_base:
        return None, False
    steps = np.diff(stamps)
    median = float(np.median(steps))
    is_variable = bool(np.abs(steps - median).max() > max(2.0, 0.05 * median))
    # Whole milliseconds (Matroska) round 33.37 to 33 or 34: the mean is nearer where it is even.
    step = median if is_variable else float(np.mean(steps))
    return float(f"{step * float(video.time_base):.9g}"), is_variable
