"""Which frames a movie has and when each is shown, from its packets, without decoding.

Packets come in decoding order and carry the time at which their frame is shown. Sorted by it they
are the frames. Where a container has no such times (AVI with B-frames), or packets that are never
shown (VP8), the frames are counted by decoding once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sa2va.core.errors import ClipError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# So many first frames are decoded to see whether the packets told the truth.
_CHECKED_FRAMES = 8


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """The frames of one video stream in the order they are shown.

    Attributes
    ----------
    stream : int
        Number of the video stream in its file.
    pts : ndarray of int64, shape (T,)
        Presentation time stamps in ticks of the stream, rising strictly.
    keys : ndarray of int64
        Indices of the frames at which decoding can begin, rising; begins with 0.
    must_count : bool
        Whether time stamps cannot be trusted, so that frame t is the t-th decoded from the start.
    interval_s : float or None
        Median time between two frames; None for a single frame.
    is_variable : bool
        Whether the time between frames varies.
    """

    stream: int
    pts: np.ndarray
    keys: np.ndarray
    must_count: bool
    interval_s: float | None
    is_variable: bool

    @property
    def num_frames(self) -> int:
        """Number of frames shown."""
        return len(self.pts)

    def key_before(self, t: int) -> int:
        """Index of the last frame, at most `t`, at which decoding can begin."""
        return int(self.keys[np.searchsorted(self.keys, t, side="right") - 1])


@contextmanager
def opened(path: str | Path, stream: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A movie opened for reading, with one of its video streams; closed at the end."""
    container, chosen = open_stream(path, stream)
    try:
        yield container, chosen
    finally:
        container.close()


def open_stream(path: str | Path, stream: int) -> tuple[InputContainer, VideoStream]:
    """Open a movie; the caller closes the container.

    Raises
    ------
    ClipError
        If FFmpeg does not know the file, or it has no such video stream.
    """
    import av

    try:
        # Before version 19 PyAV gives up on a file whose title is not in UTF-8, unless told not to.
        is_old = int(av.__version__.partition(".")[0]) < 19
        more: dict[str, Any] = {"metadata_errors": "ignore"} if is_old else {}
        container = av.open(str(path), "r", **more)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ClipError(
            f"{path} cannot be read as a movie ({_reason(error)}).",
            "Is the file complete? A recording that was cut off has no index at its end.",
        ) from error
    videos = container.streams.video
    if stream >= len(videos):
        container.close()
        raise ClipError(
            f"{path} has {len(videos)} video stream(s), number {stream} was asked for.",
            "Is this a movie, or only sound?" if not videos else "Count from 0.",
        )
    return container, videos[stream]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def build_index(path: Path, stream: int = 0) -> VideoIndex:
    """List the frames of a movie; its packets are read once.

    Raises
    ------
    ClipError
        If it has no frames or ends before what its header promises.
    """
    with opened(path, stream) as (container, video):
        pts, is_key, is_complete = _list_packets(path, container, video)
        time_base = video.time_base
        is_listed = (
            pts is not None
            and not (container.format.name == "avi" and video.codec_context.has_b_frames)
            and video.codec_context.name not in ("vp8", "libvpx")
        )
    if is_complete == 0:
        raise ClipError(f"{path} holds no frames.", "Is this a movie with a picture?")
    if pts is not None and is_listed and _agrees(path, stream, pts):
        keys = np.flatnonzero(is_key)
        # Frames before the first key frame can only come from decoding from the start.
        keys = np.union1d([0], keys)
        steps = np.diff(pts)
        seconds = float(time_base) if time_base else None
        return VideoIndex(stream, pts, keys, False, *_rate(steps, seconds))
    return _counted(path, stream)


