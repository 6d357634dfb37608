"""Output paths are checked before a run, and files that bear their name are whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers.paths import check_output, clear_begun, replacing
from napari_sa2va.writers.record import write_record


def test_a_path_that_can_be_written_is_left_untouched(tmp_path: Path) -> None:
    check_output(tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == []


def test_paths_that_cannot_be_written_are_found_out_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, said in (
        (tmp_path / "no" / "a.tif", "there is no folder"),
        (tmp_path / "file" / "a.tif", "is a file, not a folder"),
        (tmp_path, "is a folder"),
        (tmp_path / "file", "is there already"),
        (tmp_path / ("a" * 300), "cannot be written"),
    ):
        with pytest.raises(OutputError, match=said) as caught:
            check_output(path)
        assert caught.value.hint


def test_a_folder_that_cannot_be_written_to_is_found_out_before() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("no folder here refuses to be written to by everybody")
    with pytest.raises(OutputError, match="cannot be written"):
        check_output("/proc/self/a.tif")


def test_a_file_is_replaced_only_if_told_so(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_record(path, {"run": 1})
    with pytest.raises(OutputError, match="is there already"):
        write_record(path, {"run": 2})
    assert json.loads(path.read_text()) == {"run": 1}
    write_record(path, {"run": 2}, overwrite=True)
    assert json.loads(path.read_text()) == {"run": 2}


def test_a_writer_that_fails_leaves_nothing_behind_and_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    seen = []

    def fail_halfway() -> None:
        with replacing(path, overwrite=True) as temporary:
            temporary.write_text("half")
            seen.append(temporary.exists())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert seen == [True]
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_what_a_killed_process_left_is_deleted_a_day_later(tmp_path: Path) -> None:
    kept = [".a-0123456789.txt", ".a-01234567.csv", ".ab-01234567.txt", "a-01234567.txt"]
    left = [".a-01234567.txt", ".a-89abcdef.txt", *kept]
    for name in left:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    fresh = tmp_path / ".a-00000000.txt"  # somebody may be writing it now
    fresh.touch()
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.touch()
    assert {p.name for p in tmp_path.iterdir()} == {"a.txt", fresh.name, *kept}


def test_a_name_as_long_as_the_disk_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("\U0001f9ec" * 62 + ".txt")  # 252 of 255 bytes
    with replacing(path) as temporary:
        temporary.write_text("text")
    assert path.read_text() == "text"


def test_what_is_not_to_be_put_in_its_place_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    seen = []

    def not_ready() -> None:
        seen.extend(p.read_text() for p in tmp_path.iterdir() if p != path)
        raise KeyboardInterrupt

    def write() -> None:
        with replacing(path, overwrite=True, ready=not_ready) as temporary:
            temporary.write_text("whole")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert seen == ["whole"]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_others_began_to_write_to_a_file_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    # Names whose first 50 letters are the same, as of the movies of one study.
    first, other = (tmp_path / f"{'day 1, slide 7, a long description of it all, ' * 2}{n}.csv"
                    for n in (1, 2))  # fmt: skip
    seen = []

    def write_while_others_clear() -> None:
        with replacing(first) as mine, replacing(other) as theirs:
            mine.write_text("1")
            theirs.write_text("2")
            clear_begun(first)
            seen.extend(p.exists() for p in (mine, theirs))

    with pytest.raises(OutputError, match="could not be written"):
        write_while_others_clear()
    assert seen == [False, True]
    assert [p.name for p in tmp_path.iterdir()] == [other.name]


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"), replacing(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")


def test_records_hold_no_nan_and_keep_letters_of_any_script(tmp_path: Path) -> None:
    write_record(tmp_path / "a.json", {"scores": [0.5, float("nan")], "name": "Zelle \u00b5"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"scores": [0.5, None], "name": "Zelle \u00b5"}
    assert "\u00b5" in text
