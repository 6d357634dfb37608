"""Overlays show each object in its colour, on the frames it is on, and nothing elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import OutputError, ShapeMismatch
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.core.palette import color_of
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers import OVERLAYS
from napari_sa2va.writers.overlay import overlay_suffixes, write_overlay
from napari_sa2va.writers.overlay_movie import frames_per_second
from napari_sa2va.writers.overlay_sheet import draw_sheet
from napari_sa2va.writers.paint import font, paint, scaled_size, wrapped

SIZE = (24, 33)


def _masklet(object_id: int, frames: list[int], num_frames: int = 6) -> Masklet:
    """A 10 x 10 px square, at the left for odd ids and at the right for even ones."""
    masklet = Masklet.empty(object_id, f"object number {object_id}", "", (num_frames, *SIZE))
    mask = np.zeros(SIZE, bool)
    mask[6:16, 4:14] = True
    for t in range(num_frames):
        masklet.set_mask(t, (mask if object_id % 2 else mask[:, ::-1]) & (t in frames))
    return masklet


@pytest.fixture
def clip() -> Clip:
    frames = np.full((6, *SIZE), 100, np.uint8)
    frames[:, 0, 0] = 0
    return replace(open_clip(frames), pixel_size_um=(0.5, 0.5), frame_interval_s=0.1)


def _has(picture: np.ndarray, object_id: int) -> bool:
    return bool((picture == color_of(object_id)).all(axis=-1).any())


def test_the_contour_has_the_full_colour_and_the_inside_a_breath_of_it(clip: Clip) -> None:
    painted = paint(clip.rgb(1), [_masklet(1, [1])], 1, SIZE)
    assert tuple(painted[6, 8]) == color_of(1)
    assert tuple(painted[15, 13]) == color_of(1)
    # 0.72 * 100 + 0.28 * (230, 159, 0)
    assert painted[10, 9].tolist() == [136, 117, 72]
    assert painted[20, 25].tolist() == [100, 100, 100]
    assert painted[5, 8].tolist() == [45, 45, 45], "a dark rim around the contour"


def test_a_frame_without_the_object_is_left_alone(clip: Clip) -> None:
    np.testing.assert_array_equal(paint(clip.rgb(0), [_masklet(1, [1])], 0, SIZE), clip.rgb(0))


def test_a_contour_is_as_thick_on_an_enlarged_frame(clip: Clip) -> None:
    large = paint(clip.rgb(1), [_masklet(1, [1])], 1, (240, 330))
    row = (large[105, :150] == color_of(1)).all(axis=-1)
    assert row[35:46].any()
    assert row.sum() <= 2 * 2, "two crossings of one or two px"


def test_an_object_of_one_pixel_survives_reduction(clip: Clip) -> None:
    masklet = Masklet.empty(1, "dot", "", (6, 400, 400))
    dot = np.zeros((400, 400), bool)
    dot[200, 201] = True
    masklet.set_mask(0, dot)
    assert _has(paint(np.zeros((400, 400, 3), np.uint8), [masklet], 0, (50, 50)), 1)


def test_the_mask_at_the_edge_of_the_picture_has_no_contour_there() -> None:
    masklet = Masklet.empty(1, "all", "", (1, *SIZE))
    masklet.set_mask(0, np.ones(SIZE, bool))
    assert not _has(paint(np.zeros((*SIZE, 3), np.uint8), [masklet], 0, SIZE), 1)


def test_the_first_seven_colours_differ_and_later_ones_are_no_repetition() -> None:
    colours = [color_of(i) for i in range(1, 22)]
    assert len(set(colours)) == 21
    assert color_of(22) == color_of(1)
    assert all(0 <= c <= 255 for colour in colours for c in colour)


def test_the_sheet_shows_the_objects_that_are_there(clip: Clip, tmp_path: Path) -> None:
    write_overlay(tmp_path / "a.png", clip, [_masklet(1, [0, 1, 2]), _masklet(2, [5])])
    with Image.open(tmp_path / "a.png") as image:
        picture = np.asarray(image)
    assert picture.shape[1] >= 860
    assert _has(picture, 1)
    assert _has(picture, 2)
    assert not _has(picture, 3)


def test_a_long_clip_is_shown_by_eight_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (100, *SIZE)).astype(np.uint8)
    long = np.asarray(draw_sheet(open_clip(frames), [_masklet(1, [50], 100)])).shape
    short = np.asarray(draw_sheet(open_clip(frames[:8]), [_masklet(1, [5], 8)])).shape
    assert long == short


def test_a_sheet_of_one_frame_and_no_object_can_be_drawn() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (1, 5, 400)).astype(np.uint8)
    assert draw_sheet(open_clip(frame), []).width >= 400


def test_the_movie_has_every_frame_with_even_sides(clip: Clip, tmp_path: Path) -> None:
    write_overlay(tmp_path / "a.mp4", clip, [_masklet(1, [3])])
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


def test_other_suffixes_are_refused_and_every_listed_one_is_written(
    clip: Clip, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=r"'\.bmp'") as caught:
        write_overlay(tmp_path / "a.bmp", clip, [])
    assert len(OVERLAYS) >= 2
    for suffix in overlay_suffixes():
        assert suffix in caught.value.hint
        write_overlay(tmp_path / f"a{suffix}", clip, [_masklet(1, [1])])
        assert (tmp_path / f"a{suffix}").stat().st_size > 0


def test_a_result_of_another_clip_is_refused(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch, match=r"\(7, 24, 33\)"):
        write_overlay(tmp_path / "a.png", clip, [_masklet(1, [0], num_frames=7)])
    assert list(tmp_path.iterdir()) == []


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
