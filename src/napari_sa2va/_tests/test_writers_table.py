"""Tables of measurements: what is written can be read, and nothing is written in part."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import dask.array as da
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from napari_sa2va._tests.made_results import (
    HARD_NAME,
    grey_clip,
    masklet,
    of_images,
    seventy_thousand,
)
from napari_sa2va.analysis.measure import collect, measure
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import ClipError, OutputError
from napari_sa2va.writers import parquet
from napari_sa2va.writers.result import of_masklets
from napari_sa2va.writers.table import write_csv
from napari_sa2va.writers.write import write_result

TABLE = {
    "index": np.array([1, 2]),
    "name": np.array(["Zelle µ", 'left, "big"\none']),
    "area_um2": np.array([1 / 3, 1e-12]),
    "speed_um_s": np.array([np.nan, 2.0]),
}


def test_a_table_reads_back_as_it_was(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", TABLE)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(TABLE)
    assert [int(row["index"]) for row in rows] == [1, 2]
    assert [row["name"] for row in rows] == TABLE["name"].tolist()
    assert [float(row["area_um2"]) for row in rows] == [1 / 3, 1e-12]
    assert [row["speed_um_s"] for row in rows] == ["", "2.0"]


def test_a_table_without_rows_has_its_line_of_names(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", {name: values[:0] for name, values in TABLE.items()})
    assert (tmp_path / "a.csv").read_bytes() == b"index,name,area_um2,speed_um_s\n"


def test_a_table_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no measurements"):
        write_csv(tmp_path / "a.csv", {})
    with pytest.raises(OutputError, match="there is no folder"):
        write_csv(tmp_path / "no" / "a.csv", TABLE)
    with pytest.raises(ValueError):
        write_csv(tmp_path / "a.csv", {"a": np.zeros(2), "b": np.zeros(3)})
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_only_if_told_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        write_csv(path, TABLE)
    assert path.read_text() == "mine"
    write_csv(path, TABLE, overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("index,")


LEFT = np.zeros((4, 6), bool)
LEFT[1:3, 0:2] = True
RIGHT, NOTHING = np.roll(LEFT, 3, axis=1), LEFT & False


@pytest.fixture
def clip() -> Clip:
    """Three frames of 4 x 6 px in which all pixels of frame t are t."""
    frames = da.from_array(np.arange(3.0)[:, None, None] * np.ones((4, 6)), chunks=(1, 4, 6))
    return Clip(frames, pixel_size_um=(0.5, 0.5), frame_interval_s=2.0)


def objects() -> list:
    return [
        masklet(3, LEFT, NOTHING, RIGHT, name=HARD_NAME),
        masklet(70_000, NOTHING, RIGHT, RIGHT, score=np.nan, name="b"),
        masklet(70_001, NOTHING, NOTHING, NOTHING),
    ]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_pandas_reads_the_measurements_of_every_object_and_frame(
    clip: Clip, tmp_path: Path, name: str
) -> None:
    assert write_result(tmp_path / name, of_masklets(clip, objects())).warnings == ()
    found = read(tmp_path / name)
    expected = pd.DataFrame(collect(measure(clip, objects())))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)
    assert found["name"].tolist() == [HARD_NAME, "b", HARD_NAME, "b"]
    assert found["time_s"].tolist() == [0, 2, 4, 4]
    assert found["area_um2"].tolist() == [1, 1, 1, 1]
    assert found["mean_intensity"].tolist() == [0, 1, 2, 2]
    # 3 px of 0.5 um in two frames of 2 s
    assert found["speed_um_s"].fillna(-1).tolist() == [-1, -1, 0.375, 0]
    assert found["score"].isna().tolist() == [False, True, False, True]


def test_what_is_not_known_is_null_and_every_column_has_its_type(
    clip: Clip, tmp_path: Path
) -> None:
    write_result(tmp_path / "a.parquet", of_masklets(clip, objects()))
    found = pq.read_table(tmp_path / "a.parquet")
    assert found["score"].null_count == 2
    kinds = {field.name: str(field.type) for field in found.schema}
    assert kinds["index"] == kinds["frame"] == kinds["area_px"] == "int64"
    assert kinds["name"] == "string"
    assert kinds["score"] == kinds["mean_intensity"] == "double"


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_without_objects_the_columns_are_the_same(clip: Clip, tmp_path: Path, name: str) -> None:
    write_result(tmp_path / name, of_masklets(clip, []))
    write_result(tmp_path / f"b{name}", of_masklets(clip, objects()))
    none, some = read(tmp_path / name), read(tmp_path / f"b{name}")
    assert len(none) == 0
    assert list(none) == list(some)


def test_row_groups_are_written_as_rows_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_ROWS", 4)
    labels = np.zeros((5, 2, 3), int)
    labels[0, 0], labels[2], labels[4, 1] = [1, 2, 3], [[1, 2, 3], [4, 5, 6]], [7, 7, 7]
    write_result(tmp_path / "a.parquet", of_images(labels))
    file = pq.ParquetFile(tmp_path / "a.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [3 + 0 + 6, 0 + 1]
    assert file.read()["index"].to_pylist() == [1, 2, 3, 1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_frames_are_asked_for_once_and_read_only_where_an_object_is(
    clip: Clip, tmp_path: Path, name: str
) -> None:
    result = of_masklets(clip, [masklet(1, NOTHING, LEFT, NOTHING)])
    asked: list[int] = []
    read_: list[int] = []

    def frame(t: int):
        asked.append(t)
        return result.frame(t)

    class Watched(Clip):
        def frame(self, t: int) -> np.ndarray:
            read_.append(t)
            return super().frame(t)

    watched = Watched(clip.frames)
    write_result(tmp_path / name, replace(result, clip=watched, frame=frame))
    assert asked == [0, 1, 2]
    assert read_ == [1]


def test_a_frame_that_cannot_be_read_leaves_no_file(tmp_path: Path) -> None:
    def broken(block: np.ndarray) -> np.ndarray:
        raise ClipError("The disk is gone.")

    sound = grey_clip((3, 4, 6))
    clip = replace(
        sound, frames=da.map_blocks(broken, sound.frames, dtype=np.uint8, meta=sound.frames._meta)
    )
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(ClipError, match="disk is gone"):
            write_result(tmp_path / name, of_masklets(clip, objects()))
    assert list(tmp_path.iterdir()) == []


def test_seventy_thousand_objects_take_seconds(tmp_path: Path) -> None:
    start = perf_counter()
    write_result(tmp_path / "a.csv", of_images(seventy_thousand()))
    assert perf_counter() - start < 60
    assert len(pd.read_csv(tmp_path / "a.csv")) == 70_000