def _list_packets(
    path: Path, container: InputContainer, video: VideoStream
) -> tuple[np.ndarray | None, np.ndarray, int]:
    """Times and key flags in showing order (None if there are no times), and the packet count."""
    import av

    rows: list[tuple[int | None, bool]] = []
    num_packets, is_broken = 0, False
    promised = video.frames
    try:
        for packet in container.demux(video):
            if packet.size == 0:  # the empty packet that ends a stream
                continue
            if packet.is_corrupt:
                is_broken = True
                continue
            num_packets += 1
            # An edit list hides frames that are only there to be decoded.
            if not packet.is_discard:
                rows.append((packet.pts, packet.is_keyframe))
    except (av.error.FFmpegError, OSError):
        is_broken = True
    _check_complete(path, container, video, rows, num_packets, promised, is_broken)
    stamps = [p for p, _ in rows]
    if any(p is None for p in stamps) or len(set(stamps)) < len(stamps):
        return None, np.zeros(0, bool), num_packets
    pts = np.array(stamps, np.int64)
    order = np.argsort(pts)
    return pts[order], np.array([k for _, k in rows], bool)[order], num_packets


def _check_complete(
    path: Path,
    container: InputContainer,
    video: VideoStream,
    rows: list[tuple[int | None, bool]],
    num_packets: int,
    promised: int,
    is_broken: bool,
) -> None:
    missing = ""
    if promised > num_packets:
        missing = f"{num_packets} of {promised} frames are there"
    elif is_broken:
        missing = f"it breaks off after {num_packets} frames"
    elif not promised and len(container.streams) == 1 and container.duration and video.time_base:
        # Matroska does not say how many frames it has, but how long it is.
        shown = [p for p, _ in rows if p is not None]
        told_s = container.duration / 1e6
        last_s = float(max(shown, default=0) * video.time_base)
        step_s = last_s / max(1, len(shown) - 1)
        if told_s - last_s > max(0.5, 3 * step_s):
            missing = f"{last_s:.1f} of {told_s:.1f} s are there"
    if missing:
        raise ClipError(
            f"{path} is truncated: {missing}.",
            "Copy the file again, or save what is there: ffmpeg -i IN -c copy OUT.mkv",
        )


def _agrees(path: Path, stream: int, pts: np.ndarray) -> bool:
    """Whether the first frames that come out of the decoder bear the times of the packets."""
    import av

    with opened(path, stream) as (container, video):
        try:
            first = [f.pts for f in islice(container.decode(video), _CHECKED_FRAMES)]
        except (av.error.FFmpegError, OSError) as error:
            raise _undecodable(path, error) from error
    return first == [int(p) for p in pts[: len(first)]] and bool(first)


def _counted(path: Path, stream: int) -> VideoIndex:
    """Count the frames by decoding all of them once."""
    import av

    with opened(path, stream) as (container, video):
        try:
            num_frames = sum(1 for _ in container.decode(video))
        except (av.error.FFmpegError, OSError) as error:
            raise _undecodable(path, error) from error
        rate = video.average_rate or video.guessed_rate
    if num_frames == 0:
        raise ClipError(f"{path} holds no frames that can be decoded.")
    interval = float(1 / rate) if rate and num_frames > 1 else None
    return VideoIndex(stream, np.arange(num_frames), np.zeros(1, np.int64), True, interval, False)


def _undecodable(path: Path, error: Exception) -> ClipError:
    return ClipError(
        f"{path} cannot be decoded ({_reason(error)}).", "The file is damaged or truncated."
    )


def _rate(steps: np.ndarray, seconds: float | None) -> tuple[float | None, bool]:
    """Median step in s, and whether steps differ by more than the rounding of time stamps."""
    if steps.size == 0 or seconds is None:
        return None, False
    median = float(np.median(steps))
    is_variable = bool(np.abs(steps - median).max() > max(2.0, 0.05 * median))
    # Whole milliseconds (Matroska) round 33.37 to 33 or 34: the mean is nearer where it is even.
    step = median if is_variable else float(np.mean(steps))
    return float(f"{step * seconds:.9g}"), is_variable
