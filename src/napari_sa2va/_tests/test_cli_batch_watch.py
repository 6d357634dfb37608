"""`batch --watch` takes up what a microscope finishes, also after something went wrong meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import make_archive
from time import monotonic, sleep

import pytest

from napari_sa2va._tests.typed_batches import write_colours, write_vast
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.head import BatchHead
from napari_sa2va.batch.planning.naming import Naming
from napari_sa2va.batch.split import SplitSettings
from napari_sa2va.cli.batch import watch
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
