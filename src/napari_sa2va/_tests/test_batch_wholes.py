"""A movie that was split counts once, and is as far as its parts are."""

from __future__ import annotations

import json
from pathlib import Path

from napari_sa2va._tests.finished_batches import add_unit, end, made_batch
from napari_sa2va._tests.typed_batches import batch
from napari_sa2va.batch.conduct import Look
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.report.entries import entries_of
from napari_sa2va.batch.wholes import progress, wholes
from napari_sa2va.cli.batch.progress import BatchProgress
from napari_sa2va.gui.batch.reader import FolderReader


def split_batch(path: Path) -> BatchFolder:
    """A movie in two windows of 10 and 15 frames, and another one as it is."""
    folder = made_batch(path)
    add_unit(folder, "0001-a-1", part={"first_frame": 0, "last_frame": 9})
    add_unit(folder, "0001-a-2", part={"first_frame": 5, "last_frame": 19})
    add_unit(folder, "0001-a", parts=("0001-a-1", "0001-a-2"))
    add_unit(folder, "0002-b")
    return folder


def test_a_split_movie_is_one_whatever_its_parts_are(tmp_path: Path) -> None:
    folder = split_batch(tmp_path / "night")
    units = folder.units()

    def states() -> dict[str, str]:
        return {i: s.state for i, s in wholes(units, folder.standings()).items()}

    assert states() == {"0001-a": "waiting", "0002-b": "waiting"}
    end(folder, units["0001-a-1"], outputs=["/out/a-1.ome.tif"])
    assert states()["0001-a"] == "waiting"
    held = folder.runs.take("0001-a-2", 1, claim_here("w", key=units["0001-a-2"].key))
    assert held is not None
    assert states() == {"0001-a": "running", "0002-b": "waiting"}
    held.beat(frames_done=4, frames_planned=15)
    assert progress(units["0001-a"], units, folder.standings()) == (10 + 4, 25)


def test_parts_that_a_network_drive_does_not_show_yet_count_for_nothing(tmp_path: Path) -> None:
    folder = split_batch(tmp_path / "night")
    end(folder, folder.units()["0001-a-1"])
    lines = folder.path / "units.jsonl"
    shown = lines.read_bytes()
    second = shown.index(b"\n") + 1
    lines.write_bytes(shown[:second] + bytes(20) + shown[second + 20 :])
    seen = BatchFolder.open(folder.path)
    assert progress(seen.units()["0001-a"], seen.units(), seen.standings()) == (10, 10)
    assert [row.unit_id for row in FolderReader(seen).look().rows] == ["0001-a", "0002-b"]


def test_the_panel_shows_a_split_movie_in_one_row_with_the_progress_of_its_parts(tmp_path) -> None:
    folder = split_batch(tmp_path / "night")
    reader = FolderReader(folder)
    first = reader.look()
    assert [row.unit_id for row in first.rows] == ["0001-a", "0002-b"]
    assert first.total == 2
    end(folder, folder.units()["0001-a-1"], outputs=["/out/a-1.ome.tif"])
    (row,) = reader.look().rows
    assert (row.unit_id, row.done, row.planned, row.state) == ("0001-a", 10, 25, "waiting")
    assert row.share == 0.4


def test_status_report_and_other_programs_count_a_split_movie_once(tmp_path, capsys) -> None:
    folder = split_batch(tmp_path / "night")
    units = folder.units()
    end(folder, units["0001-a-1"])
    folder.runs.take("0001-a-2", 1, claim_here("w", key=units["0001-a-2"].key))

    batch("status", folder.path, "--units")
    said = capsys.readouterr().out
    assert "2 units: 1 running, 1 waiting (1 of 2 parts have ended)." in said
    assert "running  0001-a\n" in said
    batch("status", folder.path, "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["counts"]["running"], told["counts"]["waiting"]) == (1, 1)
    assert sum(told["counts"].values()) == 2
    assert (told["left"]["num_units"], told["left"]["num_left"]) == (2, 2)
    assert {u["unit_id"]: (u["state"], u["parts"]) for u in told["units"]} == {
        "0001-a-1": ("done", []),
        "0001-a-2": ("running", []),
        "0001-a": ("running", ["0001-a-1", "0001-a-2"]),
        "0002-b": ("waiting", []),
    }
    states = {entry.unit.unit_id: entry.standing.state for entry in entries_of(folder)}
    assert states == {"0001-a": "running", "0002-b": "waiting"}


def test_a_part_without_anything_is_no_movie_in_which_nothing_was_found(tmp_path: Path) -> None:
    folder = split_batch(tmp_path / "night")
    for unit_id, unit in folder.units().items():
        state = "nothing" if unit_id == "0001-a-2" else "done"
        end(folder, unit, state, outputs=[output.path for output in unit.outputs])
    assert folder.standings()["0001-a-2"].state == "nothing"
    assert batch("status", str(folder.path), "--follow") == 0


def test_a_part_that_ends_is_told_as_a_part_and_not_as_a_movie(tmp_path, capsys) -> None:
    folder = split_batch(tmp_path / "night")
    units = folder.units()
    with BatchProgress(folder) as shown:
        for ended in (("0001-a-1",), ("0001-a-2",), ("0001-a", "0002-b")):
            for unit_id in ended:
                end(folder, units[unit_id])
            standings = folder.standings()
            shown.show(Look(standings, tuple(standings[i] for i in ended), workers=1))
    places = [line.partition(" (")[2] for line in capsys.readouterr().err.splitlines()]
    assert places == ["1 of 2 parts)", "2 of 2 parts)", "1 of 2)", "2 of 2)"]


def test_a_part_that_is_done_again_is_merged_again(tmp_path) -> None:
    folder = split_batch(tmp_path / "night")
    for unit in folder.units().values():
        end(folder, unit)
    assert folder.retry(["0001-a-2"]) == ["0001-a-2", "0001-a"]
    states = [standing.state for standing in folder.standings().values()]
    assert states == ["done", "waiting", "waiting", "done"]
