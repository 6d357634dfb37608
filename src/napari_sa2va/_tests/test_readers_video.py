"""Movies are read frame-exactly, lazily, and give their files back."""

from __future__ import annotations

import gc
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sa2va._tests.movies import (
    HEIGHT,
    WIDTH,
    cut,
    number_of,
    numbered_frame,
    open_files,
    turn_mp4,
    write_movie,
)
from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers import video
from napari_sa2va.readers.open import open_clip
from napari_sa2va.readers.video import decoder
from napari_sa2va.readers.video.container import open_container, open_stream
from napari_sa2va.readers.video.index import VideoIndex, indexes
from napari_sa2va.readers.video.planes import VideoPlanes

_OPEN_GOP = {"bf": "3", "x264-params": "open-gop=1:keyint=12:min-keyint=12:scenecut=0"}
_VARIABLE_MS = [int(t) for t in np.cumsum([0, *[40, 80, 40, 20] * 15])[:60]]

MOVIES = {
    "one key frame for all, B-frames": ("a.mp4", {}),
    "short groups": ("a.mov", {"gop": 12}),
    "open groups": ("b.mp4", {"options": _OPEN_GOP}),
    "Matroska": ("a.mkv", {"gop": 25}),
    "variable rate": ("v.mkv", {"times_ms": _VARIABLE_MS}),
    "variable rate, mp4": ("v.mp4", {"times_ms": _VARIABLE_MS}),
    "AVI with B-frames, which has no times": ("b.avi", {}),
    "AVI of single pictures": ("m.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "variable rate in short groups": ("w.mp4", {"times_ms": _VARIABLE_MS, "gop": 12}),
    "open groups in Matroska": ("b.mkv", {"options": _OPEN_GOP}),
    "transport stream": ("a.ts", {"options": _OPEN_GOP}),
    "program stream with few time stamps": (
        "a.mpg",
        {"codec": "mpeg1video", "gop": 12, "options": {"bf": "2"}},
    ),
    "MPEG-2": ("b.mpg", {"codec": "mpeg2video", "gop": 12, "options": {"bf": "2"}}),
    "MPEG-4 with B-frames": ("c.mp4", {"codec": "mpeg4", "gop": 12, "options": {"bf": "2"}}),
    "WMV": ("a.wmv", {"codec": "wmv2", "gop": 12}),
    "Flash": ("a.flv", {"codec": "flv", "gop": 12}),
    "GIF": ("a.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
    "HEVC, layers of time": (
        "d.mp4",
        {
            "codec": "libx265",
            "options": {"x265-params": "keyint=12:bframes=3:temporal-layers=3:log-level=none"},
        },
    ),
    "VP8 with hidden frames": (
        "b.webm",
        {"codec": "libvpx", "gop": 20, "options": {"lag-in-frames": "16", "auto-alt-ref": "1"}},
    ),
    "ProRes": ("e.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
    "VP9 with hidden frames": (
        "a.webm",
        {"codec": "libvpx-vp9", "options": {"lag-in-frames": "16", "cpu-used": "8"}},
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("movies")


def _index(path: Path) -> VideoIndex:
    with open_container(path) as container:
        return next(indexes(path, container))


@pytest.mark.parametrize("case", MOVIES)
def test_every_frame_is_the_right_one_in_any_order(case: str, folder: Path) -> None:
    name, how = MOVIES[case]
    clip = open_clip(write_movie(folder / name, **how))
    order = list(range(60))
    random.Random(0).shuffle(order)
    assert clip.num_frames == 60
    in_a_row = [clip.frame(t) for t in range(60)]
    assert [number_of(frame) for frame in in_a_row] == list(range(60))
    for t in order:
        np.testing.assert_array_equal(clip.frame(t), in_a_row[t])
    assert [number_of(clip.rgb(t)) for t in order] == order


def test_frames_before_the_start_of_an_edit_list_are_hidden(folder: Path) -> None:
    # Times that begin below zero make the muxer write an edit list that starts at zero.
    path = write_movie(folder / "edit.mp4", 40, times_ms=[40 * (n - 10) for n in range(40)])
    clip = open_clip(path)
    import av

    with av.open(str(path)) as container:
        shown = [number_of(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert shown[0] > 0, "the movie must hide frames, or this tests nothing"
    assert [number_of(clip.rgb(t)) for t in reversed(range(clip.num_frames))] == shown[::-1]


def test_a_sequential_read_seeks_once_and_backward_reads_seek_rarely(folder: Path) -> None:
    path = write_movie(folder / "seek.mp4", 120)
    planes = VideoPlanes(str(path), _index(path))
    for t in range(120):
        planes.read(t)
    assert planes._decoder.num_seeks == 1
    for t in reversed(range(120)):
        planes.read(t)
    # 16 frames are kept: 120 frames backward need at most eight returns to the key frame.
    assert planes._decoder.num_seeks <= 1 + 8


def test_threads_that_ask_out_of_order_get_the_right_frames(folder: Path) -> None:
    clip = open_clip(write_movie(folder / "threads.mp4"))
    frames = clip.frames.compute(scheduler="threads", num_workers=4)
    assert [number_of(f) for f in frames] == list(range(60))


def test_the_interval_is_the_median_and_a_varying_rate_is_flagged(folder: Path) -> None:
    even = open_clip(write_movie(folder / "even.mkv", 20, rate=30))
    uneven = open_clip(write_movie(folder / "uneven.mkv", 20, times_ms=_VARIABLE_MS))
    # Matroska rounds 33.33 ms to 33 or 34: that is no varying rate.
    assert even.frame_interval_s == pytest.approx(1 / 30, rel=0.01)
    assert not even.variable_rate
    assert uneven.frame_interval_s == pytest.approx(0.04)
    assert uneven.variable_rate
    assert "varies" in uneven.notes[0]


def test_a_rotation_flag_turns_the_frames_clockwise(folder: Path) -> None:
    path = write_movie(folder / "phone.mp4", 3)
    assert open_clip(path).frames.shape[1:3] == (HEIGHT, WIDTH)
    turn_mp4(path)
    clip = open_clip(path)
    assert clip.frames.shape[1:3] == (WIDTH, HEIGHT)
    assert number_of(np.rot90(clip.rgb(2))) == 2  # turned back counter-clockwise


@pytest.mark.parametrize(("pix_fmt", "top"), [("gray", 255), ("gray12le", 4095)])
def test_grey_movies_stay_grey_with_their_stored_values(
    pix_fmt: str, top: int, folder: Path
) -> None:
    path = write_movie(folder / f"{pix_fmt}.mkv", 4, codec="ffv1", pix_fmt=pix_fmt, options={})
    clip = open_clip(path)
    assert clip.frames.shape == (4, HEIGHT, WIDTH)
    assert clip.frame(3).max() == top
    assert number_of(clip.frame(3)) == 3


def test_the_graph_can_be_pickled_and_read_elsewhere(folder: Path) -> None:
    clip = open_clip(write_movie(folder / "pickle.mp4"))
    clip.rgb(5)  # the decoder is open now, and must not be pickled
    data = pickle.dumps(clip.frames)
    assert len(data) < 10_000
    assert number_of(pickle.loads(data)[17].compute()) == 17


def test_the_file_is_closed_when_the_clip_is_gone(folder: Path) -> None:
    clip = open_clip(write_movie(folder / "closed.mp4"))
    clip.rgb(30)
    assert any("closed.mp4" in p for p in open_files(folder))
    del clip
    gc.collect()
    assert not any("closed.mp4" in p for p in open_files(folder))


@pytest.mark.parametrize("name", ["t.mp4", "t.mkv", "t.avi"])
def test_a_truncated_movie_says_so(name: str, folder: Path) -> None:
    short = cut(write_movie(folder / name))
    with pytest.raises(ClipError, match=r"truncated|cannot be read") as caught:
        open_clip(short)
    assert caught.value.hint


def test_a_movie_whose_index_comes_first_and_whose_frames_are_cut_off_says_how_many(
    folder: Path,
) -> None:
    import av

    path, fast = write_movie(folder / "slow.mp4"), folder / "fast.mp4"
    with (
        av.open(str(path)) as source,
        av.open(str(fast), "w", options={"movflags": "+faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(ClipError, match=r"truncated: \d+ of 60 frames"):
        open_clip(cut(fast, 0.8))


def _damage_first_frame(path: Path) -> None:
    """Overwrite the first packet; its place and length in the container stay right."""
    import av

    with av.open(str(path)) as container:
        packet = next(container.demux(video=0))
        at, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    # A few bytes are left: before a Matroska packet stands a small header of its block.
    data[at + 8 : at + size] = b"\xff" * (size - 8)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("damaged.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("damaged.mkv", {"codec": "ffv1", "pix_fmt": "gray", "options": {}}),
        # Frames of AVI with B-frames are counted by decoding all of them.
        ("counted.avi", {}),
    ],
)
def test_a_movie_whose_first_frame_is_damaged_is_refused(
    name: str, how: dict[str, Any], folder: Path
) -> None:
    path = write_movie(folder / name, 12, **how)
    _damage_first_frame(path)
    with pytest.raises(ClipError, match="cannot be decoded") as caught:
        open_clip(path)
    assert "damaged" in caught.value.hint


def test_a_movie_in_which_seeking_fails_is_decoded_from_its_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import av

    path = write_movie(folder / "no_seek.mp4", 30, gop=10)
    index = _index(path)
    assert (index.keys <= 25).sum() > 1, "frame 25 must need a seek, or this tests nothing"

    class Unseekable:
        """A container as a stream from a socket would be."""

        def __init__(self, container: Any) -> None:
            self._container = container

        def __getattr__(self, name: str) -> Any:
            return getattr(self._container, name)

        def seek(self, *args: Any, **kwargs: Any) -> None:
            raise av.error.InvalidDataError(1094995529, "Invalid data found")

    def open_unseekable(path: str, stream: int) -> tuple[Any, Any]:
        container, video = open_stream(path, stream)
        return Unseekable(container), video

    monkeypatch.setattr(decoder, "open_stream", open_unseekable)
    planes = VideoPlanes(str(path), index)
    assert number_of(planes.read(25)) == 25
    assert number_of(planes.read(3)) == 3


def test_text_with_the_name_of_a_movie_is_refused(folder: Path) -> None:
    path = folder / "text.mp4"
    path.write_text("no movie at all" * 20)
    assert video.accepts(path)
    with pytest.raises(ClipError, match="cannot be read as a movie"):
        open_clip(path)


def test_a_second_video_stream_that_is_not_there_is_refused(folder: Path) -> None:
    path = write_movie(folder / "one_stream.mp4", 2)
    with pytest.raises(ClipError, match=r"has 1 video stream\(s\) and none called 1"):
        open_clip(path, series=1)


def test_colours_survive_within_what_the_codec_allows(folder: Path) -> None:
    clip = open_clip(write_movie(folder / "colour.mp4", 2))
    box = clip.rgb(0)[36:52, 4:12].reshape(-1, 3).mean(axis=0)
    assert np.abs(box - numbered_frame(0)[40, 8]).max() < 12


def test_a_title_that_is_not_utf8_does_not_matter(tmp_path):
    import av

    path = tmp_path / "titled.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Herz__schlag"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for value in (0, 40, 80):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), value, np.uint8))
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    written = path.read_bytes()
    assert b"Herz__schlag" in written
    path.write_bytes(written.replace(b"Herz__schlag", b"Herz\xe9\xffschlag"))
    assert open_clip(path).num_frames == 3
