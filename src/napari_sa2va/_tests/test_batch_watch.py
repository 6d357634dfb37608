from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_sa2va._tests.movies import write_movie
from napari_sa2va._tests.ngff_stores import write_ngff, write_plate, zipped
from napari_sa2va.batch.planning.watch import Watch
from napari_sa2va.core.errors import RequestError
from napari_sa2va.readers import ome_zarr, tiff, video

MOVIE = np.random.default_rng(0).integers(1, 4000, (6, 32, 40)).astype(np.uint16)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def look(tmp_path: Path, clock: Clock) -> Callable[..., list[str]]:
    """Waits some seconds, and gives the paths of new movies below the watched folder."""
    (tmp_path / "scope").mkdir()
    watch = Watch([str(tmp_path / "scope")], clock=clock)

    def names(seconds: float = 0.0) -> list[str]:
        clock.now += seconds
        rows = watch.look().rows
        return [Path(row.path).relative_to(tmp_path / "scope").as_posix() for row in rows]

    return names


def set_time(path: Path, seconds: int) -> None:
    os.utime(path, ns=(seconds * 10**9, seconds * 10**9))


def test_a_file_that_grows_is_left_alone_until_it_has_rested(look, tmp_path: Path) -> None:
    path = tmp_path / "scope" / "a.nd2"
    assert look() == []
    for size in (10, 20, 30):
        path.write_bytes(b"x" * size)
        assert look(29) == []
    assert look(29.9) == []
    assert look(0.2) == ["a.nd2"]
    assert look(100) == []


def test_a_file_that_stays_empty_is_never_finished_and_told_of_after_ten_minutes(
    tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "scope").mkdir()
    path = tmp_path / "scope" / "a.nd2"
    path.touch()
    watch = Watch([str(tmp_path / "scope")], clock=clock)
    for seconds, is_told in ((0, False), (599, False), (2, True)):
        clock.now += seconds
        assert watch.look().rows == ()
        assert watch.waiting == (str(path),)
        assert watch.stuck == ((str(path),) if is_told else ())
    path.write_bytes(b"x" * 10)
    watch.look()
    clock.now += 31
    assert len(watch.look().rows) == 1
    assert watch.waiting == watch.stuck == ()


@pytest.mark.parametrize(
    "change",
    [lambda f: f.write_bytes(b"x" * 5), lambda f: set_time(f, 2000)],
    ids=["shorter", "another time"],
)
def test_any_change_begins_the_wait_anew(change, look, tmp_path: Path) -> None:
    path = tmp_path / "scope" / "a.nd2"
    path.write_bytes(b"x" * 10)
    set_time(path, 1000)
    look()
    change(path)
    assert look(31) == []
    assert look(31) == ["a.nd2"]


def test_a_movie_that_changes_after_it_was_given_is_given_again(look, tmp_path: Path) -> None:
    path = tmp_path / "scope" / "a.nd2"
    path.write_bytes(b"x")
    look()
    assert look(31) == ["a.nd2"]
    path.write_bytes(b"xy")
    assert look(31) == []
    assert look(31) == ["a.nd2"]


