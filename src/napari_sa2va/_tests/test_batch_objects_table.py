"""All objects of all movies in one table."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path

import pytest

from napari_sa2va._tests.finished_batches import HEADER, add_unit, end, made_batch
from napari_sa2va.batch.objects_table import join_objects
from napari_sa2va.batch.unit import Part
from napari_sa2va.readers.opening import OpenArguments


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_say_of_which_movie_they_are_and_what_the_table_of_movies_said(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    one = add_unit(
        folder,
        "0001-a",
        annotations={"meta.mouse": "M1"},
        arguments=OpenArguments(series=3),
    )
    two = add_unit(folder, "0002-b", annotations={"meta.dose": "-5"})
    end(folder, one, table=f"{HEADER}\n1,cell,the cell,0,0.0,12,1.5,2.5,0.9,1\n")
    end(folder, two, table=f"{HEADER}\n1,cell,the cell,4,,7,1.0,2.0,0.5,1\n")
    joined = join_objects(folder)
    assert joined.path == tmp_path / "night" / "objects.csv"
    assert (joined.units, joined.rows, joined.damaged) == (2, 2, ())
    first, second = rows_of(joined.path)
    assert list(first) == [
        "movie", "unit", "series", "meta.mouse", "meta.dose",
        "object", "name", "sentence", "frame", "time_s", "area_px",
        "centroid_y_px", "centroid_x_px", "score", "present",
    ]  # fmt: skip
    assert [first[c] for c in ("movie", "unit", "series", "meta.mouse", "meta.dose", "area_px")] == [
        "a", "0001-a", "3", "M1", "", "12",
    ]  # fmt: skip
    assert (second["meta.mouse"], second["meta.dose"], second["time_s"]) == ("", "-5", "")


def test_columns_that_only_some_movies_have_are_empty_in_the_others(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    for unit_id, column in (("0001-a", "mean_intensity_GFP"), ("0002-b", "area_um2")):
        unit = add_unit(folder, unit_id)
        end(folder, unit, table=f"object,frame,area_px,{column},score,present\n1,0,9,2.5,0.5,1\n")
    first, second = rows_of(join_objects(folder).path)
    assert list(first)[3:] == [
        "object", "frame", "area_px", "area_um2", "mean_intensity_GFP", "score", "present",
    ]  # fmt: skip
    assert (first["mean_intensity_GFP"], first["area_um2"]) == ("2.5", "")
    assert (second["mean_intensity_GFP"], second["area_um2"]) == ("", "2.5")


def test_the_order_in_which_units_end_does_not_matter(tmp_path) -> None:
    written = []
    for name, order in (("forth", (0, 1, 2)), ("back", (2, 1, 0))):
        folder = made_batch(tmp_path / name)
        units = [add_unit(folder, f"000{i}-movie") for i in range(3)]
        for i in order:
            end(folder, units[i], table=f"{HEADER}\n1,n,s,{i},,{i + 5},1,2,0.5,1\n")
        written.append(join_objects(folder).path.read_bytes())
    assert written[0] == written[1]
    assert written[0].count(b"\n") == 4


def test_only_what_is_done_as_it_is_asked_for_now_is_in_the_table(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    row = "1,n,s,0,,5,1,2,0.5,1\n"
    end(folder, add_unit(folder, "0001-done"), table=HEADER + "\n" + row)
    end(folder, add_unit(folder, "0002-nothing"), "nothing", table=HEADER + "\n")
    end(folder, add_unit(folder, "0003-failed"), "failed", table=HEADER + "\n" + row, certain=True)
    changed = add_unit(folder, "0004-changed")
    end(folder, changed, table=HEADER + "\n" + row)
    add_unit(folder, "0004-changed", key="another")
    add_unit(folder, "0005-waiting")
    add_unit(folder, "0006-split", parts=("0006-part",))
    part = add_unit(folder, "0006-part", part=Part(first_frame=0, last_frame=9))
    end(folder, part, table=HEADER + "\n" + row)
    joined = join_objects(folder)
    assert [r["unit"] for r in rows_of(joined.path)] == ["0001-done"]
    assert joined.units == 2  # with the one that has nothing to say


def test_sentences_with_commas_quotes_and_lines_are_read_by_pandas_without_options(
    tmp_path,
) -> None:
    pandas = pytest.importorskip("pandas")
    folder = made_batch(tmp_path / "night")
    said = 'the "left" cell, or\nthe other – µ'
    quoted = said.replace('"', '""')
    unit = add_unit(folder, "0001-a", movie='a,"b"')
    end(folder, unit, table=f'{HEADER}\n1,cell,"{quoted}",0,,12,1.5,2.5,0.25,1\n')
    table = pandas.read_csv(join_objects(folder).path)
    assert table["sentence"].tolist() == [said]
    assert table["movie"].tolist() == ['a,"b"']
    assert table["present"].tolist() == [1]
    assert table["time_s"].isna().all()
    assert table["score"].tolist() == [0.25]


def test_a_sentence_that_a_spreadsheet_would_reckon_is_marked_as_a_text(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    unit = add_unit(folder, "0001-a", annotations={"meta.note": "@here", "meta.shift": "-2"})
    table = f"{HEADER}\n1,=1+1,-the dark cell,0,,12,-1.5,2.5,0.25,1\n"
    end(folder, unit, table=table)
    (row,) = rows_of(join_objects(folder).path)
    assert (row["name"], row["sentence"], row["meta.note"]) == (
        "'=1+1",
        "'-the dark cell",
        "'@here",
    )
    assert (row["centroid_y_px"], row["meta.shift"]) == ("-1.5", "-2")


def test_parquet_has_the_same_with_types_and_texts_as_they_are(tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = made_batch(tmp_path / "night", table_format="parquet")
    unit = add_unit(folder, "0001-a", annotations={"meta.mouse": "7"})
    end(folder, unit, table=f"{HEADER}\n1,=a,s,0,,12,1.5,2.5,,1\n2,b,s,0,,0,,,,0\n")
    joined = join_objects(folder)
    assert joined.path.name == "objects.parquet"
    table = parquet.read_table(joined.path).to_pydict()
    assert table["name"] == ["=a", "b"]
    assert table["meta.mouse"] == ["7", "7"]  # a name, not a number
    assert table["area_px"] == [12, 0]
    assert table["centroid_y_px"] == [1.5, None]
    assert table["present"] == [1, 0]
    assert table["series"] == ["", ""]


def test_a_table_of_another_format_does_not_stay_and_grow_old(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    csv_table = join_objects(folder).path
    folder.change_head(table_format="parquet")
    assert join_objects(folder).path == folder.path / "objects.parquet"
    assert not csv_table.exists()


def test_a_batch_of_which_nothing_is_done_has_a_table_with_columns_alone(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    add_unit(folder, "0001-a")
    joined = join_objects(folder)
    assert joined.path.read_text() == "movie,unit,series,object,frame,area_px\n"


def test_a_table_that_is_gone_or_cut_off_is_named_and_stops_nothing(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    row = "1,n,s,0,,5,1,2,0.5,1\n"
    end(folder, add_unit(folder, "0001-gone"))
    end(folder, add_unit(folder, "0002-cut"), table=f"{HEADER}\n{row}1,n,s")
    end(folder, add_unit(folder, "0003-whole"), table=f"{HEADER}\n{row}")
    joined = join_objects(folder)
    assert set(joined.damaged) == {"0001-gone", "0002-cut"}
    assert [r["unit"] for r in rows_of(joined.path)] == ["0002-cut", "0003-whole"]


@pytest.mark.parametrize("table_format", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("damaged", "rows"),
    [
        (b"\xff\xfe\x80\x00" * 50, 0),
        (bytes(4096), 0),
        (b'"' + b"x" * 200_000, 0),
        (b"object,frame\n1,0\n", 0),
        (f"{HEADER}\n1,n,s,0,,5,1,2,0.5,1\n1,n,s,1,,5".encode() + bytes(99), 1),
        (f"{HEADER}\n1,n,s,0,,5,1,2,0.5,1\n1,n,s,1,,5x,1,2,0.5,1\n".encode(), 1),
        (f"{HEADER}\n1,n,s,0,,5,1,2,0.5,1\n1,n,s,1,,5,1,2,0.5.5,1\n".encode(), 1),
        (f"{HEADER}\n1,n,s,0,,5,1,2,0.5,1\n1,n,s,{9 * 10**18}9,,5,1,2,0.5,1\n".encode(), 1),
    ],
)
def test_a_table_that_is_damaged_is_named_and_the_others_are_joined(
    tmp_path, table_format, damaged, rows
) -> None:
    if table_format == "parquet":
        pytest.importorskip("pyarrow")
    folder = made_batch(tmp_path / "night", table_format=table_format)
    end(folder, add_unit(folder, "0001-damaged"), table="")
    end(folder, add_unit(folder, "0002-whole"), table=f"{HEADER}\n1,n,s,0,,5,1,2,0.5,1\n")
    (folder.work_of("0001-damaged") / "objects.csv").write_bytes(damaged)
    joined = join_objects(folder)
    assert (joined.damaged, joined.rows) == (("0001-damaged",), rows + 1)


def test_numbers_are_joined_as_they_were_written(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    numbers = ["1e-05", "1.5e+300", "-0.0", "nan", "inf", "-inf", ""]
    lines = "".join(f"1,n,s,{t},,5,{n},2,0.5,1\n" for t, n in enumerate(numbers))
    end(folder, add_unit(folder, "0001-a"), table=f"{HEADER}\n{lines}")
    joined = join_objects(folder)
    assert joined.damaged == ()
    assert [row["centroid_y_px"] for row in rows_of(joined.path)] == numbers


def test_the_table_is_replaced_as_a_whole_and_leaves_nothing_beside_it(tmp_path) -> None:
    folder = made_batch(tmp_path / "night")
    (folder.path / "objects.csv").write_text("old")
    before = {p.name for p in folder.path.iterdir()}
    end(folder, add_unit(folder, "0001-a"), table=f"{HEADER}\n1,n,s,0,,5,1,2,0.5,1\n")
    join_objects(folder)
    added = {p.name for p in folder.path.iterdir()} - before
    assert not {name for name in added if "objects" in name}
    assert (folder.path / "objects.csv").read_text().startswith("movie,unit")


@pytest.mark.parametrize("table_format", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path, table_format) -> None:
    if table_format == "parquet":
        pytest.importorskip("pyarrow")
    folder = made_batch(tmp_path / "night", table_format=table_format)
    lines = "".join(f"1,n,the cell,{t},,5,1.5,2.5,0.5,1\n" for t in range(50_000))
    end(folder, add_unit(folder, "0001-a"), table=f"{HEADER}\n{lines}")
    join_objects(folder)  # what is imported is not counted
    peaks = []
    for unit_id in ("0002-b", "0003-c"):
        tracemalloc.start()
        join_objects(folder)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        for copy in "xyz":
            end(folder, add_unit(folder, unit_id + copy), table=f"{HEADER}\n{lines}")
    small, large = peaks  # 50 000 and 200 000 rows
    assert large < small * 1.5
    if table_format == "csv":
        assert large < 2_000_000
