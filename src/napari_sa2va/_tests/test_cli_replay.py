"""`napari-sa2va replay` and `napari-sa2va project`, as they are typed; once with the real nano."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_sa2va as napari_sa2va_package
from napari_sa2va._tests.fakes import FakeModel, FakeTracker, colour_clip
from napari_sa2va._tests.made_projects import (
    NUM_FRAMES,
    SETTINGS,
    ask,
    corner,
    grey_stack,
    work_on,
)
from napari_sa2va._tests.test_pipeline_planes import NUM_FRAMES as STACK_FRAMES
from napari_sa2va._tests.test_pipeline_planes import PLANES, across, clip_of, stack
from napari_sa2va._tests.test_project_steps import picture_of
from napari_sa2va.cli.main import main
from napari_sa2va.core import rle
from napari_sa2va.pipeline import loaded
from napari_sa2va.project import Project
from napari_sa2va.project.cells_file import read_arrays, write_arrays
from napari_sa2va.project.folder import open_project, save
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.replay import do_step
from napari_sa2va.project.steps.carry import Carry
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.run import Run, Sentence
from napari_sa2va.project.steps.spans import Span
from napari_sa2va.readers.open import open_clip
from napari_sa2va.training.synth import generate_movie


@pytest.fixture
def model(monkeypatch) -> FakeModel:
    fake = FakeModel()
    monkeypatch.setattr(loaded, "load", lambda settings: fake)
    return fake


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "movie.tif"
    path.parent.mkdir()
    clip = colour_clip(NUM_FRAMES)
    pictures = np.stack([clip.rgb(t) for t in range(NUM_FRAMES)])
    tifffile.imwrite(path, pictures, photometric="rgb", metadata={"axes": "TYXS"})
    return path


@pytest.fixture
def saved(movie: Path, model: FakeModel) -> Path:
    path = movie.parent / "cells.sa2va"
    save(work_on(open_clip(movie)), path)
    return path


def alter_masks(saved: Path, object_id: int) -> None:
    """Take two pixels' place from the background behind an object, on the last frame that has it."""
    path = saved / "masklets" / f"{object_id}.npz"
    arrays = read_arrays(path)
    frame = np.flatnonzero(arrays["runs"] > 1)[-1]
    end = np.maximum(arrays["runs"], 0).cumsum()[frame]
    arrays["counts"][end - 2] += 2
    arrays["counts"][end - 1] -= 2
    write_arrays(path, arrays)


