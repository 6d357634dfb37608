"""Masks that are there already, in other formats; what a file is, and which formats there are."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from ome_zarr.format import FormatV04
from ome_zarr.io import parse_url
from ome_zarr.reader import Label, Reader
from ome_zarr.writer import write_image
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from napari_sa2va._tests.fakes import colour_clip
from napari_sa2va._tests.made_projects import PICTURES, corner, movie_in, saved_beside, work_on
from napari_sa2va._tests.made_results import labels_of
from napari_sa2va._tests.movies import write_movie
from napari_sa2va.cli.main import main
from napari_sa2va.project import Project
from napari_sa2va.project.folder import open_project, save
from napari_sa2va.project.labels_file import result_of_labels
from napari_sa2va.project.result import result_of
from napari_sa2va.project.steps.add import Add
from napari_sa2va.project.steps.divide import Divide
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.readers import READERS
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.result import of_labels
from napari_sa2va.writers.write import write_result


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a movie and a project of it; nothing in it is written to."""
    folder = tmp_path_factory.mktemp("export")
    movie = movie_in(folder)
    saved_beside(work_on(open_clip(movie)), movie)
    return movie.parent


@pytest.fixture
def project(home: Path) -> Path:
    return home / "cells.sa2va"


@pytest.fixture
def expected(project: Path) -> np.ndarray:
    """The labels of the project."""
    labels = labels_of(result_of(open_project(project)))
    assert set(np.unique(labels)) == {0, 1, 3, 9}
    return labels


def width_of(picture: Path) -> int:
    with Image.open(picture) as opened:
        return opened.size[0]


# Projects


def test_a_project_is_written_in_several_formats_at_once(
    project: Path, tmp_path: Path, expected: np.ndarray, capsys
) -> None:
    tif, coco = tmp_path / "cells.ome.tif", tmp_path / "cells.json"
    assert main(["export", str(project), "-o", str(tif), "-o", str(coco)]) == 0
    np.testing.assert_array_equal(tifffile.imread(tif), expected)
    read = COCO(str(coco))
    assert len(read.getAnnIds()) == sum(len(np.unique(frame)) - 1 for frame in expected)
    areas = sum(int(coco_mask.area(a["segmentation"])) for a in read.loadAnns(read.getAnnIds()))
    assert areas >= np.count_nonzero(expected)
    printed = capsys.readouterr().out
    assert f"Wrote {tif}" in printed
    assert f"Wrote {coco}" in printed


def test_a_folder_takes_its_format_from_a_flag(
    project: Path, tmp_path: Path, expected: np.ndarray
) -> None:
    folder = tmp_path / "clip"
    assert main(["export", str(project), "-o", str(folder), "--format", "davis"]) == 0
    pictures = sorted(folder.glob("*.png"))
    assert [p.name for p in pictures] == [f"{t:05d}.png" for t in range(len(expected))]
    np.testing.assert_array_equal(np.stack([np.asarray(Image.open(p)) for p in pictures]), expected)


