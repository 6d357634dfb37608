"""Folders as data sets of videos keep them: which video is asked for, ground truth is no movie."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.readers.open import open_clip, read_recording

SHARED = Path(os.environ.get("NAPARI_SA2VA_SHARED", "")) / "data"
needs_shared = pytest.mark.skipif(
    not os.environ.get("NAPARI_SA2VA_SHARED") or not SHARED.is_dir(),
    reason="NAPARI_SA2VA_SHARED leads to no folder with real data",
)
RNG = np.random.default_rng(0)


def write_video(folder: Path, num: int, first: int = 100, ending: str = "jpg") -> None:
    """Colour images, all of the brightness `first`, named 00000, 00005, ... as YouTube-VOS does."""
    folder.mkdir(parents=True)
    for i in range(num):
        Image.new("RGB", (8, 6), (first, 0, 0)).save(folder / f"{5 * i:05d}.{ending}", quality=95)


def keys(path: Path) -> list[int | str]:
    with pytest.raises(SeriesError) as caught:
        read_recording(path)
    return [key for key, _ in caught.value.choices]


def test_a_root_of_davis_asks_for_the_video(tmp_path: Path) -> None:
    for video, num in (("bear", 3), ("car-shadow", 4)):
        write_video(tmp_path / "DAVIS/JPEGImages/480p" / video, num, first=10 * num)
        write_video(tmp_path / "DAVIS/Annotations/480p" / video, num, ending="png")
    (tmp_path / "DAVIS/ImageSets/2017").mkdir(parents=True)
    for root in ("", "DAVIS", "DAVIS/JPEGImages", "DAVIS/JPEGImages/480p"):
        assert keys(tmp_path / root) == ["bear", "car-shadow"]
    with pytest.raises(SeriesError, match="2 videos") as caught:
        open_clip(tmp_path / "DAVIS")
    assert caught.value.choices[1] == ("car-shadow", "car-shadow: 4 images")
    for series in ("car-shadow", 1, "1"):
        clip = open_clip(tmp_path / "DAVIS", series=series)
        assert (clip.name, clip.num_frames, clip.source) == (
            "car-shadow", 4, str(tmp_path / "DAVIS")
        )  # fmt: skip
        assert clip.rgb(0)[0, 0, 0] == pytest.approx(40, abs=2)
        assert clip.notes == ()  # every fifth number is no gap
    with pytest.raises(SeriesError, match="no series 'cow'"):
        open_clip(tmp_path / "DAVIS", series="cow")


def test_two_resolutions_of_davis_are_told_apart(tmp_path: Path) -> None:
    for resolution in ("480p", "Full-Resolution"):
        write_video(tmp_path / "JPEGImages" / resolution / "bear", 2)
    assert keys(tmp_path) == ["480p/bear", "Full-Resolution/bear"]


def test_roots_of_mevis_and_youtube_vos_ask_for_the_video(tmp_path: Path) -> None:
    for video in ("0043f083b5", "00f88c4f0a"):
        write_video(tmp_path / "valid/JPEGImages" / video, 2)
        write_video(tmp_path / "valid/Annotations" / video, 2, ending="png")
    (tmp_path / "valid/meta_expressions.json").write_text("{}")
    for root in ("", "valid", "valid/JPEGImages"):
        assert keys(tmp_path / root) == ["00f88c4f0a", "0043f083b5"]  # 0 comes before 43
    assert open_clip(tmp_path / "valid", series="00f88c4f0a").name == "00f88c4f0a"


def test_a_single_video_is_not_asked_for(tmp_path: Path) -> None:
    write_video(tmp_path / "JPEGImages/bear", 3)
    write_video(tmp_path / "Annotations/bear", 3, ending="png")
    assert open_clip(tmp_path).name == "bear"


def write_ctc(root: Path, sequence: str, volume: bool) -> np.ndarray:
    """Three frames t000.tif ..., and ground truth, which has the same size."""
    shape = (3, 4, 12, 16) if volume else (3, 12, 16)
    movie = RNG.integers(0, 4000, shape).astype(np.uint16)
    for folder, prefix in (("", "t"), ("_GT/TRA", "man_track"), ("_GT/SEG", "man_seg"),
                           ("_ST/SEG", "man_seg"), ("_RES", "mask")):  # fmt: skip
        where = root / (sequence + folder)
        where.mkdir(parents=True)
        for t, frame in enumerate(movie):
            pixels = frame if prefix == "t" else np.zeros_like(frame)
            tifffile.imwrite(where / f"{prefix}{t:03d}.tif", pixels, compression="zlib",
                             photometric="minisblack", metadata=None)  # fmt: skip
    return movie


@pytest.mark.parametrize("volume", [False, True])
def test_a_data_set_of_the_cell_tracking_challenge_asks_for_the_sequence(
    volume: bool, tmp_path: Path
) -> None:
    root = tmp_path / "Fluo-N3DH-CE"
    movies = [write_ctc(root, sequence, volume) for sequence in ("01", "02")]
    assert keys(root) == ["01", "02"]
    for path, series in ((root, "02"), (root, 1), (root / "02", None)):
        recording = read_recording(path, series=series)
        assert recording.axes == ("TZYX" if volume else "TYX")
        assert recording.name == "Fluo-N3DH-CE 02"
        assert set(recording.data.chunks[0]) == {1}
        np.testing.assert_array_equal(recording.data.compute(), movies[1])


def test_stacks_of_the_cell_tracking_challenge_have_one_plane_per_chunk(tmp_path: Path) -> None:
    movie = write_ctc(tmp_path, "01", volume=True)
    clip = open_clip(tmp_path / "01", z=2)
    np.testing.assert_array_equal(clip.frame(1), movie[1, 2])
    recording = read_recording(tmp_path / "01")
    assert recording.data.chunks[:2] == ((1,) * 3, (1,) * 4)


def test_a_stack_of_another_depth_is_named(tmp_path: Path) -> None:
    write_ctc(tmp_path, "01", volume=True)
    tifffile.imwrite(tmp_path / "01/t001.tif", np.zeros((3, 12, 16), np.uint16), metadata=None,
                     photometric="minisblack")  # fmt: skip
    with pytest.raises(ClipError, match=r"t001\.tif is T=3, Y=12, X=16"):
        read_recording(tmp_path / "01")


def test_stacks_that_say_what_their_pages_are_need_no_layout(tmp_path: Path) -> None:
    movie = RNG.integers(0, 4000, (3, 2, 12, 16)).astype(np.uint16)
    for t, frame in enumerate(movie):
        about = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}, "PhysicalSizeX": 0.5,
                 "PhysicalSizeY": 0.5}  # fmt: skip
        tifffile.imwrite(tmp_path / f"{t}.ome.tif", frame, metadata=about)
    recording = read_recording(tmp_path)
    assert recording.axes == "TCYX"
    assert recording.channel_names == ("DAPI", "GFP")
    assert recording.pixel_size_um == (0.5, 0.5)
    np.testing.assert_array_equal(recording.data.compute(), movie)


def test_movies_that_lie_in_one_folder_are_asked_for(tmp_path: Path) -> None:
    movie = RNG.integers(0, 4000, (5, 12, 16)).astype(np.uint16)
    for name in ("cells.tif", "ids.tif"):
        tifffile.imwrite(
            tmp_path / name, movie + len(name), metadata=None, photometric="minisblack"
        )
    assert keys(tmp_path) == ["cells.tif", "ids.tif"]
    recording = read_recording(tmp_path, series="ids.tif")
    np.testing.assert_array_equal(recording.data.compute(), movie + 7)


# ---- names


def write_named(folder: Path, names: list[str]) -> Path:
    """Grey images; the first pixel of image i is i, the last is 255."""
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        pixels = np.zeros((6, 8), np.uint8)
        pixels[0, 0], pixels[-1, -1] = i, 255
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("ch{c}_{t:03d}.png", ["ch0_*.png", "ch1_*.png"]),
        ("run5_C{c}_t{t}.png", ["run5_C0_t*.png", "run5_C1_t*.png"]),
        ("img_t{t:02d}_z{c:02d}.png", ["img_t*_z00.png", "img_t*_z01.png"]),
        ("pos {c}-{t}.png", ["pos 0-*.png", "pos 1-*.png"]),
    ],
)
def test_channels_side_by_side_are_asked_for(
    pattern: str, expected: list[str], tmp_path: Path
) -> None:
    names = [pattern.format(c=c, t=t) for c in range(2) for t in range(3)]
    folder = write_named(tmp_path / "run", names)
    assert keys(folder) == expected
    clip = open_clip(folder, series=1)
    assert [int(clip.frame(t)[0, 0]) for t in range(3)] == [3, 4, 5]


@pytest.mark.parametrize(
    "pattern", ["z{:03d}.png", "frame_{}.png", "c3_{}.png", "2024-01-05 12.{:02d}.png"]
)
def test_one_number_that_varies_counts_frames_whatever_it_is_called(
    pattern: str, tmp_path: Path
) -> None:
    clip = open_clip(write_named(tmp_path / "run", [pattern.format(i) for i in range(4)]))
    assert [int(clip.frame(t)[0, 0]) for t in range(4)] == [0, 1, 2, 3]


def test_channels_within_a_video_are_asked_for_together_with_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    names = [f"ch{c}_{t}.png" for c in range(2) for t in range(3)]
    write_named(tmp_path / "data/well A", names)
    write_named(tmp_path / "data/well B", names[:3])
    assert keys(tmp_path) == ["well A/ch0_*.png", "well A/ch1_*.png", "well B"]
    clip = open_clip(tmp_path, series="well A/ch1_*.png")
    assert [int(clip.frame(t)[0, 0]) for t in range(3)] == [3, 4, 5]


# ---- real data


@needs_shared
def test_davis_as_it_is_published() -> None:
    clip = open_clip(SHARED / "davis/DAVIS")
    assert (clip.name, clip.num_frames, clip.height, clip.width) == ("car-shadow", 40, 480, 854)


@needs_shared
def test_vocal_folds_are_four_sequences() -> None:
    assert keys(SHARED / "vocalfolds/img") == ["seq1", "seq2", "seq3", "seq4"]
    assert open_clip(SHARED / "vocalfolds/img", series="seq2").rgb(0).shape == (512, 512, 3)


@needs_shared
def test_yeast_and_glioblastoma_are_asked_for() -> None:
    assert "evolve_testF_tp*_Brightfield.png" in keys(SHARED / "yeast/tests/images")
    assert keys(SHARED / "t98g") == ["t98g_ids.tif", "t98g_phase.tif"]
    recording = read_recording(SHARED / "t98g", series="t98g_phase.tif")
    assert recording.describe() == "T=16, Y=512, X=512"
