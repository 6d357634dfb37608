"""Measurements as CSV: what is written can be read, and nothing is written in part."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers.table import write_csv

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
