from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.planning.changes import Changes, OutdatedPlan, bring_up_to_date
from napari_sa2va.batch.planning.naming import Naming, clashes
from napari_sa2va.batch.planning.plan import Planned, plan
from napari_sa2va.batch.planning.row import Row
from napari_sa2va.batch.split import SplitSettings, split
from napari_sa2va.batch.unit import Facts
from napari_sa2va.core.errors import BatchError, RequestError
from napari_sa2va.presets import preset
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.sampling.uniform import Uniform
from napari_sa2va.settings import RunSettings
from napari_sa2va.settings_fields import with_values

CELL, NUCLEUS = ("the cell",), ("the nucleus",)


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    return BatchFolder.create(tmp_path / "night", BatchHead())


def movie(path: Path, content: bytes = b"x") -> Row:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Row(str(path))


def planned(rows: list[Row], *sets: tuple[str, ...], **how) -> Planned:
    """Planned with the cell as the only set, unless others are given."""
    patterns = how.pop("patterns", [])
    naming = Naming.of(patterns, None, how.pop("results", Path("/night/results")))
    asked = {"settings": RunSettings(), "prompt_sets": sets or [CELL], "naming": naming}
    return plan(rows, **(asked | how))


def again(folder: BatchFolder, rows: list[Row], *sets: tuple[str, ...], **how) -> Changes:
    """Plan with what the folder has, and put it there."""
    known = folder.units()
    made = planned(rows, *sets, known=known.values(), results=folder.results, **how)
    return bring_up_to_date(folder, made.units.values(), made.settings, known=known)


def finish(folder: BatchFolder, unit_id: str) -> None:
    unit = folder.units()[unit_id]
    held = folder.runs.take(unit_id, 1, claim_here("w"))
    assert held is not None
    held.finish(
        Outcome(
            unit_id=unit_id, generation=1, state="done", key=unit.key,
            outputs=tuple(output.path for output in unit.outputs),
        )
    )  # fmt: skip


def states(folder: BatchFolder) -> dict[str, str]:
    return {unit_id: standing.state for unit_id, standing in folder.standings().items()}


# Units


def test_each_movie_and_set_of_sentences_is_a_unit(tmp_path: Path) -> None:
    rows = [movie(tmp_path / "a.tif"), movie(tmp_path / "b.tif", b"abc")]
    made = planned(rows, CELL, NUCLEUS)
    assert list(made.units) == ["0001-a", "0002-a-set2", "0003-b", "0004-b-set2"]
    last = made.units["0004-b-set2"]
    assert (last.movie, last.path, last.sentences) == ("b", rows[1].path, NUCLEUS)
    assert last.num_bytes == 3
    assert [o.path for o in last.outputs] == ["/night/results/b-set2_labels.ome.tif"]
    assert len({unit.key for unit in made.units.values()}) == 4
    assert len({unit.identity for unit in made.units.values()}) == 2
    assert list(made.settings.values()) == [RunSettings()]
    assert set(made.weights) == {"nano"}


def test_a_borrowed_decoder_has_hashes_of_its_own(tmp_path: Path) -> None:
    decoder, absent = tmp_path / "sam2.safetensors", str(tmp_path / "absent.safetensors")
    decoder.write_bytes(b"weights")
    rows = [
        Row(movie(tmp_path / f"{name}.tif").path, values={"model.sam2_decoder": borrowed})
        for name, borrowed in (("a", str(decoder)), ("b", absent), ("c", ""))
    ]
    made = planned(rows)
    assert set(made.weights) == {"nano", str(decoder)}
    assert set(made.weights[str(decoder)]) == {"sam2.safetensors"}


def test_a_row_has_its_own_sentences_settings_name_and_annotations(tmp_path: Path) -> None:
    path = movie(tmp_path / "a.tif").path
    row = Row(
        path, name="mouse 1", arguments=OpenArguments(z=3), sentences=NUCLEUS,
        values={"sampling.num_key_frames": 9}, outputs=("{number}_{prompt}.csv",),
        annotations={"meta.sex": "f"},
    )  # fmt: skip
    (unit,) = planned([row]).units.values()
    assert unit.unit_id == "0001-mouse-1"
    assert unit.movie == "mouse 1"
    assert unit.arguments == OpenArguments(z=3, name="mouse 1")
    assert unit.sentences == NUCLEUS
    assert unit.annotations == {"meta.sex": "f"}
    assert [(o.path, o.kind) for o in unit.outputs] == [
        ("/night/results/0001_the-nucleus.csv", "table")
    ]
    made = planned([row, Row(path)])
    assert made.settings[unit.settings].sampling == Uniform(num_key_frames=9)
    assert len(made.settings) == 2


