"""Frame-exact access to a movie: sequential reads go on, others seek to the key frame before.

A decoder closes its file when the last array that uses it is gone. Frames passed on the way are kept
for a while, because several threads ask out of order and propagation backward asks in reverse.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.video.container import open_stream, reason
from napari_sa2va.readers.video.index import VideoIndex
from napari_sa2va.readers.video.pixels import to_array, turn_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

# Frames that are kept: a few for threads that ask out of order (many would push each other out of
# the processor's cache), more for who goes backward; never more than so many bytes.
_KEPT, _KEPT_BACKWARD = 4, 16
_KEPT_BYTES = 64 * 2**20
# Up to so many frames ahead it is cheaper to decode on than to seek.
_NEAR = 8
# In these a frame that no other refers to is marked so in a way that can be relied on. (In HEVC the
# mark only holds within a temporal layer.)
_MARKS_UNUSED = ("h264", "mpeg1video", "mpeg2video", "mpeg4")

# Types of picture that need others: P, B, S.
_REFERRING = (2, 3, 4)


class Decoder:
    """One open movie. `frame` and `read` may be called from any thread."""

    def __init__(self, path: str, index: VideoIndex) -> None:
        self._path = path
        self._index = index
        self._lock = threading.Lock()
        self._container: InputContainer | None = None
        self._packets: Iterator[Packet] = iter(())
        self._out: list[VideoFrame] = []  # came out of the decoder and were not looked at
        self._numbers = index.numbers()
        self._keys = index.keys.tolist()  # less those that turn out to be none
        self._next = 0  # index of the frame that comes out next, if all goes well
        self._asked = -1
        self._goes_on = True  # whether it is the one after that that is asked for now
        self._awaits_key = False  # whether packets are passed over up to a key frame
        self._must_be_key = False  # whether the next frame out shows if the seek met a key frame
        self._has_skipped = False
        self._is_intra = False
        self._can_skip = False
        self._has_sought = False  # whether it began with a seek, and not by opening the file
        self._num_kept, self._frame_bytes = _KEPT, 0
        self._kept: OrderedDict[int, VideoFrame] = OrderedDict()
        self._reformatter: VideoReformatter | None = None
        self._turn = (False, False, False)
        self._reformatter_lock = threading.Lock()
        self.num_seeks = 0

    def __del__(self) -> None:
        if self._container is not None:
            self._container.close()

    def read(self, t: int) -> np.ndarray:
        """Frame `t` as an array; raises as `frame` does."""
        import av
        from av.video.reformatter import VideoReformatter

        frame = self.frame(t)
        # Frames are turned into arrays while another thread decodes the next.
        with self._reformatter_lock:
            if self._reformatter is None:
                self._reformatter, self._turn = VideoReformatter(), turn_of(frame)
            try:
                return to_array(frame, self._reformatter, self._turn)
            except (av.error.FFmpegError, ValueError) as error:
                raise ClipError(
                    f"{self._path}: the pixels of frame {t}, {frame.format.name}, cannot be turned "
                    f"into colours ({reason(error)}).",
                    "Convert the movie, for example: ffmpeg -i IN -pix_fmt yuv444p OUT.mkv",
                ) from error

    def frame(self, t: int) -> VideoFrame:
        """Frame `t`; raises `ClipError` if the file is damaged there."""
        import av

        with self._lock:
            asked, self._asked = self._asked, t
            if t in self._kept:
                self._kept.move_to_end(t)
                return self._kept[t]
            self._goes_on = t == asked + 1
            # Who goes backward will ask for those before it; who jumps will not.
            is_backward = asked - _KEPT_BACKWARD <= t < asked
            self._num_kept = _KEPT_BACKWARD if is_backward else _KEPT
            try:
                return self._find(t, max(0, t - self._num_kept + 1) if is_backward else t)
            except (av.error.FFmpegError, OSError) as error:
                self._close()
                raise ClipError(
                    f"{self._path}: decoding broke off before frame {t} ({reason(error)}).",
                    "The file is damaged there.",
                ) from error

    def agrees(self, num_checked: int = 4) -> bool:
        """Whether the first frames come out of the decoder as the index says.

        Raises
        ------
        ClipError
            If they cannot be decoded.
        """
        import av

        with self._lock:
            try:
                self._begin_at(0)
                wanted = range(min(num_checked, self._index.num_frames))
                return all(self._decode_to(t, 0) is not None for t in wanted)
            except (av.error.FFmpegError, OSError) as error:
                self._close()
                raise ClipError(
                    f"{self._path} cannot be decoded ({reason(error)}).",
                    "The file is damaged or truncated.",
                ) from error

    def _key_before(self, t: int) -> int:
        return self._keys[bisect_right(self._keys, t) - 1]

    def _find(self, t: int, whole_from: int) -> VideoFrame:
        """Frame `t`, by going on or from a key frame; see `_decode_to` for `whole_from`."""
        is_ahead = self._container is not None and self._next <= t
        if is_ahead and (self._key_before(t) < self._next or t - self._next <= _NEAR):
            found = self._decode_to(t, t)
            if found is not None:
                return found
        step, is_anew = 1, False
        while True:
            key = self._key_before(t)
            for first in (whole_from, key):
                if is_anew:
                    self._close()  # opened anew, it begins at its beginning
                self._begin_at(key)
                found = self._decode_to(t, first)
                if found is not None:
                    return found
                if not self._has_skipped:
                    break
            if key == 0:
                if is_anew or not self._has_sought:
                    raise ClipError(
                        f"{self._path}: frame {t} of {self._index.num_frames} does not come out "
                        "of the decoder.",
                        "The file is damaged there.",
                    )
                is_anew = True
                continue
            # The container landed behind it, or it is no key frame: go back ever further.
            at = self._keys.index(key)
            del self._keys[max(1, at - step + 1) : at + 1]
            step *= 2

    def _begin_at(self, key: int) -> None:
        """Let the decoder begin at a key frame, or at the start of a file that cannot be sought."""
        self.num_seeks += 1
        # Frames that are counted are counted from the very first.
        self._has_sought = self._container is not None and self._index.how != "counted"
        if not (self._has_sought and self._seek(key)):
            key, self._has_sought = 0, False
            self._open()  # also because a demuxer that stumbled may stand anywhere
        assert self._container is not None
        self._packets = self._container.demux(video=self._index.stream)
        self._out.clear()
        self._numbers.begin(key)
        self._next = key
        self._must_be_key, self._has_skipped = key > 0, False
        self._awaits_key = key > 0 or self._index.is_key_first

    def _open(self) -> None:
        self._close()
        self._container, video = open_stream(self._path, self._index.stream)
        codec = video.codec_context.codec
        self._is_intra = codec.intra_only and self._index.how != "counted"
        self._can_skip = codec.name in _MARKS_UNUSED

    def _seek(self, key: int) -> bool:
        """Go to a key frame; False if the file does not allow it."""
        import av

        assert self._container is not None
        stamp = self._index.key_stamps[np.searchsorted(self._index.keys, key)]
        stream = self._container.streams.video[self._index.stream]
        try:
            self._container.seek(int(stamp), stream=stream, backward=True)
        except (av.error.FFmpegError, OSError):
            return False
        return True

    def _decode_to(self, t: int, whole_from: int) -> VideoFrame | None:
        """Decode on until frame `t`; None if it was passed or the stream ended before it.

        Frames before `whole_from` to which no other refers are not decoded.
        """
        while True:
            while self._out:
                frame = self._out.pop(0)
                if self._must_be_key and int(frame.pict_type) in _REFERRING:
                    return None
                self._must_be_key = False
                number = self._numbers.of(frame)
                if number is None:  # hidden by an edit list
                    continue
                self._next = number + 1
                if number >= whole_from:
                    self._keep(number, frame)
                if number == t:
                    return frame
                if number > t:
                    return None
            if not self._feed(t, whole_from):
                self._next = self._index.num_frames
                return None

    def _feed(self, t: int, whole_from: int) -> bool:
        """Give the decoder the next packet; False at the end of the file, or of what is known."""
        packet = next(self._packets, None)
        if packet is None:
            return False
        if packet.size:
            if self._awaits_key and not packet.is_keyframe:
                return True
            self._awaits_key = False
            if not self._numbers.note(packet):
                return False
            is_left_out = (self._can_skip or self._is_intra) and self._numbers.is_before(
                packet, whole_from
            )
            self._has_skipped |= is_left_out
            if self._is_intra and is_left_out:
                return True
            if self._can_skip:
                packet.stream.codec_context.skip_frame = "NONREF" if is_left_out else "DEFAULT"
        self._out += packet.decode()
        if self._is_intra and packet.size and not self._goes_on:
            # Threads of the decoder would wait for packets that nobody asked for.
            self._out += packet.stream.decode(None)
            packet.stream.codec_context.flush_buffers()
        return True

    def _keep(self, number: int, frame: VideoFrame) -> None:
        self._kept[number] = frame
        self._kept.move_to_end(number)
        if not self._frame_bytes:
            self._frame_bytes = max(1, sum(plane.buffer_size for plane in frame.planes))
        while len(self._kept) > max(2, min(self._num_kept, _KEPT_BYTES // self._frame_bytes)):
            self._kept.popitem(last=False)

    def _close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container, self._packets = None, iter(())
        self._out.clear()
