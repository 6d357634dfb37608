"""A project as a folder: it opens as it was, whatever happens while it is written or to its files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va._tests.test_project_steps import picture_of
from napari_sa2va.core import rle
from napari_sa2va.core.clip import Clip, make_clip
from napari_sa2va.core.errors import ClipError, OutputError, ProjectError, RequestError
from napari_sa2va.presets import preset
from napari_sa2va.project import Project, folder, history_file
from napari_sa2va.project.clip_entry import ClipEntry
from napari_sa2va.project.find_clip import find_footage
from napari_sa2va.project.folder import open_project, read_project, save
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.log import steps_of
from napari_sa2va.project.replay import do_step
from napari_sa2va.project.steps.carry import Carry
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.name import Rename
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.project.steps.review import Review
from napari_sa2va.project.steps.run import Run, Sentence
from napari_sa2va.project.steps.spans import Span
from napari_sa2va.readers.open import open_clip, read_recording

SETTINGS = preset("sa2va-i")
NUM_FRAMES = 6
PICTURES = np.stack([colour_clip(NUM_FRAMES).rgb(t) for t in range(NUM_FRAMES)])


def corner(size: tuple[int, int] = (16, 20)) -> rle.Rle:
    mask = np.zeros(size, bool)
    mask[:3, :3] = True
    return rle.encode(mask)


def ask(*texts: str, first_id: int = 1, **more) -> Run:
    sentences = tuple(
        Sentence(object_id=i, name=text, text=text) for i, text in enumerate(texts, first_id)
    )
    return Run(sentences=sentences, settings=SETTINGS, **more)


def work_on(clip: Clip) -> Project:
    """A project with a run, corrections, and an object that was taken away."""
    project = Project.of(clip)
    for step in (
        ask("the red one", "the elephant", "the blue one"),
        Paint(frame=2, masks={1: corner()}),
        Carry(conditions={1: (2,)}, span=Span(first=2, last=4), settings=SETTINGS),
        Lock(object_ids=(1,), span=Span(first=1, last=3)),
        Rename(object_id=3, name="Blau – größer"),
        Review(span=Span(first=0, last=1)),
        Remove(object_ids=(2,)),
        Paint(frame=5, masks={9: corner()}),
    ):
        do_step(project, step, model=FakeModel())
    return project


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    path = tmp_path / "home" / "movie.tif"
    tifffile.imwrite(path, PICTURES, photometric="rgb", metadata={"axes": "TYXS"})
    return path


@pytest.fixture
def project(movie: Path) -> Project:
    return work_on(open_clip(movie))


@pytest.fixture
def saved(project: Project, movie: Path) -> Path:
    path = movie.parent / "cells.sa2va"
    assert save(project, path, view={"frame": 3}).notes == ()
    return path


def looks(clip: Clip) -> list[list]:
    return [clip.rgb(t).tolist() for t in range(clip.num_frames)]


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
    assert [step.title for step in steps_of(again)] == titles
    for _ in range(3):
        assert again.undo() is not None
        project.undo()
    assert again.undo() is None
    assert picture_of(again.state) == picture_of(project.state)
    # What is done from there on is added to the log, also when it is saved and opened again.
    again.do(Rename(object_id=1, name="other"))
    save(again, path)
    titles = [*titles[:-3], "Rename to 'other'"]
    assert [step.title for step in steps_of(open_project(path))] == titles


def test_values_that_take_too_much_room_are_left_out_of_undo(project, movie, monkeypatch):
    monkeypatch.setattr(history_file, "MOST_BYTES", 30)  # some run lengths of 4 bytes
    save(project, movie.parent / "small.sa2va")
    again = open_project(movie.parent / "small.sa2va")
    assert 0 < len(again.history.done) < len(project.steps)
    assert len(steps_of(again)) == len(project.steps)


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


# Damage


def files_of(saved: Path) -> list[str]:
    return sorted(p.relative_to(saved).as_posix() for p in saved.rglob("*") if p.is_file())


def test_every_file_that_is_missing_or_cut_off_is_named(saved):
    assert len(files_of(saved)) == 10
    for name in files_of(saved):
        path = saved / name
        whole = path.read_bytes()
        for size in (None, 0, 1, len(whole) // 2, len(whole) - 2):
            if size is None:
                path.unlink()
            else:
                path.write_bytes(whole[:size])
            with pytest.raises(ProjectError) as caught:
                open_project(saved)
            assert (path.name in caught.value.message) or "no project" in caught.value.message
            assert caught.value.hint
        path.write_bytes(whole)
    open_project(saved)


def test_bytes_that_were_changed_are_an_error_of_ours_or_make_another_project(saved):
    random = np.random.default_rng(0)
    refused = 0
    for name in files_of(saved):
        path = saved / name
        whole = path.read_bytes()
        for _ in range(25):
            damaged = bytearray(whole)
            for place in random.integers(0, len(whole), 3):
                damaged[place] = random.integers(0, 256)
            path.write_bytes(damaged)
            try:
                again = open_project(saved)
            except ProjectError:
                refused += 1
                continue
            for _ in range(3):
                again.undo()
            picture_of(again.state)
        path.write_bytes(whole)
    assert refused > 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2, "written_by": "napari-sa2va 9.0"}, "version 2.*napari-sa2va 9.0"),
        ({"format": "something else"}, "not of a napari-sa2va project"),
        ({"shape": [6, 16, 21]}, "masklets/1.npz: its mask 0 has 320 px"),
        ({"shape": [5, 16, 20], "reviewed": []}, "has 6 frames, not 5"),
        ({"shape": [6, 16]}, "shape"),
        ({"shape": [10**12, 16, 20]}, "frames on 1 planes"),
        ({"planes": 4}, "6 frames on 4 planes"),
        ({"planes": 0}, "planes"),
        ({"reviewed": [6]}, "reviewed frame"),
        ({"num_steps": 9}, "steps.jsonl: it has 8 steps, not 9"),
        ({"num_steps": 7, "num_undoable": 7}, "steps.jsonl: it has 8 steps, not 7"),
        ({"num_undoable": 99}, "99 of 8 steps"),
        ({"num_undoable": 7}, "history.npz: it does not hold 7 changes"),
        ({"num_records": 3}, "records/0003.json: it is not there"),
        ({"origins": [""]}, "an origin has no name"),
        ({"origins": ["", "k", "m", "h", "c", "w", "a", "g"]}, "origin 'k' is not known"),
        ({"next_id": 1}, "as the next"),
        ({"cards": []}, "history.npz: it changes object 1, which is not there"),
        ({"view": None}, "view"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_a_project_file_that_does_not_fit_says_what_is_wrong(saved, change, message):
    said = json.loads((saved / "project.json").read_text())
    (saved / "project.json").write_text(json.dumps(said | change))
    with pytest.raises(ProjectError, match=message):
        open_project(saved)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{}", "null", "12", '{"format": NaN}', "\udcff", "9" * 9999]
)
def test_a_project_file_that_is_none_is_an_error_of_ours(saved, text):
    (saved / "project.json").write_text(text, errors="surrogateescape")
    with pytest.raises(ProjectError, match=r"project\.json"):
        open_project(saved)


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "dance"}', "[]", '{"kind": "paint", "frame": 0, "masks": {"1": {}}}',
        '{"kind": "paint", "frame": 0, "masks": {"1": {"size": [1, 1], "counts": [-1]}}}',
        '{"kind": "paint", "frame": 0, "masks": {"1": {"size": 3, "counts": null}}}',
    ],
)  # fmt: skip
def test_a_line_that_is_no_step_is_named(saved, line):
    lines = (saved / "steps.jsonl").read_text().splitlines()
    lines[1] = line
    (saved / "steps.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(ProjectError, match=r"steps\.jsonl: line 2 is no step"):
        open_project(saved)


def test_arrays_with_objects_in_them_are_never_unpickled(saved):
    class Trap:
        def __reduce__(self):
            return os._exit, (1,)

    np.savez(saved / "masklets" / "1.npz", counts=np.array([Trap()], dtype=object))
    with pytest.raises(ProjectError, match=r"masklets/1\.npz: it cannot be read .*allow_pickle"):
        open_project(saved)


def test_what_is_still_readable_is_said_and_can_be_opened(project, saved):
    (saved / "masklets" / "3.npz").write_bytes(b"PK")
    (saved / "records" / "0001.json").write_text("{")
    with pytest.raises(ProjectError) as caught:
        open_project(saved)
    assert "masklets/3.npz" in caught.value.message
    assert "(and 1 more)" in caught.value.message
    assert "the masks of 'the red one'" in caught.value.hint
    assert "8 steps" in caught.value.hint
    again = open_project(saved, rescue=True)
    assert again.state.card(3).name == "Blau – größer"
    assert again.state.cell(3, 0).code is None
    before, after = (picture_of(p.state)["cells"] for p in (project, again))
    assert [after[1, t] for t in range(NUM_FRAMES)] == [before[1, t] for t in range(NUM_FRAMES)]
    assert len(steps_of(again)) == 8
    assert again.undo() is None  # it would put back what was there before something else


def test_a_folder_without_a_project_is_told_apart_from_none(tmp_path):
    with pytest.raises(ProjectError, match=r"no project: it has no project\.json"):
        open_project(tmp_path)
    with pytest.raises(ProjectError, match="is no folder"):
        open_project(tmp_path / "nowhere")


# The movie


def entry_of(saved: Path) -> ClipEntry:
    clip = read_project(saved).manifest.clip
    assert clip is not None
    return clip


def test_the_movie_is_found_where_it_was_and_where_it_is_seen_from_the_project(project, movie):
    path = movie.parent / "work" / "cells.sa2va"
    path.parent.mkdir()
    save(project, path)
    entry = entry_of(path)
    assert entry.path == str(movie)
    assert entry.relative_path == "../../movie.tif"
    assert entry.arguments[0].as_keywords() == {}
    assert entry.fingerprints[0].startswith("clip1-")
    moved = movie.parent.parent / "elsewhere"
    movie.parent.rename(moved)
    again = open_project(moved / "work" / "cells.sa2va")
    assert again.clip.source == str(moved / "movie.tif")
    assert looks(again.clip) == looks(open_clip(moved / "movie.tif"))


@pytest.mark.parametrize("place", ["cells.sa2va/movie.tif", "deep/er/movie.tif", "m.tif"])
def test_a_movie_that_was_moved_is_found_beside_and_below_the_project(saved, movie, place):
    target = saved.parent / place
    target.parent.mkdir(parents=True, exist_ok=True)
    movie.rename(target)
    footage = find_footage(saved)
    assert footage.first.source == str(target)
    assert looks(footage.first) == looks(open_clip(target))


def test_a_movie_is_found_in_a_folder_that_is_named_also_under_another_name(saved, movie, tmp_path):
    far = tmp_path / "far" / "below"
    far.mkdir(parents=True)
    shutil.move(saved, tmp_path / "alone")
    movie.rename(far / "renamed.tif")
    alone = (tmp_path / "alone").rename(tmp_path / "home" / "cells")
    with pytest.raises(ClipError) as caught:
        find_footage(alone)
    assert str(movie) in caught.value.message
    assert "is not there" in caught.value.message
    assert "--input" in caught.value.hint
    assert find_footage(alone, look_in=[tmp_path / "far"]).first.source.endswith("renamed.tif")
    assert find_footage(alone, video=far / "renamed.tif").first.num_frames == NUM_FRAMES


def test_another_movie_of_that_name_is_not_taken(saved, movie):
    other = PICTURES.copy()
    other[0, 0, 0] = 7
    tifffile.imwrite(movie, other, photometric="rgb", metadata={"axes": "TYXS"})
    with pytest.raises(ClipError, match=r"movie\.tif \(holds other pixels\)"):
        find_footage(saved)
    with pytest.raises(ClipError, match="holds other pixels"):
        find_footage(saved, video=movie)
    movie.write_bytes(b"II*\0")
    with pytest.raises(ClipError, match="cannot be read"):
        find_footage(saved)
    again = open_project(saved)
    assert again.footage is None
    assert again.state.masklet(1).frames_present


def test_a_project_that_is_saved_without_its_movie_still_knows_it(saved, movie, tmp_path):
    movie.rename(tmp_path / "movie.tif")
    again = open_project(saved)
    assert again.footage is None
    again.do(Rename(object_id=1, name="later"))
    save(again, saved)
    (tmp_path / "home" / "new").mkdir()
    save(again, tmp_path / "home" / "new" / "copy.sa2va")
    (tmp_path / "movie.tif").rename(movie)
    assert open_project(saved).footage is not None
    assert entry_of(tmp_path / "home" / "new" / "copy.sa2va").relative_path == "../../movie.tif"
    assert open_project(tmp_path / "home" / "new" / "copy.sa2va").footage is not None


@pytest.mark.parametrize("error", [ClipError("The file ends."), OSError(5, "Input/output error")])
@pytest.mark.parametrize("was_saved", [True, False])
def test_masks_are_saved_also_while_the_movie_cannot_be_read(
    project, movie, monkeypatch, error, was_saved
):
    path = movie.parent / "cells.sa2va"
    if was_saved:
        save(project, path)
    project.do(Rename(object_id=1, name="later"))
    movie.rename(movie.parent / "away")

    def frame(self, t):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Clip, "frame", frame)
        (note,) = save(project, path).notes
    assert "could not be read" in note
    assert "Save again" in note
    assert picture_of(open_project(path).state) == picture_of(project.state)
    (movie.parent / "away").rename(movie)
    assert (open_project(path).footage is not None) == was_saved
    assert save(project, path).notes == ()
    assert open_project(path).footage is not None


def grey_stack(dtype: str = "uint16", shape: tuple[int, ...] = (4, 16, 20)) -> np.ndarray:
    random = np.random.default_rng(3)
    return (random.random(shape) * 4000).astype(dtype)


def write(path: Path, data: np.ndarray, axes: str | None = None) -> None:
    metadata = {} if axes is None else {"axes": axes}
    tifffile.imwrite(path, data, photometric="minisblack", metadata=metadata)


@pytest.mark.parametrize("asked", [
    {"axes": "TZYX", "z": 2}, {"axes": "TZYX", "z": "max"}, {"axes": "TZYX", "z": 1, "limits": (5, 900)},
    {"axes": "TCYX", "channels": [2, 0]}, {"axes": "TCYX", "channels": [1], "colors": ["magenta"]},
    {"axes": "ZTYX", "z": 0, "box": (2, 3, 12, 19)},
    {"axes": "TCYX", "colors": ["red", "#00ff80", "blue"], "limits": [(0, 9), (1, 3000), (7, 4000)]},
])  # fmt: skip
def test_a_clip_is_opened_with_the_choices_that_it_was_opened_with(tmp_path, asked):
    write(tmp_path / "m.tif", grey_stack(shape=(3, 3, 16, 20)))
    clip = open_clip(tmp_path / "m.tif", **asked)
    save(Project.of(clip), tmp_path / "p")
    again = open_project(tmp_path / "p").clip
    assert looks(again) == looks(clip)
    assert again.describe() == clip.describe()
    keywords = entry_of(tmp_path / "p").arguments[0].as_keywords()
    assert looks(open_clip(tmp_path / "m.tif", **keywords)) == looks(clip)


@pytest.mark.parametrize("cut", ["plane", "channel", "channels", "projection", "reversed"])
def test_a_clip_that_was_made_from_a_layer_is_found_in_the_file_of_the_layer(tmp_path, cut):
    data = grey_stack(shape=(4, 5, 3, 16, 20))
    path = tmp_path / "m.ome.tif"
    tifffile.imwrite(path, data, ome=True, metadata={"axes": "TZCYX"})
    whole = read_recording(path)
    arguments: dict = {"limits": (10.0, 3000.0)}
    if cut == "plane":
        part, axes, wanted = whole.data[:, 3, 1], "TYX", {"z": 3, "channels": (1,)}
    elif cut == "channel":
        part, axes, wanted = whole.data[:, :, 2], "TZYX", {"z": "mean", "channels": (2,)}
        arguments["z"] = "mean"
    elif cut == "channels":
        part, axes, wanted = whole.data[:, 0, [2, 0]], "TCYX", {"z": 0, "channels": (2, 0)}
        arguments |= {"colors": ["red", "#00ff00"], "limits": [(0.0, 9.0), (3.0, 8.0)]}
    elif cut == "projection":
        part, axes, wanted = whole.data.max(axis=1), "TCYX", {"z": "max"}
    else:  # no file holds this
        part, axes, wanted = whole.data[::-1, 3, 1], "TYX", None
    layer = replace(whole, data=part, axes=axes, pixel_size_um=(0.3, 0.4), channel_names=())
    clip = make_clip(layer, **arguments)
    assert clip.source == str(path)
    save(Project.of(clip), tmp_path / "p")
    entry = entry_of(tmp_path / "p")
    again = open_project(tmp_path / "p").clip
    assert looks(again) == looks(clip)
    assert again.pixel_size_um == (0.3, 0.4)
    if wanted is None:
        assert entry.embedded == "clip.ome.tif"
        return
    assert entry.embedded is None
    keywords = entry.arguments[0].as_keywords()
    assert {k: keywords[k] for k in wanted} == wanted
    assert looks(open_clip(path, **keywords)) == looks(clip)


# Pixels that no file holds


@pytest.mark.parametrize("dtype", ["uint8", "bool", "uint16", ">u2", "int32", "float32", "float16",
                                   "int64", "uint64"])  # fmt: skip
@pytest.mark.parametrize("shape", [(4, 16, 20), (1, 16, 20), (4, 16, 20, 3)])
def test_an_array_is_kept_in_the_project_in_its_own_dtype(tmp_path, dtype, shape):
    data = grey_stack("float64", shape) / 4000
    data = data > 0.5 if dtype == "bool" else data * (1 if dtype.startswith("float") else 250)
    data = data.astype(dtype)
    clip = open_clip(data, axes="TYXC" if len(shape) == 4 else "TYX", name="mine")
    save(Project.of(clip), tmp_path / "p")
    shutil.move(tmp_path / "p", tmp_path / "q")
    again = open_project(tmp_path / "q").clip
    assert again.frames.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(again.frame(0), clip.frame(0))
    assert looks(again) == looks(clip)
    assert again.name == "mine"
    assert again.describe() | {"source": None, "dtype": ""} == clip.describe() | {"dtype": ""}


def test_of_an_array_that_was_cropped_the_part_is_kept(tmp_path):
    clip = open_clip(grey_stack(), axes="ZYX", box=(2, 3, 12, 19), limits=(0, 900))
    save(Project.of(clip), tmp_path / "p")
    again = open_project(tmp_path / "p").clip
    assert again.frames.shape == (4, 10, 16)
    assert looks(again) == looks(clip)
    assert again.describe() == clip.describe() | {"source": again.source}


def test_pixels_are_written_frame_by_frame_and_only_once(tmp_path, monkeypatch):
    clip = open_clip(grey_stack())
    reads: list[int] = []
    whole = Clip.frame
    monkeypatch.setattr(Clip, "frame", lambda self, t: reads.append(t) or whole(self, t))
    project = Project.of(clip)
    save(project, tmp_path / "p")
    assert set(reads) == {0, 1, 2, 3}
    first = (tmp_path / "p" / "clip.ome.tif").stat()
    save(project, tmp_path / "p")
    second = (tmp_path / "p" / "clip.ome.tif").stat()
    assert (first.st_mtime_ns, first.st_ino) == (second.st_mtime_ns, second.st_ino)
    # Opened again, it is saved elsewhere with its pixels.
    save(open_project(tmp_path / "p"), tmp_path / "copy")
    shutil.rmtree(tmp_path / "p")
    assert looks(open_project(tmp_path / "copy").clip) == looks(clip)


def test_pixels_that_take_too_much_room_are_left_out_with_a_note(tmp_path):
    clip = open_clip(grey_stack())
    project = Project.of(clip)
    project.do(Paint(frame=0, masks={1: corner()}))
    (note,) = save(project, tmp_path / "p", embed_up_to=2559).notes  # it takes 4 * 16 * 20 * 2
    assert "0.0 MB" in note
    assert "not replayed" in note
    again = open_project(tmp_path / "p")
    assert again.footage is None
    assert again.state.masklet(1).frames_present == [0]
    with pytest.raises(ClipError, match="not replayed"):
        find_footage(tmp_path / "p")
    # Somebody writes the pixels to a file after all.
    write(tmp_path / "later.tif", grey_stack(), "TYX")
    assert looks(find_footage(tmp_path / "p", video=tmp_path / "later.tif").first) == looks(clip)
    assert save(project, tmp_path / "p", embed_up_to=2560).notes == ()
    assert looks(open_project(tmp_path / "p").clip) == looks(clip)


@pytest.mark.parametrize("is_file", [True, False])
@pytest.mark.parametrize("num_frames", [3, 1])
def test_several_planes_are_kept_and_found(tmp_path, is_file, num_frames):
    data = grey_stack(shape=(num_frames, 4, 16, 20))
    path = tmp_path / "m.tif"
    write(path, data, "TZYX")
    source = path if is_file else data

    def plane(z: int) -> Clip:
        return open_clip(source, axes="TZYX", time="T", z=z, limits=(0.0, 4000.0))

    project = Project((4 * num_frames, 16, 20), 4)
    project.footage = Footage(4, plane)
    save(project, tmp_path / "p")
    entry = entry_of(tmp_path / "p")
    assert (entry.embedded is None) == is_file
    footage = find_footage(tmp_path / "p")
    assert footage.planes == 4
    for z in range(4):
        assert looks(footage.clip_of(z)) == looks(plane(z))
    across = footage.across(num_frames - 1)
    assert across.num_frames == 4
    for z in range(4):
        np.testing.assert_array_equal(across.rgb(z), plane(z).rgb(num_frames - 1))