def test_another_preset_takes_over_what_was_changed_for_all(tmp_path: Path) -> None:
    row = Row(movie(tmp_path / "a.tif").path, preset="sa2va-lii", values={"sampling.interval": 2})
    settings = with_values(preset("sa2va-i"), {"model.dtype": "float32"})
    (chosen,) = planned([row], settings=settings).settings.values()
    expected = {"model.dtype": "float32", "sampling.interval": 2}
    assert chosen == with_values(preset("sa2va-lii"), expected)


def test_all_rows_that_cannot_be_done_are_told_at_once(tmp_path: Path) -> None:
    path = movie(tmp_path / "a.tif").path
    rows = [
        Row(path, sentences=CELL, values={"sampling.interval": 2}, place="row 2 of t.csv"),
        Row(path, sentences=CELL),
        Row(path, place="row 4 of t.csv"),
    ]
    with pytest.raises(RequestError, match="2 of what was asked for") as told:
        planned(rows, prompt_sets=[])
    assert "row 2 of t.csv: Column interval was given, but the rule in use is" in str(told.value)
    assert "row 4 of t.csv: No sentence says what to find." in str(told.value)
    far = Row("https://server/a.zarr", place="row 5 of t.csv")
    with pytest.raises(RequestError, match=r"row 5 of t\.csv: .*movie at an address"):
        planned([far], patterns=["{folder}/{name}.csv"])


def test_what_is_wrong_with_many_movies_is_told_once(tmp_path: Path) -> None:
    paths = [movie(tmp_path / f"{n}.tif").path for n in range(7)]
    with pytest.raises(RequestError, match=r"^No sentence says what to find\. Give") as told:
        planned([Row(path) for path in paths], prompt_sets=[])
    assert "tif" not in str(told.value)
    # So it is if some have sentences; and then it is told which files are not there.
    rows = [Row(path, place=f"row {n} of t.csv") for n, path in enumerate(paths, start=2)]
    rows += [Row(str(tmp_path / "gone.tif"), sentences=CELL, place="row 9 of t.csv")]
    with pytest.raises(RequestError) as told:
        planned(rows, prompt_sets=[])
    assert told.value.message.count("No sentence") == 1
    assert "row 2 of t.csv, row 3 of t.csv" in told.value.message
    assert "row 6 of t.csv and 2 more: No sentence says" in told.value.message
    assert f"row 9 of t.csv: There is no file or folder {tmp_path / 'gone.tif'}" in str(told.value)


def test_one_movie_with_two_settings_is_two_units_and_the_same_twice_is_one(
    tmp_path: Path,
) -> None:
    path = movie(tmp_path / "a.tif").path
    rows = [Row(path), Row(path, preset="sa2va"), Row(path)]
    made = planned(rows)
    assert list(made.units) == ["0001-a", "0002-a-set2"]
    assert [made.settings[u.settings].preset for u in made.units.values()] == ["sa2va-i", "sa2va"]
    assert list(clashes(made.units.values())) == []


def test_what_is_not_there_is_planned_and_changes_when_it_comes(
    tmp_path: Path, folder: BatchFolder
) -> None:
    row = Row(str(tmp_path / "a.tif"))
    assert again(folder, [row]).new == ("0001-a",)
    movie(tmp_path / "a.tif")
    assert again(folder, [row]).changed == ("0001-a",)


# Bringing up to date


def test_nothing_changes_when_the_same_is_asked_for_again(
    tmp_path: Path, folder: BatchFolder
) -> None:
    rows = [movie(tmp_path / "a.tif"), movie(tmp_path / "b.tif")]
    assert again(folder, rows, CELL, NUCLEUS) == Changes(
        new=("0001-a", "0002-a-set2", "0003-b", "0004-b-set2")
    )
    before = (folder.path / "units.jsonl").read_bytes()
    for asked in (rows, rows[::-1]):
        changes = again(folder, asked, CELL, NUCLEUS)
        assert (changes.new, changes.changed, len(changes.same)) == ((), (), 4)
    changes = again(folder, rows, NUCLEUS, CELL)
    assert (changes.new, changes.changed, len(changes.same)) == ((), (), 4)
    assert (folder.path / "units.jsonl").read_bytes() == before


def test_finished_units_stay_finished_and_changed_ones_are_done_again(
    tmp_path: Path, folder: BatchFolder
) -> None:
    a, b, c = (movie(tmp_path / f"{name}.tif") for name in "abc")
    again(folder, [a, b])
    for unit_id in ("0001-a", "0002-b"):
        finish(folder, unit_id)
    movie(tmp_path / "b.tif", b"longer")
    assert again(folder, [c, b, a]) == Changes(("0003-c",), ("0002-b",), ("0001-a",))
    assert states(folder) == {"0001-a": "done", "0002-b": "waiting", "0003-c": "waiting"}


