"""What movies of many kinds are: turned, deep, transparent, tagged, with several streams."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from napari_sa2va._tests.movies import HEIGHT, WIDTH, number_of, numbered_frame, write_movie
from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.readers.open import open_clip, read_recording

# The nine numbers of a display matrix that matter, (a, b, c, d): a pixel at (x, y) is shown at
# (a x + c y, b x + d y). What NumPy makes of it.
ORIENTATIONS = {
    "upright": ((1, 0, 0, 1), lambda f: f),
    "turned by 90 degrees": ((0, 1, -1, 0), lambda f: np.rot90(f, -1)),
    "turned by 180 degrees": ((-1, 0, 0, -1), lambda f: np.rot90(f, 2)),
    "turned by 270 degrees": ((0, -1, 1, 0), lambda f: np.rot90(f, 1)),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down": ((1, 0, 0, -1), np.flipud),
    "mirrored at its diagonal": ((0, 1, 1, 0), lambda f: f.swapaxes(0, 1)),
    "mirrored at the other diagonal": (
        (0, -1, -1, 0),
        lambda f: np.rot90(f, 2).swapaxes(0, 1),
    ),
}


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie whose display matrix is overwritten by tests."""
    return write_movie(tmp_path_factory.mktemp("phone") / "phone.mp4", 2)


