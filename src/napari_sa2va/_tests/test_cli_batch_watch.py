"""`batch --watch` takes up what a microscope finishes, also after something went wrong meanwhile."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from shutil import make_archive
from time import monotonic, sleep

import pytest

from napari_sa2va._tests.made_units import made_unit
from napari_sa2va._tests.typed_batches import write_colours, write_vast
from napari_sa2va.batch.engines.here import Here
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.planning.naming import Naming
from napari_sa2va.batch.planning.plan import Planned
from napari_sa2va.batch.split import SplitSettings
from napari_sa2va.cli.batch import go_on, watch
from napari_sa2va.cli.batch.request import BatchRequest
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings import ModelSettings, RunSettings


@pytest.fixture
def request_of_all(tmp_path: Path) -> BatchRequest:
    """To do the movies in a folder with a few of their frames, in a batch that is there."""
    folder = BatchFolder.create(tmp_path / "night", BatchHead())
    (tmp_path / "scope").mkdir()
    return BatchRequest(
        inputs=(str(tmp_path / "scope"),),
        place=folder.path,
        arguments=OpenArguments(box=(0, 0, 8, 8)),
        prompt_sets=(("the cell",),),
        settings=RunSettings(model=ModelSettings(name="nano")),
        naming=Naming.of((), None, folder.results),
        recursive=False,
        every_series=False,
        splitting=SplitSettings(),
        quiet=True,
    )


def wait_until(is_so) -> None:
    end = monotonic() + 60
    while not is_so():
        assert monotonic() < end, "it took too long"
        sleep(0.05)


def test_a_movie_that_others_add_while_one_is_taken_up_is_no_trouble(
    request_of_all: BatchRequest, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(watch, "_LOOK_S", 0.1)
    folder = BatchFolder.open(request_of_all.place)
    plan = BatchRequest.planned_of

    def while_others_add(self: BatchRequest, rows, known, **how) -> Planned:
        made = plan(self, rows, known, **how)
        if not folder.units():
            path = tmp_path / "day2" / "a.ome.tif"
            folder.add([made_unit("0001-a", path, movie="a", sentences=("the cell",))], {})
        return made

    monkeypatch.setattr(BatchRequest, "planned_of", while_others_add)
    write_colours(tmp_path / "scope" / "a.ome.tif")
    with watch.taking_up(request_of_all):
        wait_until(lambda: len(folder.units()) == 2)
    assert list(folder.units()) == ["0001-a", "0002-scope-a"]
    assert "could be taken up" not in capsys.readouterr().err


@pytest.mark.parametrize("what", ["units.jsonl", "settings"])
def test_movies_that_could_not_be_taken_up_are_taken_up_when_the_drive_is_back(
    request_of_all: BatchRequest, tmp_path: Path, monkeypatch, capsys, what: str
) -> None:
    monkeypatch.setattr(watch, "_LOOK_S", 0.1)
    place = request_of_all.place
    there, away = place / what, tmp_path / "away"
    has_been = there.exists()
    if has_been:
        there.rename(away)
    there.mkdir() if what == "units.jsonl" else there.write_text("")
    write_colours(tmp_path / "scope" / "a.ome.tif")
    said: list[str] = []

    def is_told() -> bool:
        said.append(capsys.readouterr().err)
        return "could be taken up" in "".join(said)

    with watch.taking_up(request_of_all):
        wait_until(is_told)
        there.rmdir() if what == "units.jsonl" else there.unlink()
        if has_been:
            away.rename(there)
        wait_until(lambda: len(BatchFolder.open(place).units()) == 1)
    (unit,) = BatchFolder.open(place).units().values()
    assert unit.arguments.box == (0, 0, 8, 8)


def test_what_was_not_finished_when_the_watching_ends_is_named(
    request_of_all: BatchRequest, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(watch, "_LOOK_S", 0.1)
    empty = tmp_path / "scope" / "empty.tif"
    empty.touch()
    write_colours(tmp_path / "scope" / "a.ome.tif")
    with watch.taking_up(request_of_all):
        wait_until(lambda: len(BatchFolder.open(request_of_all.place).units()) == 1)
    assert f"Not finished, and not taken up: {empty}." in capsys.readouterr().err


def test_movies_for_which_the_disk_has_no_room_are_told_of_and_not_taken_up(
    request_of_all: BatchRequest, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(watch, "_LOOK_S", 0.1)
    request = replace(request_of_all, arguments=OpenArguments())
    store = write_vast(tmp_path / "vast.zarr")
    vast = Path(make_archive(str(tmp_path / "scope" / "vast.zarr"), "zip", store))
    said: list[str] = []

    def is_told() -> bool:
        said.append(capsys.readouterr().err)
        return "will be written" in "".join(said)

    folder = BatchFolder.open(request.place)
    with watch.taking_up(request):
        wait_until(is_told)
        assert not folder.units()
        vast.unlink()
        write_colours(tmp_path / "scope" / "a.ome.tif")
        wait_until(lambda: len(folder.units()) == 1)
    said.append(capsys.readouterr().err)
    assert "".join(said).count("will be written") == 1


@pytest.fixture
def table(request_of_all: BatchRequest, tmp_path: Path) -> tuple[BatchRequest, Path]:
    """A request for three movies, and its table; of b.ome.tif no unit can be made."""
    path = tmp_path / "study.csv"
    path.write_text("path,interval\nscope/a.ome.tif,\nscope/b.ome.tif,4\nscope/c.ome.tif,\n")
    return replace(request_of_all, inputs=(str(path),)), path


def test_a_movie_of_which_no_unit_can_be_made_is_told_once_and_stops_no_other(
    table: tuple[BatchRequest, Path], tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(watch, "_LOOK_S", 0.02)
    request, _ = table
    folder = BatchFolder.open(request.place)
    for name in ("a", "b"):
        write_colours(tmp_path / "scope" / f"{name}.ome.tif")
    with watch.taking_up(request) as untaken:
        wait_until(lambda: len(folder.units()) == 1)
        write_colours(tmp_path / "scope" / "c.ome.tif")
        wait_until(lambda: len(folder.units()) == 2)
    assert [unit.movie for unit in folder.units().values()] == ["a", "c"]
    b = str(tmp_path / "scope" / "b.ome.tif")
    assert untaken == [b]
    said = capsys.readouterr().err
    assert said.count("Note: row 3 of study.csv cannot be taken up for now: Column interval ") == 1
    assert f"Finished, and could not be taken up: {b}." in said
    assert "Not finished" not in said


def test_a_movie_whose_row_is_corrected_is_taken_up_after_all(
    table: tuple[BatchRequest, Path], tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(watch, "_LOOK_S", 0.02)
    request, path = table
    write_colours(tmp_path / "scope" / "b.ome.tif")
    said: list[str] = []

    def is_told() -> bool:
        said.append(capsys.readouterr().err)
        return "row 3 of study.csv cannot be taken up" in "".join(said)

    with watch.taking_up(request) as untaken:
        wait_until(is_told)
        path.write_text("path\nscope/b.ome.tif\n")
        wait_until(lambda: len(BatchFolder.open(request.place).units()) == 1)
    assert untaken == []


def test_of_a_last_look_that_went_wrong_all_inputs_are_untaken(
    table: tuple[BatchRequest, Path], capsys
) -> None:
    request, path = table
    path.write_text("file\nscope/b.ome.tif\n")
    with watch.taking_up(request) as untaken:
        pass
    assert untaken == [str(path)]
    assert "The last look for new movies went wrong: " in capsys.readouterr().err


@pytest.mark.parametrize(("untaken", "code"), [(["b.tif"], 3), ([], 0)])
def test_a_command_that_left_finished_movies_has_not_done_all(
    request_of_all: BatchRequest, monkeypatch, untaken: list[str], code: int
) -> None:
    monkeypatch.setattr(go_on, "taking_up", lambda _: nullcontext(untaken))
    monkeypatch.setattr(go_on, "conduct", lambda *_: ())
    folder = BatchFolder.open(request_of_all.place)
    assert go_on.go_on(folder, Here(), request_of_all, quiet=True) == code


def test_what_nobody_foresaw_is_told_once_with_its_place_and_tried_again(
    request_of_all: BatchRequest, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(watch, "_LOOK_S", 0.02)
    plan_well = BatchRequest.planned_of
    tries = []

    def plan_badly(self: BatchRequest, *about):
        tries.append(about)
        if len(tries) < 4:
            raise LookupError("a library's fault")
        return plan_well(self, *about)

    monkeypatch.setattr(BatchRequest, "planned_of", plan_badly)
    write_colours(tmp_path / "scope" / "a.ome.tif")
    with watch.taking_up(request_of_all):
        wait_until(lambda: len(BatchFolder.open(request_of_all.place).units()) == 1)
    said = capsys.readouterr().err
    assert said.count("could be taken up for now: LookupError: a library's fault") == 1
    assert "in plan_badly" in said


def test_looking_goes_on_where_nothing_can_be_told(
    request_of_all: BatchRequest, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(watch, "_LOOK_S", 0.02)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watch.click, "echo", full)
    folder = BatchFolder.open(request_of_all.place)
    with watch.taking_up(request_of_all):
        for count, name in enumerate(("a.ome.tif", "b.ome.tif"), start=1):
            write_colours(tmp_path / "scope" / name)
            wait_until(lambda count=count: len(folder.units()) == count)