def test_other_outputs_are_written_anew_although_the_masks_are_the_same(
    tmp_path: Path, folder: BatchFolder
) -> None:
    rows = [movie(tmp_path / "a.tif")]
    again(folder, rows)
    finish(folder, "0001-a")
    assert again(folder, rows, patterns=["{name}.csv"]).changed == ("0001-a",)
    assert states(folder) == {"0001-a": "waiting"}
    # Where it stays, what it is called and what is said of it do not matter.
    other = Row(rows[0].path, annotations={"meta.x": "1"})
    assert again(folder, [other], patterns=["{name}.csv"]).same == ("0001-a",)
    assert folder.units()["0001-a"].annotations == {"meta.x": "1"}


def test_another_model_or_device_changes_only_what_masks_depend_on(
    tmp_path: Path, folder: BatchFolder
) -> None:
    rows = [movie(tmp_path / "a.tif")]
    again(folder, rows)
    for values, changed in (
        ({"model.device": "cuda:1"}, False),
        ({"model.dtype": "float16"}, True),
    ):
        settings = with_values(RunSettings(), values)
        changes = again(folder, rows, settings=settings)
        assert bool(changes.changed) == changed
        assert folder.settings_of(folder.units()["0001-a"]) == settings


def test_units_that_nobody_asks_for_any_more_are_left_alone(
    tmp_path: Path, folder: BatchFolder
) -> None:
    a, b = movie(tmp_path / "a.tif"), movie(tmp_path / "b.tif")
    again(folder, [a])
    assert again(folder, [b]) == Changes(new=("0002-b",), others=("0001-a",))
    assert set(folder.units()) == {"0001-a", "0002-b"}


def test_a_movie_of_the_same_name_that_comes_later_leaves_the_first_ones_results(
    tmp_path: Path, folder: BatchFolder
) -> None:
    first, later = movie(tmp_path / "day1" / "a.tif"), movie(tmp_path / "day2" / "a.tif")
    again(folder, [first])
    for rows in ([later], [later, first]):
        again(folder, rows)
        units = folder.units()
        assert [unit.movie for unit in units.values()] == ["a", "day2-a"]
        assert list(clashes(units.values())) == []


def test_a_set_that_comes_later_gets_the_next_number_whatever_its_place(
    tmp_path: Path, folder: BatchFolder
) -> None:
    rows = [movie(tmp_path / "a.tif")]
    again(folder, rows, CELL)
    changes = again(folder, rows, NUCLEUS, CELL)
    assert changes == Changes(new=("0002-a-set2",), same=("0001-a",))
    assert folder.units()["0002-a-set2"].sentences == NUCLEUS


def test_of_two_units_that_ask_for_the_same_each_keeps_its_settings(
    tmp_path: Path, folder: BatchFolder
) -> None:
    path = movie(tmp_path / "a.tif").path
    again(folder, [Row(path), Row(path, preset="sa2va")])
    changes = again(folder, [Row(path, preset="sa2va"), Row(path)])
    assert (changes.changed, len(changes.same)) == ((), 2)


def write_noise(path: Path, *, below: int) -> Path:
    frames = np.random.default_rng(0).integers(0, below, (40, 16, 16)).astype(np.uint16)
    tifffile.imwrite(path, frames, photometric="minisblack")
    return path


def divided(folder: BatchFolder, *rows: Row) -> Changes:
    """Plan with what the folder has, split into windows, and put it there."""
    known = folder.units_ever()
    made = planned(list(rows), known=known.values(), results=folder.results)
    units = [
        part
        for unit in made.units.values()
        for part in split(
            unit,
            Facts(unit_id=unit.unit_id, key=unit.key, num_frames=40, height=16, width=16),
            made.settings[unit.settings],
            SplitSettings(window_frames=20, overlap_frames=2),
        )
    ]
    assert len(units) == 3 * len(made.units)
    return bring_up_to_date(folder, units, made.settings, known=known)


@pytest.mark.parametrize("limits", [None, (0, 1000)])
def test_a_movie_that_was_split_keeps_its_units(tmp_path, folder: BatchFolder, limits) -> None:
    path = write_noise(tmp_path / "a.tif", below=999)
    row = Row(str(path), arguments=OpenArguments(limits=limits))
    units = ("0001-a-part-1", "0001-a-part-2", "0001-a")
    assert divided(folder, row) == Changes(new=units)
    assert divided(folder, row) == Changes(same=units)
    # Of other pixels, other limits are found.
    write_noise(path, below=99)
    assert divided(folder, row) == Changes(changed=units)
    assert divided(folder, row) == Changes(same=units)


