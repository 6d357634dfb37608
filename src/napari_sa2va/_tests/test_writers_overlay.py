"""Overlays show each object in its colour, on the frames it is on, and nothing elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from napari_sa2va.core import rle
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.core.palette import color_of
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers.overlay_movie import frames_per_second
from napari_sa2va.writers.overlay_sheet import draw_sheet
from napari_sa2va.writers.paint import font, paint, scaled_size, wrapped
from napari_sa2va.writers.result import of_labels, of_masklets
from napari_sa2va.writers.write import write_result

SIZE = (24, 33)


MASK = np.zeros(SIZE, bool)
MASK[6:16, 4:14] = True
CODE = rle.encode(MASK)


def _masklet(object_id: int, frames: list[int], num_frames: int = 6) -> Masklet:
    """A 10 x 10 px square, at the left for odd ids and at the right for even ones."""
    masklet = Masklet.empty(object_id, f"object number {object_id}", "", (num_frames, *SIZE))
    for t in range(num_frames):
        masklet.set_mask(t, (MASK if object_id % 2 else MASK[:, ::-1]) & (t in frames))
    return masklet


@pytest.fixture
def clip() -> Clip:
    frames = np.full((6, *SIZE), 100, np.uint8)
    frames[:, 0, 0] = 0
    return replace(open_clip(frames), pixel_size_um=(0.5, 0.5), frame_interval_s=0.1)


def _has(picture: np.ndarray, object_id: int) -> bool:
    return bool((picture == color_of(object_id)).all(axis=-1).any())


def test_the_contour_has_the_full_colour_and_the_inside_a_breath_of_it(clip: Clip) -> None:
    painted = paint(clip.rgb(1), {1: CODE}, SIZE)
    assert tuple(painted[6, 8]) == color_of(1)
    assert tuple(painted[15, 13]) == color_of(1)
    # 0.72 * 100 + 0.28 * (230, 159, 0)
    assert painted[10, 9].tolist() == [136, 117, 72]
    assert painted[20, 25].tolist() == [100, 100, 100]
    assert painted[5, 8].tolist() == [45, 45, 45], "a dark rim around the contour"


def test_a_frame_without_the_object_is_left_alone(clip: Clip) -> None:
    np.testing.assert_array_equal(paint(clip.rgb(0), {}, SIZE), clip.rgb(0))


def test_a_contour_is_as_thick_on_an_enlarged_frame(clip: Clip) -> None:
    large = paint(clip.rgb(1), {1: CODE}, (240, 330))
    row = (large[105, :150] == color_of(1)).all(axis=-1)
    assert row[35:46].any()
    assert row.sum() <= 2 * 2, "two crossings of one or two px"


def test_an_object_of_one_pixel_survives_reduction(clip: Clip) -> None:
    dot = np.zeros((400, 400), bool)
    dot[200, 201] = True
    picture = paint(np.zeros((400, 400, 3), np.uint8), {1: rle.encode(dot)}, (50, 50))
    assert tuple(picture[25, 25]) == color_of(1)


def test_an_object_far_smaller_than_a_pixel_of_the_picture_is_one_dot_of_it() -> None:
    """At 1 : 50 its share of a pixel is less than half of 1 / 255."""
    before = 1510 + 2960 * 3000  # px in the columns on its left, and above it
    code: rle.Rle = {"size": [3000, 3000], "counts": np.array([before, 1, 3000**2 - before - 1])}
    picture = paint(np.zeros((3000, 3000, 3), np.uint8), {1: code}, (60, 60))
    assert np.argwhere(picture.any(axis=-1)).tolist() == [[30, 59]]


def test_the_mask_at_the_edge_of_the_picture_has_no_contour_there() -> None:
    code = rle.encode(np.ones(SIZE, bool))
    for size in (SIZE, (240, 330)):
        assert not _has(paint(np.zeros((*SIZE, 3), np.uint8), {1: code}, size), 1)


def test_the_first_seven_colours_differ_and_later_ones_are_no_repetition() -> None:
    colours = [color_of(i) for i in range(1, 22)]
    assert len(set(colours)) == 21
    assert color_of(22) == color_of(1)
    assert all(0 <= c <= 255 for colour in colours for c in colour)


def test_the_sheet_shows_the_objects_that_are_there(clip: Clip, tmp_path: Path) -> None:
    result = of_masklets(clip, [_masklet(1, [0, 1, 2]), _masklet(2, [5])])
    assert write_result(tmp_path / "a.png", result).warnings == ()
    with Image.open(tmp_path / "a.png") as image:
        picture = np.asarray(image)
    assert picture.shape[1] >= 860
    assert _has(picture, 1)
    assert _has(picture, 2)
    assert not _has(picture, 3)


def test_a_long_clip_is_shown_by_eight_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (100, *SIZE)).astype(np.uint8)
    long = np.asarray(draw_sheet(of_masklets(open_clip(frames), [_masklet(1, [50], 100)]))).shape
    short = np.asarray(draw_sheet(of_masklets(open_clip(frames[:8]), [_masklet(1, [5], 8)]))).shape
    assert long == short


def test_a_sheet_of_one_frame_and_no_object_can_be_drawn() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (1, 5, 400)).astype(np.uint8)
    assert draw_sheet(of_masklets(open_clip(frame), [])).width >= 400


def test_the_movie_has_every_frame_with_even_sides(clip: Clip, tmp_path: Path) -> None:
    write_result(tmp_path / "a.mp4", of_masklets(clip, [_masklet(1, [3])]))
    movie = open_clip(tmp_path / "a.mp4")
    assert movie.num_frames == 6
    assert movie.height % 2 == movie.width % 2 == 0
    assert movie.frame_interval_s == pytest.approx(0.1)
    # The square lies around (10, 9) of 24 x 33 px; the movie is enlarged eight times.
    inside = [movie.rgb(t)[75:90, 65:80].reshape(-1, 3).mean(axis=0) for t in (2, 3)]
    assert np.ptp(inside[0]) < 12, "grey without the object"
    assert inside[1][0] - inside[1][2] > 40, "orange with it"


@pytest.mark.parametrize(
    ("interval_s", "rate"), [(0.1, 10), (1e-3, 30), (600.0, 5), (None, 10), (1 / 29.97, 29.97)]
)
def test_movies_play_in_real_time_where_a_person_can_follow(
    interval_s: float | None, rate: float
) -> None:
    assert float(frames_per_second(interval_s)) == pytest.approx(rate, rel=1e-3)


def test_pyav_finds_frames_that_every_player_can_show(clip: Clip, tmp_path: Path) -> None:
    write_result(tmp_path / "a.mp4", of_masklets(clip, [_masklet(1, [3])]))
    with av.open(str(tmp_path / "a.mp4")) as container:
        [stream] = container.streams
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 10
        times = [frame.time for frame in container.decode(stream)]
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_ffprobe_finds_every_frame_at_its_rate(clip: Clip, tmp_path: Path) -> None:
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not on this machine's PATH")
    write_result(tmp_path / "a.mp4", of_masklets(clip, [_masklet(1, [3])]))
    asked = "stream=codec_name,pix_fmt,width,height,avg_frame_rate,nb_read_frames"
    said = subprocess.run(
        [ffprobe, "-v", "error", "-count_frames", "-show_entries", asked, "-of", "json",
         str(tmp_path / "a.mp4")],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert said.stderr == ""
    [stream] = json.loads(said.stdout)["streams"]
    # 24 x 33 px enlarged eight times are 192 x 264; below is a legend of 14 + 28 px.
    assert stream == {
        "codec_name": "h264",
        "pix_fmt": "yuv420p",
        "width": 264,
        "height": 192 + 42,
        "avg_frame_rate": "10/1",
        "nb_read_frames": "6",
    }


@pytest.mark.parametrize("name", ["a.mp4", "a.png"])
def test_a_result_of_several_planes_is_refused(clip: Clip, tmp_path: Path, name: str) -> None:
    result = of_masklets(clip, [_masklet(1, [0], 12)], num_planes=2)
    with pytest.raises(OutputError, match="no z axis"):
        write_result(tmp_path / name, result)
    assert list(tmp_path.iterdir()) == []


def test_objects_are_painted_alike_whether_each_is_cut_out_or_not() -> None:
    """Enlarged and reduced by odd factors: what lies around an object makes no difference."""
    rng = np.random.default_rng(1)
    black = np.zeros((40, 57, 3), np.uint8)
    for size in ((40, 57), (97, 138), (23, 33)):
        for _ in range(20):
            y, x = rng.integers(0, 34), rng.integers(0, 50)
            mask = np.zeros((40, 57), bool)
            mask[y : y + rng.integers(2, 12), x : x + rng.integers(2, 12)] = True
            painted = paint(black, {1: rle.encode(mask)}, size).any(axis=-1)
            grey = Image.fromarray(mask.astype(np.uint8) * 255)
            whole = np.asarray(grey.resize(size[::-1], Image.Resampling.BILINEAR))
            clear = abs(whole - 127.5) > 1  # 127 or 128 is a matter of rounding
            np.testing.assert_array_equal(painted[clear], whole[clear] > 127)


def test_a_thousand_objects_have_a_picture_and_a_movie_of_bearable_height(
    tmp_path: Path,
) -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[::2, ::2] = np.arange(1, 1025).reshape(32, 32)
    clip = open_clip(labels.astype(np.uint8)[np.newaxis].repeat(2, 0), axes="TYX")
    result = of_labels(clip, lambda f: labels, names=dict.fromkeys(range(1, 1025), ""))
    write_result(tmp_path / "a.mp4", result)
    write_result(tmp_path / "a.png", result)
    assert open_clip(tmp_path / "a.mp4").height == 512 + 14 + 12 * 28
    with Image.open(tmp_path / "a.png") as image:
        assert image.height < 3000


def test_long_names_are_broken_and_cut() -> None:
    face = font(16)
    lines = wrapped("the very long name of an object that moves " * 4, face, 200, 2)
    assert len(lines) == 2
    assert lines[1].endswith("...")
    assert all(face.getlength(line) <= 200 for line in lines)
    assert wrapped("short", face, 200, 2) == ["short"]


def test_small_frames_are_enlarged_and_large_ones_reduced() -> None:
    assert scaled_size(100, 200, 400) == (200, 400)
    assert scaled_size(1000, 500, 400) == (400, 200)
    assert scaled_size(10, 20, 400) == (80, 160)  # eight times at most
