from __future__ import annotations

import pyarrow
import pytest
from pyarrow import parquet

from napari_sa2va.batch.planning.prompts_file import read_prompts
from napari_sa2va.batch.planning.sheet import columns, is_sheet, read_sheet
from napari_sa2va.core.errors import RequestError
from napari_sa2va.readers.opening import OpenArguments


@pytest.fixture
def sheet(tmp_path):
    """Writes a table and reads it."""

    def write(text: str | bytes, name: str = "mice.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_sheet(path)

    return write


def test_each_column_says_its_part_of_a_row(sheet, tmp_path):
    (row,) = sheet(
        "path,name,position,z,channels,limits,box,prompts,output,preset,num-key-frames,device,"
        "hide-absent,meta.Mouse\n"
        'day1/a.tif,first,2,max,"0,GFP","100,4000","0,0,64,32",the cell | its nucleus,'
        "{name}.csv,sa2va,9,cuda:1,FALSE,M 12\n"
    )
    assert row.path == str(tmp_path / "day1" / "a.tif")
    assert row.name == "first"
    assert row.arguments == OpenArguments(
        series=2, z="max", channels=(0, "GFP"), limits=(100.0, 4000.0), box=(0, 0, 64, 32)
    )
    assert row.sentences == ("the cell", "its nucleus")
    assert (row.outputs, row.preset) == (("{name}.csv",), "sa2va")
    assert row.values == {
        "sampling.num_key_frames": 9, "model.device": "cuda:1", "tracking.hide_absent": False,
    }  # fmt: skip
    assert row.annotations == {"meta.Mouse": "M 12"}
    assert row.place == "row 2 of mice.csv"


def test_several_sentences_and_names_stand_in_a_cell_and_a_bar_within_one_after_a_backslash(sheet):
    (row,) = sheet("path,prompts,output,format\na.tif,a \\| b|c,{name}.csv | D:\\x,davis\n")
    assert row.sentences == ("a | b", "c")
    assert (row.outputs, row.kind) == (("{name}.csv", "D:\\x"), "davis")
    assert sheet("path,label\na.tif,day1-a\n")[0].label == "day1-a"
    with pytest.raises(RequestError, match="row 2, column format: There is no format 'tif'"):
        sheet("path,format\na.tif,tif\n")


def test_empty_cells_say_nothing_and_empty_rows_are_no_movies(sheet):
    rows = sheet("path,z,prompts,meta.x\n,,,\na.tif,,,\n , ,,\nb.tif,3,,\n")
    assert [row.place for row in rows] == ["row 3 of mice.csv", "row 5 of mice.csv"]
    assert rows[0].arguments == OpenArguments()
    assert rows[0].sentences is None
    assert rows[0].annotations == {}
    assert rows[1].arguments == OpenArguments(z=3)


def test_paths_start_in_the_folder_of_the_table_and_addresses_stay(sheet, tmp_path):
    rows = sheet(
        "path\nsub/../a.tif\n/data/b.tif\nhttps://server/c.zarr\n~nobody-is-called-so.tif\n"
    )
    assert [row.path for row in rows] == [
        str(tmp_path / "a.tif"), "/data/b.tif", "https://server/c.zarr",
        str(tmp_path / "~nobody-is-called-so.tif"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\ufeffPath;Num Key Frames;meta.Mouse\r\na.tif;7;M;12\r\n".replace("M;12", '"M;12"'), "a.csv"),
        ("path\tnum_key_frames\tmeta.Mouse\na.tif\t7\tM;12\n", "a.tsv"),
        ("path\tnum-key-frames\tmeta.Mouse\na.tif\t7\tM;12\n", "tabs_all_the_same.csv"),
        ('path,NUM-KEY-FRAMES,META.Mouse,\na.tif,7,"M;12",\n', "a.csv"),
        ('path;num-key-frames;meta.Mouse\na.tif;7;"M;12"\n', "semicolons_all_the_same.tsv"),
        ('sep=;\r\npath;num-key-frames;meta.Mouse\r\na.tif;7;"M;12"\r\n', "a.csv"),
        ('\ufeff"SEP=|"\nnum-key-frames|path|meta.Mouse\n7|a.tif|M;12\n', "a.csv"),
        ("meta.Mouse\tnum-key-frames\tpath\nM;12\t7\ta.tif", "a.tsv"),
    ],
    ids=["Excel in Europe", "tabs", "tabs in csv", "a column without a name", "semicolons in tsv",
         "a line for Excel", "a line for Excel in quotes", "no last line end"],
)  # fmt: skip
def test_tables_of_several_programs_say_the_same(sheet, text, name):
    (row,) = sheet(text, name)
    assert row.path.endswith("a.tif")
    assert row.values == {"sampling.num_key_frames": 7}
    assert row.annotations == {"meta.Mouse": "M;12"}
    assert row.place == f"row 2 of {name}"


def test_in_a_tsv_with_one_column_or_with_tabs_other_signs_stand_in_texts(sheet):
    assert sheet("path\na;b,c.tif\n", "a.tsv")[0].path.endswith("a;b,c.tif")
    (row,) = sheet("path\tmeta.a,b;c,d\na.tif\tx\n", "a.tsv")
    assert row.annotations == {"meta.a,b;c,d": "x"}


def test_the_numbers_that_pandas_gives_to_rows_are_no_column(tmp_path):
    path = tmp_path / "mice.parquet"
    rows = {"path": ["a.tif"], "__index_level_0__": [7], "__index_level_1__": ["x"]}
    parquet.write_table(pyarrow.table(rows), path)
    (row,) = read_sheet(path)
    assert (row.path, row.annotations) == (str(tmp_path / "a.tif"), {})


def test_a_line_break_between_quotation_marks_does_not_shift_the_rows(sheet):
    rows = sheet('path,meta.note\na.tif,"two\nlines"\nb.tif,\n')
    assert rows[0].annotations == {"meta.note": "two\nlines"}
    assert rows[1].place == "row 3 of mice.csv"


def test_a_parquet_file_gives_numbers_answers_and_lists_as_they_are_written(tmp_path):
    path = tmp_path / "mice.parquet"
    table = pyarrow.table(
        {
            "path": ["a.tif", "b.tif"],
            "num-key-frames": [7, None],
            "z": [float("nan"), 2.0],
            "hide-absent": [False, None],
            "prompts": [["the cell", "a, b|c"], None],
            "output": [["a.csv", "a.json"], None],
            "limits": [[100.5, 4000.0], None],
            "meta.age": [1.5, None],
        }
    )
    parquet.write_table(table, path)
    a, b = read_sheet(path)
    assert a.values == {"sampling.num_key_frames": 7, "tracking.hide_absent": False}
    assert a.sentences == ("the cell", "a, b|c")
    assert a.outputs == ("a.csv", "a.json")
    assert a.arguments == OpenArguments(limits=(100.5, 4000.0))
    assert a.annotations == {"meta.age": "1.5"}
    assert b.arguments == OpenArguments(z=2)
    assert (b.values, b.sentences, b.annotations) == ({}, None, {})


def test_all_cells_that_make_no_sense_are_told_at_once_with_row_column_and_value(sheet):
    with pytest.raises(RequestError) as told:
        sheet(
            "path,limits,num-key-frames,prompts,preset,series,position\n"
            "a.tif,bright,0,,,,\n"
            "b.tif,,,the cell||x,,,\n"
            ",,5,,,,\n"
            'c.tif,"1,2",5,the cell,sam,1,2\n'
        )
    lines = told.value.message.splitlines()
    assert lines[0].startswith("6 cells of ")
    for line, start in zip(
        lines[1:7],
        [
            "row 2, column limits: limits 'bright' is not two numbers",
            "row 2, column num-key-frames: '0': Input should be greater",
            "row 3, column prompts: Prompt 2 is empty",
            "row 4, column path: it is empty",
            "row 5: there is a series ('1') and a position ('2')",
            "row 5, column preset: There is no preset 'sam'",
        ],
        strict=True,
    ):
        assert line.strip().startswith(start)


def test_a_table_that_is_wrong_anyway_tells_missing_files_and_sentences_as_well(sheet):
    with pytest.raises(RequestError) as told:
        sheet("path,prompts,limits\na.tif,the cell,bright\n,the cell,\nb.tif,,\n")
    said = " ".join(told.value.message.split())
    assert "2 cells of" in said
    for name, row in (("a.tif", 2), ("b.tif", 4)):
        assert f"{name} (row {row})" in said
    assert "No sentence stands in row 4; one for all movies may be given (-p)." in said
    # By itself neither is wrong: sentences may come from -p, and files that are missing are told later.
    assert len(sheet("path,prompts\na.tif,the cell\nb.tif,\n")) == 2


def test_of_very_many_wrong_rows_the_first_are_told(sheet):
    with pytest.raises(RequestError, match=r"(?s)100 cells.*row 21, .*\.\.\. and 80 more") as told:
        sheet("path,z,box\n" + "a.tif,0,1\n" * 100)
    assert "row 22," not in str(told.value)


def test_columns_that_are_not_known_are_named_with_the_nearest_one(sheet):
    with pytest.raises(RequestError, match=r"'chanels' \(is 'channels' meant\?\), 'mouse'") as told:
        sheet("path,chanels,mouse\na.tif,1,2\n")
    assert "meta.something" in told.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no column path; it has none"),
        ("file;z\na;1\n", "'file'"),
        (
            "movie,chanels\na,1\n",
            "no column path; it has movie, chanels; and .*'movie', 'chanels' ",
        ),
        ("name,z\na,1\n", "no column path; it has name, z"),
        ("path,z,Z\na,1,2\n", "several columns z"),
        ("path,z\n,\n", "has no rows"),
        ("path,prompts\na.tif,the cell, and more\n", "Row 2 .* has 3 cells, and there are 2"),
        ('path,name\na.tif,"x" y\n', "Line 2 .* is no line of a table"),
        (b"path,name\na.tif,M\xfcller\n", "not UTF-8: byte 17 is 0xfc"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(sheet, text, said):
    with pytest.raises(RequestError, match=said):
        sheet(text)


def test_a_table_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(RequestError, match=r"gone\.csv cannot be read .*No such file"):
        read_sheet(tmp_path / "gone.csv")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(RequestError, match="cannot be read as a Parquet file"):
        read_sheet(broken)


@pytest.mark.parametrize(
    ("name", "values", "good", "bad"),
    [
        ("meta.note", ["the cell"], b"the cell", b"the \xff\xffll"),  # is no UTF-8
        ("meta.day", pyarrow.array([0x01020304], pyarrow.date32()), b"\4\3\2\1", b"\4\3\2\x7f"),
        ("meta.note", ["x"], b"meta.note", b"meta\xffnote"),
    ],
)
def test_a_parquet_file_that_was_damaged_is_told(tmp_path, name, values, good, bad):
    path = tmp_path / "mice.parquet"
    table = pyarrow.table({"path": ["a.tif"], name: values})
    parquet.write_table(table, path, compression="none", write_statistics=False)
    assert good in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(good, bad))
    with pytest.raises(RequestError, match="cannot be read as a Parquet file"):
        read_sheet(path)


def test_no_two_columns_have_one_name():
    assert len(set(columns())) == len(columns())
    assert is_sheet("A.CSV")
    assert not is_sheet("a.tif")


def test_blank_lines_part_sets_of_sentences_and_comments_do_not(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("\ufeff\n# first\nthe  cell\n# still first\nits nucleus\n\n\n \nthe cell\n")
    assert read_prompts(path) == [("the cell", "its nucleus"), ("the cell",)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"# nothing\n\n", "has no sentence"),
        (b"the cell\n# \nthe  cell\n", "Line 3 of .* asks for 'the cell', as line 1 does"),
        (b"the cell\nM\xfcller's cell\n", "Line 2 of .* is not UTF-8"),
    ],
)
def test_a_file_of_sentences_that_makes_no_sense_is_refused_with_the_line(tmp_path, text, said):
    path = tmp_path / "prompts.txt"
    path.write_bytes(text)
    with pytest.raises(RequestError, match=said):
        read_prompts(path)


def test_a_file_of_sentences_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RequestError, match=r"gone\.txt cannot be read"):
        read_prompts(tmp_path / "gone.txt")
