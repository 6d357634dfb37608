from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sa2va._tests.made_dicom import PATIENT, write_dicom
from napari_sa2va._tests.ngff_labels import labelled
from napari_sa2va._tests.ngff_stores import write_plate
from napari_sa2va.batch.planning.inputs import rows_of
from napari_sa2va.batch.planning.labels import labels_of, safe
from napari_sa2va.batch.planning.naming import FIELDS, Naming, clashes, slug, values_of
from napari_sa2va.batch.planning.row import Row
from napari_sa2va.batch.unit import Output, Unit
from napari_sa2va.core.errors import RequestError
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.writers.write import write_result

MOVIE = np.arange(2 * 16 * 16, dtype=np.uint8).reshape(2, 16, 16)


def row(path: str = "/data/day1/a.ome.tif", series: int | str | None = None, **said) -> Row:
    return Row(path, arguments=OpenArguments(series=series), **said)


def named(
    pattern: str | None, asked: Row, sentence: str = "the cell", *, set_number: int = 1, **how
) -> list[str]:
    naming = Naming.of([pattern] if pattern else [], how.get("kind"), Path("/night/results"))
    (label,) = labels_of([asked])
    values = values_of(asked, label, [sentence], set_number=set_number, preset="sa2va-i", number=7)
    return [output.path for output in naming.outputs(values, asked.outputs, asked.kind)]


# What movies are called


def test_a_movie_is_called_like_its_file_and_its_series() -> None:
    rows = [
        row(), row("/data/b.tif", 2), row("/data/c.lif", "Pos 3/left"), row(name="mouse 1"),
        row("/data/p.zarr/A/1/0", field="A/1/0"), row("https://server/q.ome.zarr/B/2/1", field="B/2/1"),
        row("/data/r.zarr.zip", "C/1/0", field="C/1/0"), row("/data/run 7"),
    ]  # fmt: skip
    assert labels_of(rows) == [
        "a", "b-series2", "c-Pos 3/left", "mouse 1", "p-A-1-0", "q-B-2-1", "r-C-1-0", "run 7",
    ]  # fmt: skip


def test_where_two_are_called_the_same_the_folder_tells_them_apart_and_then_a_number() -> None:
    rows = [
        row("/data/day1/a.tif"), row("/data/day2/A.tif"), row("/data/day1/b.tif"),
        row("/data/day1/a.avi"), row("/data/day1/a-2.tif"),
    ]  # fmt: skip
    assert labels_of(rows) == ["a-tif", "day2-A", "b", "a-avi", "a-2"]


def test_files_of_one_name_in_one_folder_are_told_apart_by_their_endings() -> None:
    rows = [row("/inc/slow.mp4"), row("/inc/slow.ome.tif"), row("/inc/slow"), row("/inc/fast.avi")]
    assert labels_of(rows) == ["slow-mp4", "slow-ome-tif", "slow", "fast"]
    assert labels_of(rows[:1], known=["slow-mp4"]) == ["slow-mp4"]


def test_one_movie_that_is_asked_for_twice_is_told_apart_by_a_number() -> None:
    twice = [row("/data/a.tif"), Row("/data/a.tif", arguments=OpenArguments(z=1))]
    assert labels_of(twice) == ["a", "a-2"]


def test_who_was_called_something_keeps_it_as_long_as_it_fits() -> None:
    rows = [row("/day2/a.tif"), row("/day1/a.tif"), row("/day1/b.tif"), row("/c.tif", name="C")]
    assert labels_of(rows, ["", "a", "x-a", "c"]) == ["day2-a", "a", "b", "C"]
    assert labels_of(rows[:1], [""], taken=["A", "day2-a", "a-tif"]) == ["day2-a-2"]
    assert labels_of(rows[:2], ["a", "a"]) == ["a", "day1-a"]
    assert labels_of(rows[:1], ["a"], taken=["A"]) == ["day2-a"]