@pytest.mark.parametrize("case", ORIENTATIONS)
def test_frames_are_turned_and_mirrored_as_the_file_asks(
    case: str, phone: Path, tmp_path: Path
) -> None:
    stored = open_clip(phone).rgb(1)
    (a, b, c, d), expected = ORIENTATIONS[case]
    data = bytearray(phone.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    matrix = (a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    data[at : at + 36] = struct.pack(">9i", *matrix)
    (tmp_path / "turned.mp4").write_bytes(bytes(data))
    shown = open_clip(tmp_path / "turned.mp4").rgb(1)
    np.testing.assert_array_equal(shown, expected(stored))


def _write_flat(
    path: Path, yuv: tuple[int, int, int], colorspace: int, is_full: bool, pix_fmt: str = "yuv444p"
) -> Path:
    """One frame of one colour, lossless, tagged with a matrix and a range."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, pix_fmt
        stream.codec_context.color_range = 2 if is_full else 1
        stream.codec_context.colorspace = colorspace
        frame = av.VideoFrame(32, 32, pix_fmt)
        for plane, value in zip(frame.planes, yuv, strict=True):
            dtype = np.uint8 if pix_fmt == "yuv444p" else np.uint16
            samples = np.full(plane.buffer_size // np.dtype(dtype).itemsize, value, dtype)
            plane.update(samples.tobytes())
        frame.pts, frame.color_range, frame.colorspace = 0, 2 if is_full else 1, colorspace
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _rgb_of(yuv: tuple[int, int, int], red: float, blue: float, is_full: bool) -> np.ndarray:
    """The definition: luma from the weights of red and blue, chroma scaled to one half."""
    y, u, v = yuv
    luma, u, v = (y / 255, (u - 128) / 255, (v - 128) / 255)
    if not is_full:
        luma, u, v = (y - 16) / 219, (yuv[1] - 128) / 224, (yuv[2] - 128) / 224
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.array([r, g, b]), 0, 1) * 255


@pytest.mark.parametrize("is_full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("colorspace", "red", "blue"),
    [(1, 0.2126, 0.0722), (6, 0.299, 0.114), (5, 0.299, 0.114), (9, 0.2627, 0.0593)],
    ids=["BT.709", "BT.601", "BT.470", "BT.2020"],
)
def test_colours_follow_the_matrix_and_range_that_the_file_names(
    colorspace: int, red: float, blue: float, is_full: bool, tmp_path: Path
) -> None:
    yuv = (120, 90, 190)
    others = _rgb_of(yuv, 0.299 if colorspace in (1, 9) else 0.2126, 0.1, is_full)
    expected = _rgb_of(yuv, red, blue, is_full)
    assert np.abs(others - expected).max() > 4, "the matrix must matter, or this tests nothing"
    path = _write_flat(tmp_path / "flat.mkv", yuv, colorspace, is_full)
    shown = open_clip(path).frame(0)[16, 16].astype(float)
    assert np.abs(shown - expected).max() <= 2


def test_colours_of_ten_bits_keep_them_and_white_is_white(tmp_path: Path) -> None:
    # Limited range of 10 bits: black is 64, white 940, without colour 512.
    values = {}
    for y in (64, 501, 502, 940):
        path = _write_flat(tmp_path / f"{y}.mkv", (y, 512, 512), 1, False, "yuv444p10le")
        recording = read_recording(path)
        assert recording.data.dtype == np.uint16
        values[y] = recording.data[0, 16, 16].compute().astype(int)
    assert values[64].max() < 128
    film = write_movie(tmp_path / "film.mp4", 2, pix_fmt="yuv420p10le")
    assert open_clip(film).limits == ((0.0, 65280.0),) * 3  # as it is, and not stretched
    assert values[940].min() >= 65_280
    # One step of 876 is 74.8 of 65535; 8 bits could not tell the two apart.
    assert 50 < (values[502] - values[501]).min() < 100


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_grey_of_more_than_eight_bits_keeps_its_stored_values(bits: int, tmp_path: Path) -> None:
    stored = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 63 & ((1 << bits) - 1)
    path = tmp_path / "grey.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, f"gray{bits}le"
        frame = av.VideoFrame(32, 32, f"gray{bits}le")
        plane = frame.planes[0]
        padded = np.zeros((32, plane.line_size // 2), np.uint16)
        padded[:, :32] = stored
        plane.update(padded.tobytes())
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    np.testing.assert_array_equal(read_recording(path).data[0].compute(), stored)


def test_transparent_pixels_lie_on_black(tmp_path: Path) -> None:
    rgba = np.zeros((16, 16, 4), np.uint8)
    rgba[..., :3] = (200, 100, 50)
    rgba[:, :8, 3], rgba[:, 8:, 3] = 255, 51  # 51 / 255 is a fifth
    path = tmp_path / "alpha.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgba"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, format="rgba")))
        container.mux(stream.encode())
    clip = open_clip(path)
    assert clip.rgb(0)[8, 4].tolist() == [200, 100, 50]
    assert clip.rgb(0)[8, 12].tolist() == [40, 20, 10]
    assert "Transparent" in clip.notes[0]


@pytest.mark.parametrize("disposal", [1, 2])
def test_a_gif_is_composed_as_pillow_composes_it(disposal: int, tmp_path: Path) -> None:
    """Later pictures of a GIF are patches; what is under them stays (1) or is cleared (2)."""
    pictures = []
    for t in range(6):
        rgba = np.zeros((24, 32, 4), np.uint8)
        rgba[2 : 10 + t, 2 + 3 * t : 12 + 3 * t] = (250, 30 * t, 10, 255)
        pictures.append(Image.fromarray(rgba))
    path = tmp_path / "patches.gif"
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=40, disposal=disposal
    )
    with Image.open(path) as gif:
        expected = []
        for t in range(gif.n_frames):
            gif.seek(t)
            rgba = np.asarray(gif.convert("RGBA")).astype(int)
            expected.append(rgba[..., :3] * (rgba[..., 3:] > 0))
    clip = open_clip(path)
    assert clip.num_frames == len(expected) == 6
    for t in (5, 0, 3, 4, 1, 2):
        np.testing.assert_array_equal(clip.rgb(t), expected[t])


def test_pixels_that_are_not_square_and_lines_of_two_moments_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "tv.mpg"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)
        stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct
        for t in range(3):
            frame = av.VideoFrame.from_ndarray(numbered_frame(t), format="rgb24")
            container.mux(stream.encode(frame.reformat(720, 576, "yuv420p")))
        container.mux(stream.encode())
    notes = " ".join(open_clip(path).notes)
    assert "1.067 times as wide" in notes
    assert "interlaced" in notes


def _write_streams(
    path: Path, sizes: list[int], *, sound: bool = False, cover: bool = False
) -> Path:
    """One video stream for each size, with frames numbered from it on."""
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for size in sizes:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
            streams.append(stream)
        if cover:
            picture = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            streams.append(picture)
        voice = container.add_stream("pcm_s16le", rate=8000, layout="mono") if sound else None
        for stream in streams:
            for t in range(4 if stream.codec_context.name == "mpeg4" else 1):
                pixels = np.full((stream.height, stream.width, 3), 40 * t, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            container.mux(stream.encode())
        if voice is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
            silence.rate = 8000
            container.mux(voice.encode(silence))
            container.mux(voice.encode())
    return path


def test_of_several_video_streams_one_is_to_be_chosen(tmp_path: Path) -> None:
    path = _write_streams(tmp_path / "two.mkv", [32, 48])
    with pytest.raises(SeriesError, match="2 video streams") as caught:
        open_clip(path)
    assert [key for key, _ in caught.value.choices] == [0, 1]
    assert "Y=48, X=48" in caught.value.choices[1][1]
    assert open_clip(path, series=1).frames.shape == (4, 48, 48, 3)
    assert open_clip(path, series="0").frames.shape == (4, 32, 32, 3)
    with pytest.raises(SeriesError, match="none called 2"):
        open_clip(path, series=2)


def test_a_cover_picture_is_no_choice(tmp_path: Path) -> None:
    path = _write_streams(tmp_path / "cover.mp4", [32], cover=True)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2, "there must be a picture, or this tests nothing"
    assert open_clip(path).frames.shape == (4, 32, 32, 3)


def test_sound_alone_is_no_movie(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"no moving picture .*; it holds audio"):
        open_clip(_write_streams(tmp_path / "song.mkv", [], sound=True))


def test_sound_beside_the_picture_does_not_matter(tmp_path: Path) -> None:
    clip = open_clip(_write_streams(tmp_path / "talk.mkv", [32], sound=True))
    assert clip.num_frames == 4


@pytest.mark.parametrize(("height", "width"), [(33, 47), (1, 1), (2, 200)])
def test_odd_and_tiny_frames_have_their_size(height: int, width: int, tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    how = {"codec": "ffv1", "pix_fmt": "yuv444p", "options": {}}
    clip = open_clip(write_movie(path, 3, size=(height, width), **how))
    assert clip.frame(2).shape == (height, width, 3)


def test_a_movie_of_one_frame_is_one_frame(tmp_path: Path) -> None:
    clip = open_clip(write_movie(tmp_path / "one.mp4", 1))
    assert clip.num_frames == 1
    assert clip.frame_interval_s is None
    assert number_of(clip.rgb(0)) == 0
    assert clip.rgb(0).shape == (HEIGHT, WIDTH, 3)
