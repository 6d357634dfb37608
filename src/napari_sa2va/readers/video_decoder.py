"""Frame-exact access to a movie: sequential reads go on, others seek to the key frame before.

One decoder per file and process, behind a lock; it closes its file when the last array that uses
it is gone. Frames passed on the way are kept for a while, because several threads ask out of order
and propagation backward asks in reverse.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.video_index import VideoIndex, open_stream

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

_KEPT_BYTES = 64 * 2**20
_KEPT_FRAMES = 48
# Up to so many frames ahead it is cheaper to decode on than to seek.
_NEAR = 8

_decoders: WeakValueDictionary[tuple[Any, ...], _Decoder] = WeakValueDictionary()
_decoders_lock = threading.Lock()

# Formats with one channel, and what NumPy gets of them.
_GREY = ("gray", "gray8", "gray9le", "gray10le", "gray12le", "gray14le", "gray16le", "gray16be")


class VideoPlanes:
    """Frames of a movie by number; can be pickled, the decoder is found again on arrival."""

    def __init__(self, path: str, index: VideoIndex) -> None:
        self.path = path
        self.index = index
        self._decoder: _Decoder | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "index": self.index, "_decoder": None}

    def frame(self, t: int) -> VideoFrame:
        """Decode frame `t`."""
        if self._decoder is None:
            self._decoder = _shared_decoder(self.path, self.index)
        return self._decoder.frame(t)

    def read(self, index: int) -> np.ndarray:
        """Frame `index` as an array, (Y, X, 3) or (Y, X)."""
        return to_array(self.frame(index))


def to_array(frame: VideoFrame) -> np.ndarray:
    """Pixels of a frame as it is meant to be seen, turned as its rotation flag says.

    Returns
    -------
    ndarray
        uint8 (Y, X, 3); for grey formats (Y, X) in uint8, or uint16 with the stored values.
    """
    if frame.format.name in _GREY:
        name = "gray" if frame.format.name == "gray8" else frame.format.name
        pixels = frame.to_ndarray(format=name)
    else:
        pixels = frame.to_ndarray(format="rgb24")
    # FFmpeg and NumPy both count quarter turns counter-clockwise.
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _shared_decoder(path: str, index: VideoIndex) -> _Decoder:
    stat = Path(path).stat()
    key = (os.getpid(), os.path.realpath(path), stat.st_mtime_ns, stat.st_size, index.stream)
    with _decoders_lock:
        decoder = _decoders.get(key)
        if decoder is None:
            decoder = _decoders[key] = _Decoder(path, index)
        return decoder


class _Decoder:
    """One open movie. `frame` may be called from any thread."""

    def __init__(self, path: str, index: VideoIndex) -> None:
        self._path = path
        self._index = index
        self._lock = threading.Lock()
        self._container: InputContainer | None = None
        self._frames: Iterator[VideoFrame] = iter(())
        self._next = 0  # index of the frame that comes out next, if all goes well
        self._kept: OrderedDict[int, VideoFrame] = OrderedDict()
        self._number: dict[int | None, int] = {int(p): i for i, p in enumerate(index.pts)}
        self.num_seeks = 0

    def __del__(self) -> None:
        if self._container is not None:
            self._container.close()

    def frame(self, t: int) -> VideoFrame:
        """Frame `t`; raises `ClipError` if the file is damaged there."""
        with self._lock:
            if t in self._kept:
                self._kept.move_to_end(t)
                return self._kept[t]
            key = self._index.key_before(t)
            is_ahead = self._container is not None and self._next <= t
            if is_ahead and (key < self._next or t - self._next <= _NEAR):
                found = self._decode_to(t)
                if found is not None:
                    return found
            return self._seek_and_decode(t, key)

    def _seek_and_decode(self, t: int, key: int) -> VideoFrame:
        """Begin at the key frame; if the container landed behind `t`, at the ones before it."""
        while True:
            self._begin_at(key)
            found = self._decode_to(t)
            if found is not None:
                return found
            if key == 0:
                raise ClipError(
                    f"{self._path}: frame {t} of {self._index.num_frames} does not come out of "
                    "the decoder.",
                    "The file is damaged there.",
                )
            key = self._index.key_before(key - 1)

    def _begin_at(self, key: int) -> None:
        """Let the decoder begin at a key frame, or at the start of a file that cannot be sought."""
        self.num_seeks += 1
        if self._container is None or key == 0:
            self._open()
        if key > 0 and not self._seek(key):
            key = 0
            self._open()  # a demuxer that stumbled may stand anywhere
        assert self._container is not None
        self._frames = self._container.decode(video=self._index.stream)
        self._next = key

    def _open(self) -> None:
        self._close()
        self._container, _ = open_stream(self._path, self._index.stream)

    def _seek(self, key: int) -> bool:
        """Go to a key frame; False if the file does not allow it."""
        import av

        assert self._container is not None
        stream = self._container.streams.video[self._index.stream]
        try:
            self._container.seek(int(self._index.pts[key]), stream=stream, backward=True)
        except (av.error.FFmpegError, OSError):
            return False
        return True

    def _decode_to(self, t: int) -> VideoFrame | None:
        """Decode on until frame `t`; None if it was passed or the stream ended before it."""
        import av

        while True:
            try:
                frame = next(self._frames, None)
            except (av.error.FFmpegError, OSError) as error:
                self._close()
                raise ClipError(
                    f"{self._path}: decoding broke off before frame {t} ({error}).",
                    "The file is damaged there.",
                ) from error
            if frame is None:
                self._next = self._index.num_frames
                return None
            number = self._next if self._index.must_count else self._number.get(frame.pts)
            if number is None:  # hidden by an edit list
                continue
            self._next = number + 1
            self._keep(number, frame)
            if number == t:
                return frame
            if number > t:
                return None

    def _keep(self, number: int, frame: VideoFrame) -> None:
        self._kept[number] = frame
        self._kept.move_to_end(number)
        size = max(1, sum(plane.buffer_size for plane in frame.planes))
        while len(self._kept) > max(2, min(_KEPT_FRAMES, _KEPT_BYTES // size)):
            self._kept.popitem(last=False)

    def _close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container, self._frames = None, iter(())