def test_of_two_units_of_a_movie_that_was_split_each_keeps_its_settings(
    tmp_path: Path, folder: BatchFolder
) -> None:
    path = str(write_noise(tmp_path / "a.tif", below=999))
    divided(folder, Row(path), Row(path, preset="sa2va"))
    changes = divided(folder, Row(path, preset="sa2va"), Row(path))
    assert (changes.new, changes.changed, len(changes.same)) == ((), (), 6)


def test_units_that_somebody_else_has_added_meanwhile_are_not_overwritten(
    tmp_path: Path, folder: BatchFolder
) -> None:
    a, b = movie(tmp_path / "a.tif"), movie(tmp_path / "day2" / "a.tif")
    made = planned([a])
    again(folder, [b])
    with pytest.raises(OutdatedPlan, match="Somebody has added movies"):
        bring_up_to_date(folder, made.units.values(), made.settings, known=())
    # Not even under an id that is still free.
    units = [unit.model_copy(update={"unit_id": "0002-a"}) for unit in made.units.values()]
    with pytest.raises(OutdatedPlan, match="Somebody has added movies"):
        bring_up_to_date(folder, units, made.settings, known=())
    with pytest.raises(BatchError, match="0001-a is another unit"):
        bring_up_to_date(folder, made.units.values(), made.settings, known={"0001-a"})


def test_units_that_are_there_are_brought_up_to_date_whatever_was_added_meanwhile(
    tmp_path: Path, folder: BatchFolder
) -> None:
    a, b = movie(tmp_path / "a.tif"), movie(tmp_path / "b.tif")
    again(folder, [a])
    known = folder.units_ever()
    Path(a.path).write_bytes(b"another movie")
    made = planned([a], known=known.values(), results=folder.results)
    again(folder, [b])
    changes = bring_up_to_date(folder, made.units.values(), made.settings, known=known)
    assert changes == Changes(changed=("0001-a",), others=("0002-b",))


_ADDING = """
import sys
from pathlib import Path
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.naming import Naming
from napari_sa2va.batch.planning.changes import OutdatedPlan, bring_up_to_date
from napari_sa2va.batch.planning.plan import plan
from napari_sa2va.batch.planning.row import Row
from napari_sa2va.settings import RunSettings

folder, movie = BatchFolder.open(sys.argv[1]), sys.argv[2]
folder.units()
naming = Naming.of([], None, folder.results)

def planned():
    asked = {"settings": RunSettings(), "prompt_sets": [["the cell"]], "naming": naming}
    known = folder.units()
    return known, plan([Row(movie)], known=known.values(), **asked)

known, made = planned()
print("planned", flush=True)
sys.stdin.readline()
try:
    bring_up_to_date(folder, made.units.values(), made.settings, known=known)
except OutdatedPlan:
    known, made = planned()
    bring_up_to_date(folder, made.units.values(), made.settings, known=known)
"""


def test_processes_that_add_at_once_give_no_two_movies_the_same_id(
    tmp_path: Path, folder: BatchFolder
) -> None:
    paths = [movie(tmp_path / day / "a.tif", day.encode()).path for day in ("day1", "day2")]
    with ExitStack() as stack:
        adding = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _ADDING, str(folder.path), path],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
            )
            for path in paths
        ]  # fmt: skip
        for process in adding:
            assert process.stdout.readline() == "planned\n"
        with folder.planning():
            for process in adding:
                process.stdin.write("now\n")
                process.stdin.flush()
            # As long as this process has the folder for itself, both wait.
            with pytest.raises(subprocess.TimeoutExpired):
                adding[0].wait(1)
            assert adding[1].poll() is None
            assert not folder.units()
        assert [process.wait(60) for process in adding] == [0, 0]
    units = folder.units()
    assert list(units) == ["0001-a", "0002-day1-a"] or list(units) == ["0001-a", "0002-day2-a"]
    assert {unit.path for unit in units.values()} == set(paths)


_COUNTING = """
import sys
from pathlib import Path
from napari_sa2va.batch.planning.inputs import rows_of
from napari_sa2va.batch.planning.naming import Naming
from napari_sa2va.batch.planning.plan import plan
from napari_sa2va.settings import RunSettings

opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
rows = rows_of([sys.argv[1] + "/*.tif"]).rows
naming = Naming.of([], None, Path("/night"))
made = plan(rows, settings=RunSettings(), naming=naming, prompt_sets=[["the cell"]])
print(len(made.units), sum(name.endswith(".tif") for name in opened))
"""


def test_many_movies_are_planned_without_one_being_opened(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"m{number}.tif").touch()
    code = [sys.executable, "-c", _COUNTING, str(tmp_path)]
    said = subprocess.run(code, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["300", "0"]