def test_what_is_gone_is_forgotten_and_new_if_it_comes_back(look, tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "scope" / "a.nd2", tmp_path / "a.nd2"
    path.write_bytes(b"x")
    look()
    path.rename(elsewhere)
    assert look(31) == []
    elsewhere.rename(path)
    assert look(31) == []
    assert look(31) == ["a.nd2"]


def test_names_that_programs_write_to_first_and_empty_files_are_left_alone(
    look, tmp_path: Path
) -> None:
    for name in (".a.nd2", "b.nd2.part", "c.nd2.tmp", "~$d.nd2"):
        (tmp_path / "scope" / name).write_bytes(b"x")
    (tmp_path / "scope" / "empty.nd2").touch()
    look()
    assert look(100) == []
    (tmp_path / "scope" / "b.nd2.part").rename(tmp_path / "scope" / "b.nd2")
    look()
    assert look(31) == ["b.nd2"]


def test_a_folder_of_images_is_one_movie_and_its_newest_image_counts(look, tmp_path: Path) -> None:
    frames = tmp_path / "scope" / "run1"
    frames.mkdir()
    for number in range(3):
        Image.fromarray(MOVIE[number]).save(frames / f"{number}.png")
        assert look(29) == []
    assert look(2) == []
    assert look(29) == ["run1"]
    assert look(100) == []
    Image.fromarray(MOVIE[3]).save(frames / "3.png")
    look()
    assert look(31) == ["run1"]


def test_images_in_the_watched_folder_itself_do_not_make_it_one_movie(look, tmp_path: Path) -> None:
    first = tmp_path / "scope" / "a.tif"
    tifffile.imwrite(first, MOVIE[0], photometric="minisblack")  # of which more pages will come
    look()
    assert look(31) == ["a.tif"]


@pytest.mark.parametrize("kind", ["ome.tif", "mp4", "ome.zarr", "zarr.zip"])
def test_a_movie_whose_format_says_that_all_is_there_is_taken_at_the_next_look(
    kind: str, look, tmp_path: Path
) -> None:
    made = tmp_path / f"made.{kind}"
    if kind == "mp4":
        write_movie(made, 5)
    elif kind == "ome.tif":
        tifffile.imwrite(made, MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    elif kind == "ome.zarr":
        write_ngff(made, MOVIE)
    else:
        zipped(write_ngff(tmp_path / "b.ome.zarr", MOVIE), made)
    there = tmp_path / "scope" / f"a.{kind}"
    (shutil.copytree if made.is_dir() else shutil.copy)(made, there)
    assert look() == []
    assert look(1) == [f"a.{kind}"]


def test_a_file_that_has_its_size_before_its_frames_is_not_complete(look, tmp_path: Path) -> None:
    path = tmp_path / "scope" / "a.ome.tif"
    how = {"shape": MOVIE.shape, "dtype": MOVIE.dtype, "metadata": {"axes": "TYX"}}
    frames = tifffile.memmap(path, photometric="minisblack", **how)
    for number in range(5):
        frames[number] = MOVIE[number]
        frames.flush()
        set_time(path, 1000 + number)
        assert look(1) == look(1) == []
    frames[5] = MOVIE[5]
    frames.flush()
    set_time(path, 1006)
    assert look(1) == []
    assert look(1) == ["a.ome.tif"]


def test_a_plate_is_given_field_by_field_when_it_rests(look, tmp_path: Path) -> None:
    write_plate(tmp_path / "scope" / "p.zarr", {"A/1": [MOVIE, MOVIE]})
    assert look() == []
    assert look(1) == []
    assert look(30) == ["p.zarr/A/1/0", "p.zarr/A/1/1"]


def test_patterns_tables_and_files_may_name_what_is_not_there_yet(
    tmp_path: Path, clock: Clock
) -> None:
    table = tmp_path / "study.csv"
    table.write_text("path,prompts\nb.nd2,the cell\n")
    named = [str(tmp_path / name) for name in ("a.nd2", "day*/*.nd2", "study.csv", "soon")]
    watch = Watch(named, clock=clock)
    assert watch.look().rows == ()
    for name in ("a.nd2", "b.nd2", "day1/c.nd2", "soon/d.nd2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert watch.look().rows == ()
    assert len(watch.waiting) == 4
    clock.now += 31
    rows = watch.look().rows
    assert [Path(row.path).name for row in rows] == ["a.nd2", "c.nd2", "b.nd2", "d.nd2"]
    assert rows[2].sentences == ("the cell",)
    assert watch.waiting == ()


def test_what_could_not_be_taken_up_is_given_again(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "a.nd2").write_bytes(b"x")
    write_plate(tmp_path / "p.zarr", {"A/1": [MOVIE]})
    watch = Watch([str(tmp_path)], clock=clock)
    watch.look()
    clock.now += 31
    given = watch.look()
    assert len(given.rows) == 2
    watch.put_back()
    assert len(watch.untaken) == 2
    assert watch.waiting == ()
    assert watch.look() == given
    assert watch.look().rows == ()


def test_of_what_was_given_some_may_be_put_back(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "a.nd2").write_bytes(b"x")
    write_plate(tmp_path / "p.zarr", {"A/1": [MOVIE, MOVIE]})
    watch = Watch([str(tmp_path)], clock=clock)
    watch.look()
    clock.now += 31
    a, *fields = watch.look().rows
    (tmp_path / "late.nd2").write_bytes(b"x")
    watch.put_back(fields[:1])
    fields_again = watch.look().rows
    assert list(fields_again) == fields
    assert watch.untaken == ()
    watch.put_back([a])  # which is not of the last look
    watch.put_back(fields_again)
    assert watch.untaken == (str(tmp_path / "p.zarr"),)
    assert watch.waiting == (str(tmp_path / "late.nd2"),)


def test_an_address_is_given_once(clock: Clock) -> None:
    watch = Watch(["s3://bucket/a.tif"], clock=clock)
    assert [row.path for row in watch.look().rows] == ["s3://bucket/a.tif"]
    assert watch.look().rows == ()


def test_results_are_not_taken_up_again(tmp_path: Path, clock: Clock) -> None:
    for name in ("a.nd2", "a_labels.ome.tif", "masks.tif"):
        (tmp_path / name).write_bytes(b"x")
    watch = Watch([str(tmp_path)], leave_out={str(tmp_path / "masks.tif")}, clock=clock)
    watch.look()
    clock.now += 31
    assert [Path(row.path).name for row in watch.look().rows] == ["a.nd2"]


def test_a_table_that_makes_no_sense_is_told_at_once(tmp_path: Path, clock: Clock) -> None:
    table = tmp_path / "study.csv"
    table.write_text("file\na.tif\n")
    with pytest.raises(RequestError, match="not known: 'file'"):
        Watch([str(table)], clock=clock).look()


# What formats say


def test_an_mp4_is_complete_when_its_index_and_all_its_frames_are_there(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "a.mp4", 30)
    assert video.is_complete(path)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert not video.is_complete(path)
    early = write_movie(tmp_path / "b.mp4", 30, options={"movflags": "faststart"})
    assert video.is_complete(early)
    for rest in (b"", bytes(5000)):  # the second has made room for all
        path.write_bytes(early.read_bytes()[:-5000] + rest)
        assert not video.is_complete(path)
    for name in ("c.mkv", "c.avi"):
        assert not video.is_complete(write_movie(tmp_path / name, 5))


def test_fragments_of_an_mp4_may_always_be_followed_by_one_more(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 40, "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 40, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert b"moof" in path.read_bytes()
    assert not video.is_complete(path)


def test_a_tiff_is_complete_when_it_says_how_many_planes_it_has_and_has_them(
    tmp_path: Path,
) -> None:
    ome, imagej, plain = (tmp_path / name for name in ("a.ome.tif", "b.tif", "c.tif"))
    tifffile.imwrite(ome, MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    tifffile.imwrite(imagej, MOVIE, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(plain, MOVIE, metadata=None, photometric="minisblack")
    assert tiff.is_complete(ome)
    assert tiff.is_complete(imagej)
    assert not tiff.is_complete(plain)
    for path in (ome, imagej):
        whole = path.read_bytes()
        for share in (0.3, 0.9):
            path.write_bytes(whole[: int(len(whole) * share)])
            assert not tiff.is_complete(path)


def test_an_ome_tiff_with_several_series_is_complete_when_all_are(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for _ in range(2):
            writer.write(MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    assert tiff.is_complete(path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_store_is_complete_when_every_plane_has_its_file(version: str, tmp_path: Path) -> None:
    path = write_ngff(tmp_path / "a.zarr", MOVIE, version=version)
    assert ome_zarr.is_complete(path)
    group = zarr.open_group(str(path), mode="r")
    name, pixels = next(group.arrays())
    assert isinstance(pixels, zarr.Array)
    (path / name / pixels.metadata.encode_chunk_key((5, 0, 0))).unlink()
    assert not ome_zarr.is_complete(path)
    together = write_ngff(tmp_path / "b.zarr", MOVIE, version=version, chunks=(3, 32, 40))
    assert not ome_zarr.is_complete(together)
    (path / ".zattrs").unlink(missing_ok=True)
    (path / "zarr.json").unlink(missing_ok=True)
    assert not ome_zarr.is_complete(path)