def test_the_same_masks_are_exit_code_0(saved, capsys):
    assert main(["replay", str(saved)]) == 0
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines()]
    assert ["1.", "the", "red", "one", "6", "6", "1.000"] in rows
    assert "The same masks." in printed.out
    assert "Step 3 of 8: Carry over frames 2 to 4" in printed.err
    assert main(["replay", str(saved), "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_other_masks_are_exit_code_1_and_the_frames_are_named(saved, capsys):
    alter_masks(saved, 3)
    assert main(["replay", str(saved), "-q"]) == 1
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("3. Blau"))
    assert row.split()[-4:] == ["6", "5", "0.981", "5"]  # J is 16 / 18 on one of 6 frames
    assert "The masks are not the same." in printed


def test_labels_and_a_project_are_written(saved, tmp_path, capsys):
    out, new = tmp_path / "again", tmp_path / "new.sa2va"
    assert main(["replay", str(saved), "-q", "-o", str(out), "--save", str(new)]) == 0
    project, again = open_project(saved), open_project(new)
    assert picture_of(again.state) == picture_of(project.state)
    assert [s.model_dump() for s in again.steps] == [s.model_dump() for s in project.steps]
    with tifffile.TiffFile(tmp_path / "again.ome.tif") as file:
        labels = file.asarray()
        assert "Blau – größer" in file.ome_metadata
    np.testing.assert_array_equal(labels, [project.state.labels(t) for t in range(NUM_FRAMES)])
    printed = capsys.readouterr().out
    assert "again.ome.tif" in printed
    assert "Saved" in printed
    # Nothing is written over unasked.
    assert main(["replay", str(saved), "-q", "-o", str(tmp_path / "again.ome.tif")]) == 2
    assert main(["replay", str(saved), "-q", "--save", str(new)]) == 2
    assert main(["replay", str(saved), "-q", "--save", str(new), "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is no folder"),
        (["HOME"], "no project.json"),
        (["PROJECT", "--input", "nowhere.tif"], "is not there"),
        (["PROJECT", "--save", "PROJECT"], "is the project that is replayed"),
        (["PROJECT", "--save", "HOME"], "holds other things"),
        (["PROJECT", "-o", "MOVIE"], "would overwrite or mix"),
        (["PROJECT", "-o", "/proc/nothing/out.tif"], "/proc/nothing"),
        (["PROJECT", "--model", "nothing-known"], "nothing-known"),
    ],
)
def test_a_bad_request_is_exit_code_2_and_touches_nothing(
    saved, movie, monkeypatch, capsys, arguments, message
):
    monkeypatch.undo()  # of the network that is not asked
    places = {"PROJECT": saved, "HOME": saved.parent, "MOVIE": movie}
    before = movie.read_bytes(), sorted(saved.rglob("*"))
    assert main(["replay", *(str(places.get(a, a)) for a in arguments)]) == 2
    assert message in capsys.readouterr().err
    assert (movie.read_bytes(), sorted(saved.rglob("*"))) == before
    assert sorted(p.name for p in saved.parent.iterdir()) == ["cells.sa2va", "movie.tif"]


def test_a_movie_elsewhere_is_named_with_input(saved, movie, tmp_path, capsys):
    far = tmp_path / "far"
    far.mkdir()
    movie.rename(far / "renamed.tif")
    assert main(["replay", str(saved), "-q"]) == 2
    printed = capsys.readouterr().err
    assert "--input" in printed
    assert str(movie) in printed
    assert main(["replay", str(saved), "-q", "--input", str(far / "renamed.tif")]) == 0


def test_ctrl_c_keeps_what_was_done(saved, tmp_path, monkeypatch, capsys):
    whole = FakeTracker.track

    def track(self, t, *args, **kwargs):
        if t == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return whole(self, t, *args, **kwargs)

    monkeypatch.setattr(FakeTracker, "track", track)
    before = signal.getsignal(signal.SIGINT)
    new, out = tmp_path / "new", tmp_path / "out.tif"
    assert main(["replay", str(saved), "--save", str(new), "-o", str(out)]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert "Stopped after 0 of 8 steps" in capsys.readouterr().err
    (step,) = open_project(new).steps
    assert step.masks_taken > 5
    assert tifffile.imread(out)[0].max() == 3


def test_labels_of_several_planes_are_one_file_with_a_z_axis(tmp_path, model):
    project = Project((PLANES * STACK_FRAMES, 16, 20), PLANES)
    project.footage = Footage(PLANES, clip_of, across)
    do_step(project, ask("the red one"), model=FakeModel())
    save(project, tmp_path / "p")
    assert main(["replay", str(tmp_path / "p"), "-q", "-o", str(tmp_path / "out.tif")]) == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].axes == "TZYX"
        np.testing.assert_array_equal(file.asarray(), stack()[..., 0] > 100)


# What is in a project


def test_a_project_says_what_is_in_it(saved, movie, capsys):
    assert main(["project", str(saved)]) == 0
    printed = capsys.readouterr().out
    assert "Movie: movie, 6 frames of 16 × 20 px" in printed
    assert f"  {movie}" in printed
    assert "1. the red one: on 6 of 6 frames, 1 corrected, 3 locked" in printed
    assert "Reviewed: 2 of 6 frames" in printed
    assert "History: 8 steps, of which the last 8 can be undone" in printed
    assert "  2. Paint on frame 2" in printed
    assert "Models: fake" in printed
    movie.unlink()
    assert main(["project", str(saved / "project.json")]) == 0
    assert "was not found" in capsys.readouterr().out


