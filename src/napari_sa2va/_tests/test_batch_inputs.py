from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sa2va._tests.made_dicom import write_dicom, write_slices
from napari_sa2va._tests.ngff_stores import served, write_ngff, write_plate, zipped
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.planning.inputs import Rows, rows_of
from napari_sa2va.core.errors import RequestError
from napari_sa2va.readers.open import open_clip
from napari_sa2va.readers.opening import OpenArguments

MOVIE = np.random.default_rng(0).integers(0, 255, (3, 16, 20)).astype(np.uint8)


def tiff(path: Path, pixels: np.ndarray = MOVIE, **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, photometric="minisblack", **how)
    return path


def pictures(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(MOVIE[number]).save(folder / f"frame{number}.png")
    return folder


def look(*inputs: str | Path, **how) -> Rows:
    return rows_of([str(text) for text in inputs], **how)


def found(top: Path, *inputs: str | Path, **how) -> list[str]:
    """Paths of the movies that are found, from the test's folder."""
    return [Path(row.path).relative_to(top).as_posix() for row in look(*inputs, **how).rows]


# One movie, or many


def test_a_folder_of_movies_is_taken_file_by_file_in_natural_order(tmp_path: Path) -> None:
    for name in ("m10.tif", "m2.tif", "m1.ome.tif", ".hidden.tif", "half.tif.part", "~$m.tif"):
        tiff(tmp_path / "a.tif").rename(tmp_path / name)
    (tmp_path / "m3.mp4").write_bytes(b"known by its name")
    (tmp_path / "notes.txt").write_text("known to nobody")
    write_ngff(tmp_path / "m4.ome.zarr", MOVIE)
    tiff(tmp_path / "deeper" / "m5.tif")
    assert found(tmp_path, tmp_path) == [
        "m1.ome.tif", "m2.tif", "m3.mp4", "m4.ome.zarr", "m10.tif",
    ]  # fmt: skip
    assert found(tmp_path, tmp_path, recursive=True)[-1] == "deeper/m5.tif"


def test_numbered_images_are_one_movie_and_a_folder_of_such_folders_is_many(
    tmp_path: Path,
) -> None:
    a, b = pictures(tmp_path / "a"), pictures(tmp_path / "b")
    assert found(tmp_path, a) == ["a"]
    (tmp_path / "readme.txt").write_text("no movie")
    assert found(tmp_path, tmp_path) == ["a", "b"]
    assert open_clip(b).num_frames == 3


@pytest.mark.parametrize(
    ("axes", "expected"),
    [("TYX", ["f/s0.tif", "f/s1.tif"]), ("ZYX", ["f"]), (None, ["f/s0.tif", "f/s1.tif"])],
)
def test_stacks_of_frames_are_a_movie_each_and_stacks_of_planes_are_frames_of_one(
    axes: str | None, expected: list[str], tmp_path: Path
) -> None:
    how = {} if axes is None else {"imagej": True, "metadata": {"axes": axes}}
    for number in range(2):
        tiff(tmp_path / "f" / f"s{number}.tif", **how)
    assert found(tmp_path, tmp_path / "f") == expected


def test_single_pages_are_frames_of_one_movie_even_if_one_is_damaged(tmp_path: Path) -> None:
    for number in range(4):
        tiff(tmp_path / "f" / f"s{number}.tif", MOVIE[0])
    (tmp_path / "f" / "s0.tif").write_bytes(b"II*\0 and nothing else")
    assert found(tmp_path, tmp_path / "f") == ["f"]


def test_planes_of_dicom_are_one_movie_and_files_of_several_frames_are_many(
    tmp_path: Path,
) -> None:
    for name in ("cines", "slices"):
        (tmp_path / name).mkdir()
    for number in range(3):
        write_dicom(tmp_path / "cines" / f"IM{number}")  # known by what it begins with
    write_slices(tmp_path / "slices", np.zeros((1, 4, 6, 8), np.uint16))
    assert found(tmp_path, tmp_path / "slices") == ["slices"]
    assert found(tmp_path, tmp_path / "cines") == ["cines/IM0", "cines/IM1", "cines/IM2"]


def test_a_folder_that_is_one_movie_is_taken_beside_files_and_others_are_named(
    tmp_path: Path,
) -> None:
    tiff(tmp_path / "a.tif")
    pictures(tmp_path / "frames")
    tiff(tmp_path / "day2" / "b.tif")
    assert found(tmp_path, tmp_path) == ["a.tif", "frames"]
    (note,) = look(tmp_path).notes
    assert "were not looked into (1, such as day2). Name them" in note
    assert note.endswith("(--recursive takes all).")


def test_pictures_beside_movies_are_left_out_and_told(tmp_path: Path) -> None:
    pictures(tmp_path, 2)
    tiff(tmp_path / "m.tif")
    rows = look(tmp_path)
    assert [Path(row.path).name for row in rows.rows] == ["m.tif"]
    (note,) = rows.notes
    assert note.startswith("Pictures in ")
    assert "(2, such as frame0.png)" in note


# What is ours


def test_results_projects_and_batches_are_never_taken_for_movies(tmp_path: Path) -> None:
    tiff(tmp_path / "m.tif")
    for name in ("m_labels.ome.tif", "m_labels.tif", "M_Labels.mp4"):
        tiff(tmp_path / "a.tif").rename(tmp_path / name)
    write_ngff(tmp_path / "m_labels.ome.zarr", MOVIE)
    tiff(tmp_path / "project" / "clip.tif")
    (tmp_path / "project" / "project.json").write_text("{}")
    batch = BatchFolder.create(tmp_path / "night", BatchHead())
    tiff(batch.results / "other.tif")
    for how in ({}, {"recursive": True}):
        rows = look(tmp_path, **how)
        assert [Path(row.path).name for row in rows.rows] == ["m.tif"]
        (note,) = rows.notes
        assert note.endswith("(6, such as M_Labels.mp4).")
    assert found(tmp_path, tmp_path / "**" / "*.tif") == ["m.tif", "project/clip.tif"]
    assert found(tmp_path, tmp_path / "m_labels.tif") == ["m_labels.tif"]  # somebody named it
    with pytest.raises(RequestError, match="night is a batch"):
        look(tmp_path / "night")


def test_what_is_to_be_left_out_is_left_out_unless_it_is_named(tmp_path: Path) -> None:
    a, b = tiff(tmp_path / "a.tif"), tiff(tmp_path / "b.tif")
    assert found(tmp_path, tmp_path, leave_out={str(b)}) == ["a.tif"]
    assert found(tmp_path, tmp_path / "*.tif", leave_out={str(b)}) == ["a.tif"]
    assert found(tmp_path, a, b, leave_out={str(b)}) == ["a.tif", "b.tif"]


# Patterns


def test_a_pattern_names_movies_in_any_depth_and_each_once(tmp_path: Path) -> None:
    for name in ("day10/m1.tif", "day2/m1.tif", "day2/sub/m10.tif", "day2/sub/m9.tif"):
        tiff(tmp_path / name)
    (tmp_path / "day2" / "m1.txt").write_text("")
    assert found(tmp_path, tmp_path / "day*" / "m?.*") == ["day2/m1.tif", "day10/m1.tif"]
    every = ["day2/m1.tif", "day2/sub/m9.tif", "day2/sub/m10.tif", "day10/m1.tif"]
    assert found(tmp_path, tmp_path / "**" / "*.tif", tmp_path / "day2") == every
    assert sorted(found(tmp_path, tmp_path / "**")) == sorted(every)
    assert found(tmp_path, tmp_path / "day*") == ["day2/m1.tif", "day10/m1.tif"]


def test_images_of_a_movie_that_a_pattern_names_are_no_movies_themselves(tmp_path: Path) -> None:
    pictures(tmp_path / "a")
    write_ngff(tmp_path / "b.zarr", MOVIE)
    assert found(tmp_path, tmp_path / "**") == ["a", "b.zarr"]
    assert found(tmp_path, tmp_path / "a" / "*.png")[0] == "a/frame0.png"


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    tiff(tmp_path / "m[1].tif")
    tiff(tmp_path / "m1.tif")
    assert found(tmp_path, tmp_path / "m[1].tif") == ["m[1].tif"]


# Plates and series


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_and_a_well_are_one_movie_per_field_of_view(version: str, tmp_path: Path) -> None:
    plate = write_plate(
        tmp_path / "p.zarr", {"A/1": [MOVIE], "B/12": [MOVIE, MOVIE[::-1]]}, version
    )
    rows = look(plate).rows
    assert [row.field for row in rows] == ["A/1/0", "B/12/0", "B/12/1"]
    assert {row.store for row in rows} == {str(plate)}
    np.testing.assert_array_equal(open_clip(rows[2].path).frame(0), MOVIE[-1])
    assert look(plate / "B" / "12").rows == rows[1:]
    assert look(plate / "A" / "1" / "0").rows == rows[:1]
    assert look(plate / "*" / "*" / "0").rows == rows[:2]


def test_a_plate_in_an_archive_or_at_an_address_is_one_movie_per_field_too(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.zarr", {"A/1": [MOVIE, MOVIE[::-1]]})
    archive = zipped(plate, tmp_path / "p.zarr.zip")
    for row in look(archive).rows:
        assert row.store == str(archive)
        assert row.arguments.series == row.field
    with served(tmp_path) as address:
        rows = look(f"{address}/p.zarr").rows
        assert [row.path for row in rows] == [f"{address}/p.zarr/A/1/{n}" for n in "01"]
        assert {row.store for row in rows} == {f"{address}/p.zarr"}
        assert open_clip(rows[1].path).num_frames == 3


def test_a_damaged_plate_stays_one_movie_of_which_is_told_later(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.zarr", {"A/1": [MOVIE]})
    (plate / "A" / "1" / "zarr.json").write_text("{")
    assert found(tmp_path, plate) == ["p.zarr"]


def test_a_series_that_is_named_for_all_is_that_of_a_plate_and_of_a_folder_of_videos(
    tmp_path: Path,
) -> None:
    plate = write_plate(tmp_path / "p.zarr", {"A/1": [MOVIE, MOVIE]})
    (row,) = look(plate, arguments=OpenArguments(series="A/1/1", z=0)).rows
    assert (row.path, row.arguments) == (str(plate), OpenArguments(series="A/1/1", z=0))
    for name in ("JPEGImages/480p/bear", "JPEGImages/480p/cat"):
        pictures(tmp_path / "davis" / name)
    (row,) = look(tmp_path / "davis", arguments=OpenArguments(series="bear")).rows
    assert open_clip(row.path, **row.arguments.as_keywords()).num_frames == 3


def test_a_file_with_several_series_is_many_movies_only_if_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "m.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for _ in range(2):
            writer.write(MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    tiff(tmp_path / "n.tif")
    assert found(tmp_path, tmp_path) == ["m.ome.tif", "n.tif"]
    rows = look(tmp_path, every_series=True).rows
    assert [(Path(r.path).name, r.arguments.series) for r in rows] == [
        ("m.ome.tif", 0), ("m.ome.tif", 1), ("n.tif", None),
    ]  # fmt: skip
    broken = tiff(tmp_path / "o.tif")
    broken.write_bytes(b"II*\0")
    assert found(tmp_path, broken, every_series=True) == ["o.tif"]


# Tables


def test_what_a_table_says_of_a_plate_a_folder_or_a_pattern_holds_for_each_movie_in_it(
    tmp_path: Path,
) -> None:
    write_plate(tmp_path / "p.zarr", {"A/1": [MOVIE, MOVIE]})
    for name in ("day1/a.tif", "day1/b.tif", "day2/c.tif"):
        tiff(tmp_path / name)
    table = tmp_path / "study.csv"
    table.write_text('path,limits,prompts\np.zarr,"0,9",the cell\nday1,,\nday2/*.tif,"1,9",\n')
    rows = look(table).rows
    assert [Path(row.path).relative_to(tmp_path).as_posix() for row in rows] == [
        "p.zarr/A/1/0", "p.zarr/A/1/1", "day1/a.tif", "day1/b.tif", "day2/c.tif",
    ]  # fmt: skip
    assert rows[1].arguments == OpenArguments(limits=(0.0, 9.0))
    assert rows[1].sentences == ("the cell",)
    assert rows[2].arguments == OpenArguments()
    assert rows[4].place == "row 4 of study.csv"


def test_the_name_of_a_plate_is_followed_by_the_field_and_that_of_a_field_is_its_own(
    tmp_path: Path,
) -> None:
    write_plate(tmp_path / "p.zarr", {"A/1": [MOVIE, MOVIE]})
    table = tmp_path / "study.csv"
    table.write_text("path,name\np.zarr,first\np.zarr/A/1/0,second\n")
    assert [row.name for row in look(table).rows] == ["first A/1/0", "first A/1/1", "second"]


def test_a_table_may_name_what_is_not_there_and_one_movie_twice(tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif")
    table = tmp_path / "study.csv"
    table.write_text("path,z\na.tif,0\na.tif,1\na.tif,0\ngone.tif,\n")
    rows = look(table).rows
    assert [(Path(row.path).name, row.arguments.z) for row in rows] == [
        ("a.tif", 0), ("a.tif", 1), ("gone.tif", None),
    ]  # fmt: skip
    table.write_text("path\n*.mp4\n")
    with pytest.raises(
        RequestError, match=r"row 2 of study\.csv: .*names no movie that can be read"
    ):
        look(table)


# What cannot be


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([], "No input was given"),
        (["a.tif", " "], "empty text"),
        (["a.tif", "gone.tif", "lost.mp4"], r"There is no .*gone\.tif, .*lost\.mp4\."),
        (["a.tif", "notes.txt"], r"No format is known of \S+notes\.txt\."),
        (["*.mp4"], "names no movie that can be read"),
        (["*.txt"], "names no movie that can be read"),
        (["empty"], "empty holds no movie that can be read.*--recursive"),
        (["ours"], "ours holds no movie that can be read.* Results of this program .*1, such as"),
    ],
)
def test_inputs_that_name_nothing_are_refused(
    inputs: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiff(tmp_path / "a.tif")
    tiff(tmp_path / "ours" / "a_labels.ome.tif")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no movie")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=said):
        look(*inputs)


def test_a_text_from_here_becomes_a_path_from_the_root_and_an_address_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiff(tmp_path / "a.tif")
    monkeypatch.chdir(tmp_path)
    assert [row.path for row in look("./a.tif", "s3://bucket/movie.tif").rows] == [
        str(tmp_path / "a.tif"), "s3://bucket/movie.tif",
    ]  # fmt: skip
