"""A project as a folder: it opens as it was, whatever happens while it is written or to its files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va._tests.made_projects import (
    ask,
    corner,
    entry_of,
    grey_stack,
    looks,
    movie_in,
    saved_beside,
    work_on,
    write,
)
from napari_sa2va._tests.test_project_steps import picture_of
from napari_sa2va.core import rle
from napari_sa2va.core.errors import OutputError, RequestError
from napari_sa2va.project import Project, folder, history_file
from napari_sa2va.project.folder import open_project, read_project, save
from napari_sa2va.project.steps.name import Rename
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.readers.open import open_clip


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return movie_in(tmp_path)


@pytest.fixture
def project(movie: Path) -> Project:
    return work_on(open_clip(movie))


@pytest.fixture
def saved(project: Project, movie: Path) -> Path:
    return saved_beside(project, movie)


# What was saved


def test_a_project_opens_as_it_was_saved(project, saved):
    again = open_project(saved)
    assert picture_of(again.state) == picture_of(project.state)
    assert list(again.state.cards) == list(project.state.cards)
    assert [s.model_dump_json() for s in again.steps] == [
        s.model_dump_json() for s in project.steps
    ]
    assert again.records == project.records
    assert again.state.next_id == project.state.next_id == 10
    assert again.state.planes == 1
    assert read_project(saved).view == {"frame": 3}
    assert looks(again.clip) == looks(project.clip)
    assert again.clip.describe() == project.clip.describe()


def test_undo_goes_back_through_a_project_that_was_opened_again(project, saved):
    again = open_project(saved)
    for _ in range(len(project.steps)):
        project.undo()
        again.undo()
        assert picture_of(again.state) == picture_of(project.state)
    assert again.undo() is None
    for _ in range(8):
        project.redo()
        again.redo()
        assert picture_of(again.state) == picture_of(project.state)


def test_undo_keeps_to_the_last_changes_and_the_log_keeps_all(project, movie, monkeypatch):
    monkeypatch.setattr(history_file, "MOST_CHANGES", 3)
    path = movie.parent / "short.sa2va"
    titles = [step.title for step in project.steps]
    save(project, path)
    again = open_project(path)
    assert [step.title for step in again.steps] == titles
    for _ in range(3):
        assert again.undo() is not None
        project.undo()
    assert again.undo() is None
    assert picture_of(again.state) == picture_of(project.state)
    # What is done from there on is added to the log, also when it is saved and opened again.
    again.do(Rename(object_id=1, name="other"))
    save(again, path)
    titles = [*titles[:-3], "Rename to 'other'"]
    assert [step.title for step in open_project(path).steps] == titles


def test_values_that_take_too_much_room_are_left_out_of_undo(project, movie, monkeypatch):
    monkeypatch.setattr(history_file, "MOST_BYTES", 30)  # some run lengths of 4 bytes
    save(project, movie.parent / "small.sa2va")
    again = open_project(movie.parent / "small.sa2va")
    assert 0 < len(again.history.done) < len(project.steps)
    assert len(again.steps) == len(project.steps)


def test_masks_are_plain_arrays_that_anyone_can_read(project, saved):
    assert sorted(p.name for p in saved.iterdir()) == [
        "history.json", "history.npz", "masklets", "project.json", "records", "removed",
        "steps.jsonl",
    ]  # fmt: skip
    said = json.loads((saved / "project.json").read_text())
    with np.load(saved / "masklets" / "1.npz", allow_pickle=False) as file:
        assert {name: str(file[name].dtype) for name in file.files} == {
            "counts": "uint32", "runs": "int64", "scores": "float64", "origins": "uint8",
            "locked": "bool",
        }  # fmt: skip
        ends = np.cumsum(file["runs"])
        counts = file["counts"][ends[1] : ends[2]]
        assert rle.same({"size": [16, 20], "counts": counts}, corner())
        assert said["origins"][file["origins"][2]] == "hand"
        assert file["locked"].tolist() == [False, True, True, True, False, False]
    with np.load(saved / "masklets" / "9.npz") as file:
        assert file["runs"].tolist() == [-1, -1, -1, -1, -1, 7]  # it begins with a run of nothing
    lines = (saved / "steps.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines][:3] == ["run", "paint", "carry"]
    assert json.loads((saved / "records" / "0001.json").read_text()) == project.records[0]


def test_saving_while_a_run_is_on_its_way_is_refused(project, saved):
    job = project.begin(ask("the green one", first_id=10))
    with pytest.raises(RequestError, match="on its way"):
        save(project, saved)
    project.end(job, complete=False)
    save(project, saved)


def test_a_view_that_is_no_json_is_refused(project, saved):
    with pytest.raises(RequestError, match="view"):
        save(project, saved, view={"layer": object()})
    assert read_project(saved).view == {"frame": 3}


# Where it is saved


def test_saving_again_replaces_the_project_and_leaves_the_files_of_others(project, saved):
    (saved / "notes.txt").write_text("mine")
    (saved / "masklets" / "plot.png").write_text("mine, too")
    project.do(Remove(object_ids=(9,)))
    save(project, saved)
    assert picture_of(open_project(saved).state) == picture_of(project.state)
    assert not (saved / "masklets" / "9.npz").exists()
    assert (saved / "notes.txt").read_text() == "mine"
    assert (saved / "masklets" / "plot.png").read_text() == "mine, too"
    assert sorted(p.name for p in saved.parent.iterdir()) == ["cells.sa2va", "movie.tif"]


def test_a_movie_of_somebody_stays_also_if_it_has_the_name_of_kept_pixels(tmp_path):
    path = tmp_path / "p"
    save(Project((4, 16, 20)), path)
    write(path / "clip.ome.tif", grey_stack(), "TYX")
    mine = (path / "clip.ome.tif").read_bytes()
    save(Project((4, 16, 20)), path)
    assert (path / "clip.ome.tif").read_bytes() == mine
    save(Project.of(open_clip(grey_stack()[::-1])), path)
    assert (path / "clip.ome (2).tif").read_bytes() == mine
    assert open_project(path).footage is not None
    # A clip that is played from there is a file like any other.
    project = Project.of(open_clip(path / "clip.ome (2).tif"))
    save(project, tmp_path / "q")
    assert entry_of(tmp_path / "q").embedded is None


def test_a_folder_that_is_no_project_is_not_written_over(project, movie):
    other = movie.parent / "photos"
    other.mkdir()
    save(project, other)  # an empty one will do
    shutil.rmtree(other)
    other.mkdir()
    (other / "cat.jpg").write_bytes(b"precious")
    for path in (other, movie, movie.parent / "nowhere" / "cells"):
        with pytest.raises(OutputError):
            save(project, path)
    assert (other / "cat.jpg").read_bytes() == b"precious"
    assert [p.name for p in other.iterdir()] == ["cat.jpg"]


@pytest.mark.parametrize("written", [0, 1, 3])
def test_a_full_disk_leaves_the_earlier_save_as_it_was(project, saved, monkeypatch, written):
    before = picture_of(project.state)
    project.do(Rename(object_id=1, name="later"))
    count = iter(range(99))

    def write(path, arrays):
        if next(count) == written:
            raise OSError(28, "No space left on device")
        write_arrays(path, arrays)

    write_arrays = folder.write_arrays
    monkeypatch.setattr(folder, "write_arrays", write)
    with pytest.raises(OutputError, match="No space left"):
        save(project, saved)
    assert picture_of(open_project(saved).state) == before
    assert sorted(p.name for p in saved.parent.iterdir()) == ["cells.sa2va", "movie.tif"]


_KILLED = """
import os, sys
from pathlib import Path
from napari_sa2va.project import folder
from napari_sa2va.project.steps.name import Rename
project = folder.open_project(sys.argv[1])
project.do(Rename(object_id=1, name="later"))
rename, left = Path.rename, int(sys.argv[2])
def dying(self, target):
    global left
    if left == 0:
        os._exit(9)
    left -= 1
    return rename(self, target)
Path.rename = dying
folder.save(project, sys.argv[1])
"""


@pytest.mark.parametrize(("renames", "is_later"), [(0, False), (1, False), (2, True)])
def test_a_process_that_dies_while_it_saves_leaves_a_whole_project(saved, renames, is_later):
    (saved / "notes.txt").write_text("mine")
    before = picture_of(open_project(saved).state)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(saved), str(renames)])
    assert done.returncode == 9
    again = open_project(saved)
    assert again.state.card(1).name == ("later" if is_later else "the red one")
    assert picture_of(again.state)["cells"] == before["cells"]
    assert (saved / "notes.txt").read_text() == "mine"
    # The next save clears up; of a folder that was never finished it waits whether somebody does.
    save(again, saved)
    assert (saved / "notes.txt").read_text() == "mine"
    assert [p.suffix for p in saved.parent.iterdir() if p.name.startswith(".")] == (
        [] if is_later else [".new"]
    )
    for left in saved.parent.glob(".*.new"):
        os.utime(left, (0, 0))
    save(again, saved)
    assert sorted(p.name for p in saved.parent.iterdir()) == ["cells.sa2va", "movie.tif"]