def test_names_of_files_are_allowed_on_every_system() -> None:
    assert safe('A/1: "left" \\ * ?\n') == "A-1- -left- - - -"
    assert [safe(name) for name in ("CON", "nul.tif", "com1", "console")] == [
        "CON_", "nul.tif_", "com1_", "console",
    ]  # fmt: skip
    assert safe(" .. ") == "movie"
    assert len(safe("細胞" * 100).encode()) <= 120
    assert safe("細胞" * 100).startswith("細胞細胞")


def test_the_name_of_a_patient_does_not_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "Muster_Erika"
    folder.mkdir()
    for name in ("Muster^Erika_cine.dcm", "erika muster"):  # one is known by its magic
        write_dicom(folder / name, **PATIENT)
    rows = [Row(str(folder / name)) for name in ("Muster^Erika_cine.dcm", "erika muster")]
    rows += [Row(str(tmp_path / "(PatientName).tif"))]
    labels = labels_of(rows)
    paths = [path for asked in rows[:2] for path in named("{name}_{movie}.csv", asked)]
    for text in (*labels, *(path.rpartition("/")[2] for path in paths)):
        assert "muster" not in text.lower()
        assert "erika" not in text.lower()
    assert len(set(labels)) == 3


# Patterns


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (None, "/night/results/a_labels.ome.tif"),
        ("{name}.csv", "/night/results/a.csv"),
        ("{folder}/{name}_{prompt}", "/data/day1/a_the-cell.ome.tif"),
        ("/out/{preset}/{number}-{movie}.nii.gz", "/out/sa2va-i/0007-a.nii.gz"),
        ("{name}_{series}_{well}.parquet", "/night/results/a.parquet"),
        ("../{name}-{set}.mp4", "/night/a.mp4"),
        ("{{{name}}}.csv", "/night/results/{a}.csv"),
    ],
)
def test_a_pattern_becomes_a_path_and_empty_fields_go_with_what_joins_them(
    pattern: str | None, expected: str
) -> None:
    assert named(pattern, row()) == [expected]


def test_series_wells_and_sets_stand_in_names() -> None:
    assert named("{name}_{series}.csv", row(series=3)) == ["/night/results/a_3.csv"]
    assert named(None, row(series="left"), set_number=2) == [
        "/night/results/a-left-set2_labels.ome.tif"
    ]
    field = row("/data/p.zarr/B/03/1", field="B/03/1")
    assert named("{folder}/{name}_{well}_{field}_{series}.csv", field) == [
        "/data/p_B03_1_B-03-1.csv"
    ]


def test_a_row_may_have_patterns_and_a_format_for_itself() -> None:
    own = row(outputs=("first of {name}", "~nobody-is-called-so.csv"), kind="davis")
    assert named("{name}.csv", own) == [
        "/night/results/first of a", "/night/results/~nobody-is-called-so.csv",
    ]  # fmt: skip


def test_a_format_is_taken_by_names_whose_endings_do_not_say_it() -> None:
    assert named(None, row(), kind="davis") == ["/night/results/a_labels"]
    assert named(None, row(), kind="coco")[0].endswith("a_labels.json")
    naming = Naming.of(["{name}.csv", "{name}"], "ctc", Path("/r"))
    assert [o.kind for o in naming.outputs(dict.fromkeys(FIELDS, "x"))] == ["table", "ctc"]