def test_a_name_without_an_ending_gets_that_of_its_format(project: Path, tmp_path: Path) -> None:
    assert main(["export", str(project), "-o", str(tmp_path / "a")]) == 0
    assert main(["export", str(project), "-o", str(tmp_path / "a"), "--format", "coco"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.ome.tif"]


def test_overlaps_are_said_and_which_object_is_kept_can_be_chosen(tmp_path: Path, capsys) -> None:
    made = Project.of(colour_clip())
    for object_id in (1, 2):
        made.do(Add(object_id=object_id, name=f"object {object_id}"))
    for object_id in (2, 1):
        made.do(Paint(frame=0, masks={object_id: corner()}))
    save(made, tmp_path / "p")
    for overlap, kept, object_id in (("last", "later", 2), ("first", "earlier", 1)):
        out = tmp_path / f"{overlap}.tif"
        arguments = ["export", str(tmp_path / "p"), "-o", str(out), "--overlap", overlap]
        assert main(arguments) == 0
        assert f"the {kept} one was kept" in capsys.readouterr().err
        assert set(np.unique(tifffile.imread(out)[0])) == {0, object_id}


def test_a_project_is_written_without_its_movie_unless_the_format_shows_it(
    project: Path, home: Path, tmp_path: Path, expected: np.ndarray, capsys
) -> None:
    movie = home / "movie.tif"
    away = movie.rename(tmp_path / "elsewhere.tif")
    try:
        tif, sheet = tmp_path / "a.ome.tif", tmp_path / "a.png"
        assert main(["export", str(project), "-o", str(tif), "-o", str(sheet)]) == 2
        assert not sheet.exists()
        assert not tif.exists(), "all are looked at before the first is written"
        printed = capsys.readouterr().err
        assert f"{sheet} cannot be written" in printed
        assert "not at hand" in printed
        assert "--input" in printed
        assert main(["export", str(project), "-o", str(sheet), "--input", str(away)]) == 0
        assert width_of(sheet) > 100
        assert main(["export", str(project), "-o", str(tif)]) == 0
        np.testing.assert_array_equal(tifffile.imread(tif), expected)
    finally:
        away.rename(movie)


def test_labels_go_into_the_store_of_an_image_where_another_program_finds_them(
    project: Path, tmp_path: Path, expected: np.ndarray
) -> None:
    store = tmp_path / "movie.ome.zarr"
    write_image(PICTURES[..., 0], zarr.open_group(store, mode="w"), axes="tyx")
    assert main(["export", str(project), "-o", str(store / "labels" / "cells")]) == 0
    nodes = [node for node in Reader(parse_url(str(store)))() if node.load(Label)]
    (cells,) = [node for node in nodes if node.metadata["name"] == "cells"]
    np.testing.assert_array_equal(np.asarray(cells.data[0]), expected)
    # As the store of labels alone they can be exported again.
    again = tmp_path / "again.tif"
    assert main(["export", str(store / "labels" / "cells"), "-o", str(again)]) == 0
    np.testing.assert_array_equal(tifffile.imread(again), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["PROJECT", "-o", "OUT/a.bmp"], "a.bmp"),
        (["PROJECT", "-o", "OUT/a", "--format", "doc"], "'doc'"),
        (["PROJECT", "-o", "OUT/a.tif", "--format", "coco"], "the endings say ome-tiff"),
        (["PROJECT", "-o", "OUT/a.tif", "-o", "OUT/a.tif"], "same name"),
        (["PROJECT", "-o", "OUT/no/a.tif"], "there is no folder"),
        (["PROJECT", "-o", "PROJECT/a.tif"], "overwrite or mix"),
        (["PROJECT", "-o", "OUT/a.tif", "--input", "nowhere.tif"], "nowhere.tif"),
        (["nowhere", "-o", "OUT/a.tif"], "nowhere"),
        (["MOVIE", "-o", "OUT/a.tif"], "channels or colours"),
        (["MOVIE", "-o", "MOVIE", "--overwrite"], "overwrite or mix"),
    ],
)
def test_a_bad_request_is_exit_code_2_with_the_reason_and_writes_nothing(
    project: Path, home: Path, tmp_path: Path, capsys, arguments: list[str], message: str
) -> None:
    places = {"PROJECT": str(project), "OUT": str(tmp_path), "MOVIE": str(home / "movie.tif")}
    for word, place in places.items():
        arguments = [a.replace(word, place) for a in arguments]
    before = (home / "movie.tif").read_bytes()
    assert main(["export", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert (home / "movie.tif").read_bytes() == before


def test_nothing_is_overwritten_unless_told(project: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "a.tif"
    out.write_bytes(b"precious")
    assert main(["export", str(project), "-o", str(out)]) == 2
    assert out.read_bytes() == b"precious"
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", str(project), "-o", str(out), "--overwrite"]) == 0
    assert tifffile.imread(out).max() == 9


# Labels of other programs


LABELS = np.zeros((4, 16, 20), np.uint16)
LABELS[:, 2:6, 3:8] = 7
LABELS[2:, 10:13, 10:20] = 300


def test_labels_of_another_program_are_written_in_another_format(tmp_path: Path) -> None:
    source = tmp_path / "cellpose.tif"
    tifffile.imwrite(source, LABELS, photometric="minisblack", metadata={"axes": "TYX"})
    assert main(["export", str(source), "-o", str(tmp_path / "a.json")]) == 0
    read = COCO(str(tmp_path / "a.json"))
    areas = sorted(int(coco_mask.area(a["segmentation"])) for a in read.loadAnns(read.getAnnIds()))
    assert areas == [20] * 4 + [30] * 2


def test_what_nobody_named_has_the_same_name_in_every_format_and_one_category(
    tmp_path: Path,
) -> None:
    source = tmp_path / "cellpose.tif"
    tifffile.imwrite(source, LABELS, photometric="minisblack", metadata={"axes": "TYX"})
    outputs = [tmp_path / name for name in ("a.json", "a.csv", "a.xml", "a.ome.tif")]
    assert main(["export", str(source), *(f"-o{output}" for output in outputs)]) == 0
    coco = json.loads(outputs[0].read_text())
    assert [c["name"] for c in coco["categories"]] == ["object"]
    spots = ElementTree.parse(outputs[2]).getroot().iter("Spot")
    found = (
        {track["name"] for track in coco["tracks"]},
        set(pd.read_csv(outputs[1])["name"]),
        {spot.get("name") for spot in spots},
        {subject.name for subject in result_of_labels(outputs[3]).subjects},
    )
    assert found == ({"object 7", "object 300"},) * 4


@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr"])
def test_labels_of_ours_keep_names_sentences_and_parents(ending: str, tmp_path: Path) -> None:
    made = Project.of(colour_clip())
    for object_id, name in ((1, "mother"), (2, "Töchter & Söhne"), (3, "nowhere")):
        made.do(Add(object_id=object_id, name=name))
    made.do(Paint(frame=0, masks={1: corner()}))
    made.do(Paint(frame=1, masks={2: corner()}))
    made.do(Divide(parent=1, daughters=(2,)))
    first = result_of(made)
    labels = tmp_path / f"labels{ending}"
    write_result(labels, first)
    again = result_of_labels(labels)
    assert again.subjects == first.subjects
    assert [s.parents for s in again.subjects] == [(), (1,), ()]
    np.testing.assert_array_equal(again.labels(1), first.labels(1))


def test_names_that_make_no_sense_are_left_out(tmp_path: Path) -> None:
    store = tmp_path / "labels.zarr"
    group = zarr.open_group(store, mode="w", zarr_format=2)
    write_image(LABELS, group, axes="tyx", scaler=None, fmt=FormatV04())
    said = [
        {"label-value": 7, "name": "seven", "class": "cell", "parents": [99]},
        {"label-value": "many", "name": "x"},
        {"label-value": 300, "name": ["no", "text"]},
        "nothing",
    ]
    group.attrs["image-label"] = {"properties": said}
    subjects = result_of_labels(store).subjects
    assert [(s.object_id, s.name, s.parents) for s in subjects] == [
        (7, "seven", ()),
        (300, "object 300", ()),
    ]


def test_labels_through_time_and_z_keep_both(tmp_path: Path) -> None:
    volume = np.stack([LABELS, LABELS[::-1], LABELS * 0], axis=1)
    tifffile.imwrite(tmp_path / "a.ome.tif", volume, metadata={"axes": "TZYX"})
    assert main(["export", str(tmp_path / "a.ome.tif"), "-o", str(tmp_path / "b.ome.tif")]) == 0
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
        assert file.series[0].axes == "TZYX"
        np.testing.assert_array_equal(file.asarray(), volume)


def test_labels_are_drawn_over_the_movie_that_is_named(tmp_path: Path, capsys) -> None:
    source, movie = tmp_path / "labels.tif", tmp_path / "movie.tif"
    tifffile.imwrite(source, LABELS, photometric="minisblack")
    tifffile.imwrite(movie, PICTURES[:4], photometric="rgb")
    out = tmp_path / "sheet.png"
    assert main(["export", str(source), "-o", str(out)]) == 2
    assert "not at hand" in capsys.readouterr().err
    assert main(["export", str(source), "--input", str(movie), "-o", str(out)]) == 0
    assert width_of(out) > 100
    tifffile.imwrite(movie, PICTURES, photometric="rgb")
    again = ["export", str(source), "--input", str(movie), "-o", str(out), "--overwrite"]
    assert main(again) == 2
    assert "the clip is (6, 16, 20)" in capsys.readouterr().err


def _sized(path: Path, labels: np.ndarray, pixel_um: float, interval_s: float) -> Path:
    about = {"PhysicalSizeY": pixel_um, "PhysicalSizeX": pixel_um, "TimeIncrement": interval_s}
    tifffile.imwrite(path, labels, photometric="minisblack", metadata={"axes": "TYX", **about})
    return path


def test_a_table_of_labels_needs_no_movie_but_lacks_intensities(tmp_path: Path, capsys) -> None:
    labels = _sized(tmp_path / "l.ome.tif", LABELS, 0.5, 150.0)
    outputs = [tmp_path / "a.csv", tmp_path / "a.parquet"]
    assert main(["export", str(labels), *(f"-o{output}" for output in outputs)]) == 0
    printed = capsys.readouterr().err
    assert printed == (
        "Note on a.csv, a.parquet: The movie is not at hand, so intensities were not measured.\n"
    )
    for table in (pd.read_csv(outputs[0]), pd.read_parquet(outputs[1])):
        assert not [column for column in table if "intensity" in column]
        assert table["index"].tolist() == [7, 7, 7, 300, 7, 300]
        assert table["time_s"].max() == 450
        assert table["area_um2"].tolist() == [5.0, 5.0, 5.0, 7.5, 5.0, 7.5]


def test_what_only_the_labels_say_of_size_and_time_is_used(tmp_path: Path, capsys) -> None:
    labels = _sized(tmp_path / "l.ome.tif", LABELS, 0.5, 150.0)
    movie = tmp_path / "movie.npy"
    np.save(movie, np.arange(4 * 16 * 20, dtype=np.uint16).reshape(4, 16, 20))
    out = tmp_path / "a.csv"
    assert main(["export", str(labels), "--input", str(movie), "-o", str(out)]) == 0
    assert capsys.readouterr().err == ""
    table = pd.read_csv(out)
    assert table["time_s"].max() == 450
    assert table["area_um2"].iloc[0] == 5
    assert table["mean_intensity"].notna().all()


def test_a_movie_that_contradicts_its_labels_is_believed_with_a_note(
    tmp_path: Path, capsys
) -> None:
    labels = _sized(tmp_path / "l.ome.tif", LABELS, 0.5, 150.0)
    movie = _sized(tmp_path / "movie.ome.tif", LABELS + 1, 0.25, 150.0)
    out = tmp_path / "a.csv"
    assert main(["export", str(labels), "--input", str(movie), "-o", str(out)]) == 0
    assert capsys.readouterr().err == (
        "Note: The labels say 0.5 × 0.5 as pixel size in µm, the movie 0.25 × 0.25, which is taken.\n"
    )
    assert pd.read_csv(out)["area_um2"].iloc[0] == 20 * 0.25**2


def test_labels_over_time_of_a_movie_over_z_are_told_of(tmp_path: Path, capsys) -> None:
    labels = _sized(tmp_path / "l.ome.tif", LABELS, 0.5, 150.0)
    movie = tmp_path / "movie.ome.tif"
    tifffile.imwrite(movie, LABELS + 1, photometric="minisblack", metadata={"axes": "ZYX"})
    out = tmp_path / "a.csv"
    assert main(["export", str(labels), "--input", str(movie), "-o", str(out)]) == 0
    assert "the movie plays over z" in capsys.readouterr().err
    assert "time_s" not in pd.read_csv(out)


@pytest.fixture
def cropped(tmp_path: Path) -> tuple[Path, Path]:
    """A movie, and labels of rows 4 to 11 and columns 2 to 15 of it."""
    movie = _sized(tmp_path / "movie.ome.tif", LABELS + 1, 0.5, 2.0)
    clip = open_clip(movie, box=(4, 2, 12, 16))
    inside = LABELS[:, 4:12, 2:16]
    labels = tmp_path / "crop.ome.tif"
    write_result(labels, of_labels(clip, inside.__getitem__, names={7: "", 300: ""}))
    return movie, labels


def test_where_a_crop_lies_is_read_from_its_labels(
    tmp_path: Path, capsys, cropped: tuple[Path, Path]
) -> None:
    movie, labels = cropped
    coco, csv, yolo = (tmp_path / name for name in ("a.json", "a.csv", "a.parquet"))
    assert main(["export", str(labels), *(f"-o{output}" for output in (coco, csv, yolo))]) == 0
    assert json.loads(coco.read_text())["videos"][0]["box_in_source_px"] == [4, 2, 12, 16]
    assert "Note on a.csv, a.parquet: The masks are of rows 4 to 11" in capsys.readouterr().err
    again = ["export", str(labels), "--input", str(movie), "-o", str(csv), "--overwrite"]
    assert main(again) == 0, "the region does not have to be typed again"
    # Of object 7, rows 4 and 5 are in the crop: there the movie is one more than the labels.
    assert pd.read_csv(csv)["mean_intensity"].tolist()[:2] == [8.0, 8.0]


def test_a_region_that_is_asked_for_goes_before_that_of_the_labels(
    tmp_path: Path, capsys, cropped: tuple[Path, Path]
) -> None:
    movie, labels = cropped
    out = tmp_path / "a.json"
    arguments = ["export", str(labels), "--input", str(movie), "--box", "0,0,8,14", "-o", str(out)]
    assert main(arguments) == 0
    assert json.loads(out.read_text())["videos"][0]["box_in_source_px"] == [0, 0, 8, 14]
    assert "are taken to be of rows 0 to 7, columns 0 to 13" in capsys.readouterr().err


def test_of_a_folder_of_results_the_file_of_labels_is_taken(
    tmp_path: Path, cropped: tuple[Path, Path]
) -> None:
    movie, labels = cropped
    folder = tmp_path / "results"
    sheet = ["export", str(labels), "--input", str(movie), "-o", str(folder / "a.png")]
    folder.mkdir()
    assert main(sheet) == 0
    labels.rename(folder / "a.ome.tif")
    assert main(["export", str(folder), "-o", str(tmp_path / "b.json")]) == 0
    said = json.loads((tmp_path / "b.json").read_text())
    assert {track["id"] for track in said["tracks"]} == {7, 300}
    assert said["videos"][0]["box_in_source_px"] == [4, 2, 12, 16]


@pytest.mark.parametrize(
    ("data", "message"),
    [(LABELS / 2, "float64"), (LABELS.astype(np.int16) - 1, "the value -1")],
    ids=["fractions", "negative"],
)
def test_what_holds_no_labels_is_refused(
    tmp_path: Path, capsys, data: np.ndarray, message: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack")
    assert main(["export", str(tmp_path / "a.tif"), "-o", str(tmp_path / "b.tif")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "b.tif").exists()


def test_a_choice_of_overlap_is_refused_where_nothing_overlaps(tmp_path: Path, capsys) -> None:
    tifffile.imwrite(tmp_path / "a.tif", LABELS, photometric="minisblack")
    arguments = ["export", str(tmp_path / "a.tif"), "-o", str(tmp_path / "b.tif")]
    assert main([*arguments, "--overlap", "first"]) == 2
    assert "no object overlaps" in capsys.readouterr().err


# What a file is, and which formats there are


def test_info_says_what_a_file_is_in_words_and_in_json(tmp_path: Path, capsys) -> None:
    path = tmp_path / "two.ome.tif"
    tifffile.imwrite(
        path, np.zeros((3, 2, 8, 9), np.uint16), photometric="minisblack",
        metadata={"axes": "TCYX", "Channel": {"Name": ["dapi", "gfp"]}, "PhysicalSizeX": 0.25,
                  "PhysicalSizeXUnit": "um", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "um",
                  "TimeIncrement": 2.0, "TimeIncrementUnit": "s"},
    )  # fmt: skip
    assert main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    for words in (
        "3 time (T), 2 channels (C), 8 rows (Y), 9 columns (X)",
        "uint16, 864 bytes",
        "0.5 × 0.25 µm (height × width)",
        "2 s",
        "dapi",
    ):
        assert words in printed, printed
    assert main(["info", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["axes"] == "TCYX"
    assert facts["shape"] == [3, 2, 8, 9]
    assert facts["pixel_size_um"] == [0.5, 0.25]
    assert facts["channel_names"] == ["dapi", "gfp"]
    assert facts["source"] == str(path)


def test_info_of_a_movie_and_of_what_is_no_picture(tmp_path: Path, capsys) -> None:
    assert main(["info", str(write_movie(tmp_path / "a.mp4", 4))]) == 0
    assert "movies" in capsys.readouterr().out
    (tmp_path / "a.txt").write_text("some notes, and nothing else in here")
    assert main(["info", str(tmp_path / "a.txt")]) == 2
    assert "no format known here" in capsys.readouterr().err


def test_formats_names_every_format(capsys) -> None:
    assert main(["formats"]) == 0
    words = capsys.readouterr().out.split()
    for module in READERS:
        assert set(module.FORMAT.title.split()) <= set(words)
    for module in WRITERS:
        assert module.FORMAT.kind in words