def test_a_damaged_project_says_which_file_and_what_is_left(saved, capsys):
    (saved / "masklets" / "1.npz").write_bytes(b"PK")
    assert main(["project", str(saved)]) == 1
    printed = capsys.readouterr().out
    assert "Damaged: masklets/1.npz" in printed
    assert "3. Blau – größer: on 6 of 6 frames" in printed
    assert main(["replay", str(saved)]) == 2
    assert "masklets/1.npz" in capsys.readouterr().err
    assert main(["project", str(saved.parent)]) == 2


def test_a_project_without_its_pixels_says_so(tmp_path, capsys, model):
    project = Project.of(open_clip(grey_stack()))
    project.do(Paint(frame=0, masks={1: corner()}))
    save(project, tmp_path / "p", embed_up_to=0)
    assert main(["project", str(tmp_path / "p")]) == 0
    assert "not replayed" in capsys.readouterr().out
    project.footage = None
    save(Project((4, 16, 20)), tmp_path / "q")
    assert main(["project", str(tmp_path / "q")]) == 0
    assert "none was kept" in capsys.readouterr().out
    assert main(["replay", str(tmp_path / "q")]) == 2


PAGE = Path(napari_sa2va_package.__file__).parents[2] / "docs" / "projects.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the pages stand in the source tree only")
def test_what_the_page_about_projects_says_runs(movie, model, monkeypatch, capsys):
    monkeypatch.chdir(movie.parent)
    text = PAGE.read_text(encoding="utf-8")
    space: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "projects.md", "exec"), space)
    assert space["mask"].shape == (16, 20)
    assert "napari-sa2va replay" in capsys.readouterr().out
    lines = re.findall(r"^napari-sa2va ([^#\n]+)", text, re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        line = line.replace("/data/movie.tif", str(movie))
        assert main(shlex.split(line)) == 0
    assert sorted(p.name for p in movie.parent.iterdir()) == [
        "again.ome.tif", "again.sa2va", "cells.csv", "cells.ome.tif", "cells.sa2va", "movie.tif",
    ]  # fmt: skip


# The real network, in processes of its own


def napari_sa2va(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = "from napari_sa2va.cli.main import entry_point; entry_point()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )


def test_a_project_made_with_nano_replays_in_a_fresh_process_wherever_it_is_moved(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    frames = generate_movie(7).frames[:6]
    tifffile.imwrite(home / "movie.tif", frames, photometric="rgb", metadata={"axes": "TYXS"})
    project = Project.of(open_clip(home / "movie.tif"))
    sentences = (Sentence(object_id=1, name="cell", text="the bright cell"),)
    do_step(project, Run(sentences=sentences, settings=SETTINGS))
    painted = np.zeros(project.state.shape[1:], bool)
    painted[20:44, 20:44] = True
    project.do(Paint(frame=2, masks={1: rle.encode(painted)}))
    span = Span(first=2, last=5)
    do_step(project, Carry(conditions={1: (2,)}, span=span, settings=SETTINGS))
    project.do(Lock(object_ids=(1,), span=span))
    assert project.state.masklet(1).frames_present
    assert len(project.steps) == 4
    save(project, home / "cells.sa2va")

    done = napari_sa2va("replay", home / "cells.sa2va", "--device", "cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The same masks." in done.stdout

    moved = tmp_path / "another" / "machine"
    moved.parent.mkdir()
    shutil.move(home, moved)
    out = tmp_path / "out.ome.tif"
    done = napari_sa2va("replay", moved / "cells.sa2va", "-q", "-o", out)
    assert done.returncode == 0, done.stdout + done.stderr
    labels = tifffile.imread(out)
    np.testing.assert_array_equal(labels, [project.state.labels(t) for t in range(6)])

    alter_masks(moved / "cells.sa2va", 1)
    done = napari_sa2va("replay", moved / "cells.sa2va", "-q")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The masks are not the same." in done.stdout