@pytest.mark.parametrize(
    ("pattern", "movie", "written"),
    [
        (None, "dose 1.5 uM.ome.tif", "dose 1.5 uM_labels.ome.tif"),
        (None, "2026.11.22.mp4", "2026.11.22_labels.ome.tif"),
        ("{name}", "plate.csv.ome.tif", "plate.csv.ome.tif"),
        ("{name}.csv", "dose 1.5.mp4", "dose 1.5.csv"),
    ],
)
def test_a_dot_in_what_a_movie_is_called_begins_no_ending(
    pattern: str | None, movie: str, written: str
) -> None:
    assert named(pattern, row(f"/data/{movie}")) == [f"/night/results/{written}"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{nmae}.csv", r"has \{nmae\}; is \{name\} meant"),
        ("{name:04d}.csv", r"has \{name:04d\}"),
        ("{}.csv", r"has \{\}\."),
        ("{name.csv", "makes no sense"),
        (" ", "is empty"),
        ("{name}.docx", "does not say in which format"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_refused_with_what_there_is(
    pattern: str, said: str
) -> None:
    with pytest.raises(RequestError, match=said) as told:
        Naming.of([pattern], None, Path("/night"))
    if "has" in said:
        assert "{prompt}" in told.value.hint


def test_a_movie_at_an_address_has_no_folder_to_write_to() -> None:
    far = row("https://server/a.zarr")
    assert named("{name}.csv", far) == ["/night/results/a.csv"]
    with pytest.raises(RequestError, match=r"has \{folder\}, which a movie at an address"):
        named("{folder}/{name}.csv", far)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(RequestError, match="no format 'docx'"):
        Naming.of(["{name}"], "docx", Path("/night"))


@pytest.mark.parametrize(
    ("sentence", "short"),
    [
        (
            "Please segment the bright cell that divides first.",
            "please-segment-the-bright-cell-that",
        ),
        ("die Zelle: größte!", "die-zelle-größte"),
        ("x" * 90, "x" * 40),
        ("?!", "prompt"),
    ],
)
def test_a_sentence_is_shortened_between_words(sentence: str, short: str) -> None:
    assert slug(sentence) == short


def test_labels_of_a_field_go_into_the_plate(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.zarr", {"A/1": [MOVIE, MOVIE]})
    second = rows_of([str(plate)]).rows[1]
    (path,) = named("{path}/labels/{prompt}", second)
    assert path == str(plate / "A" / "1" / "1" / "labels" / "the-cell")
    write_result(path, labelled(Path(second.path), np.minimum(MOVIE, 1)), "ome-zarr")
    assert (plate / "A" / "1" / "1" / "labels" / "the-cell").is_dir()
    assert not (plate / "A" / "1" / "0" / "labels").exists()


# Clashes


def unit(number: int, path: str, *outputs: str, kind: str = "table") -> Unit:
    return Unit(
        unit_id=f"{number:04d}", movie=f"m{number}", path=path, sentences=("x",), settings="s",
        key="k", outputs=tuple(Output(path=output, kind=kind) for output in outputs),
    )  # fmt: skip


def test_outputs_that_meet_are_found_with_the_units_that_have_them() -> None:
    units = [
        unit(1, "/d/a.tif", "/r/A.csv"), unit(2, "/d/b.tif", "/r/a.csv"),
        unit(3, "/d/c.tif", "/r/c.csv", "/r/c.csv"), unit(4, "/d/d.tif", "/r/d.csv"),
    ]  # fmt: skip
    same, twice = clashes(units)
    assert same.unit_ids == ("0001", "0002")
    assert same.message == "/r/A.csv would be written 2 times, for m1, m2."
    assert twice.unit_ids == ("0003",)
    assert list(clashes(units[3:])) == []


def test_outputs_that_would_harm_a_movie_are_found() -> None:
    units = [
        unit(1, "/d/a.csv", "/r/1.csv"), unit(2, "/d/frames", "/d/A.csv"),
        unit(3, "/d/c.tif", "/d/frames/c.csv"),
    ]  # fmt: skip
    assert [(problem.unit_ids, problem.message) for problem in clashes(units)] == [
        (("0002",), "/d/A.csv would overwrite the movie /d/a.csv, or lie in it."),
        (("0003",), "/d/frames/c.csv would overwrite the movie /d/frames, or lie in it."),
    ]


def test_labels_in_an_image_harm_nothing_and_files_in_a_folder_that_is_written_do() -> None:
    inside = unit(1, "/d/a.zarr", "/d/a.zarr/labels/x", "/d/a.zarr/labels/y", kind="ome-zarr")
    assert list(clashes([inside])) == []
    davis = unit(2, "/d/b.tif", "/r/b", kind="davis")
    (problem,) = clashes([davis, unit(3, "/d/c.tif", "/r/b/c.csv")])
    assert problem.unit_ids == ("0003",)
    assert "would lie in /r/b" in problem.message
