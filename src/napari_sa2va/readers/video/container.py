"""Opening a movie: which containers are let in, what FFmpeg may touch, and which stream is meant.

FFmpeg also reads playlists and pseudo-files that name other files or hosts (HLS, DASH, concat,
subfile, SDP). None of them is a movie of ours: only containers of the list below are let in, and
only the one file that was named is ever opened, whatever stands in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import ClipError, SeriesError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_CONTAINERS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "asf", "asf_o", "flv", "ogg", "gif"),
)
# A frame of 16384 x 8192; what a small file claims beyond it would only fill the memory.
_MOST_PIXELS = 2**27
# More threads of the decoder cost memory and delay the first frame after a seek.
_MOST_THREADS = 4


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
    container = open_container(path)
    videos = container.streams.video
    if stream >= len(videos):
        container.close()
        raise ClipError(f"{path} has {len(videos)} video stream(s), number {stream} was asked for.")
    chosen = videos[stream]
    chosen.thread_type = "AUTO"
    chosen.codec_context.thread_count = min(_MOST_THREADS, 1 + (os.cpu_count() or 1))
    chosen.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
    return container, chosen


def open_container(path: str | Path) -> InputContainer:
    """Open the container of a movie; the caller closes it.

    Raises
    ------
    ClipError
        If FFmpeg does not know the file, or it is of a kind that is not let in.
    """
    import av

    # Before version 19 PyAV gives up on a file whose title is not in UTF-8, unless told not to.
    is_old = int(av.__version__.partition(".")[0]) < 19
    more: dict[str, Any] = {"metadata_errors": "ignore"} if is_old else {}
    options = {
        "format_whitelist": ",".join(_CONTAINERS),
        "protocol_whitelist": "file",
        "max_pixels": str(_MOST_PIXELS),
    }
    try:
        # "file:" keeps a colon in a name from being read as a protocol.
        return av.open(f"file:{path}", "r", options=options, **more)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ClipError(
            f"{path} cannot be read as a movie ({reason(error)}).",
            "Is the file complete? A recording that was cut off has no index at its end.",
        ) from error


def reason(error: Exception) -> str:
    """What went wrong, without the path that FFmpeg's errors repeat."""
    return getattr(error, "strerror", None) or str(error)


def choose_stream(path: Path, container: InputContainer, wanted: int | str | None) -> int:
    """Which video stream plays, as a number among all video streams.

    Cover pictures and thumbnails are no choice.

    Raises
    ------
    SeriesError
        If there are several and none was chosen, or the chosen one is not there.
    ClipError
        If there is none at all.
    """
    # Without a codec context FFmpeg has no decoder for it.
    movies = [
        s for s in container.streams.video if s.codec_context is not None and not _is_picture(s)
    ]
    if not movies:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise ClipError(
            f"{path} has no moving picture that can be decoded; it holds {kinds}.",
            "Is this only sound?",
        )
    numbers = [container.streams.video.index(s) for s in movies]
    choices = [(i, _words(movie)) for i, movie in enumerate(movies)]
    listed = "; ".join(f"{key}: {words}" for key, words in choices)
    if wanted is None:
        if len(movies) == 1:
            return numbers[0]
        raise SeriesError(
            f"{path} has {len(movies)} video streams.", f"Choose one of {listed}.", choices
        )
    for (key, _), movie, number in zip(choices, movies, numbers, strict=True):
        title = movie.metadata.get("title")
        if str(wanted) == str(key) or (title and wanted == title):
            return number
    raise SeriesError(
        f"{path} has {len(movies)} video stream(s) and none called {wanted!r}.",
        f"It has {listed}.",
        choices,
    )


def _is_picture(stream: VideoStream) -> bool:
    disposition = getattr(stream, "disposition", 0)
    names = ("attached_pic", "timed_thumbnails")
    return any(bool(disposition & getattr(type(disposition), n, 0)) for n in names)


def _words(stream: VideoStream) -> str:
    """One stream for people: its title, how many frames of which size."""
    codec = stream.codec_context
    title = stream.metadata.get("title")
    count = f"T={stream.frames}, " if stream.frames else ""
    return f"{f'{title}, ' if title else ''}{count}Y={codec.height}, X={codec.width}"
