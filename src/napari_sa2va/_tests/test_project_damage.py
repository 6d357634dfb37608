"""Files of a project that are damaged: which, and what is wrong; never an error of somebody else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va._tests.made_projects import NUM_FRAMES, movie_in, saved_beside, work_on
from napari_sa2va._tests.test_project_steps import picture_of
from napari_sa2va.core.errors import ProjectError
from napari_sa2va.project import Project
from napari_sa2va.project.folder import open_project
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
    assert len(again.steps) == 8
    assert again.undo() is None  # it would put back what was there before something else


def test_a_folder_without_a_project_is_told_apart_from_none(tmp_path):
    with pytest.raises(ProjectError, match=r"no project: it has no project\.json"):
        open_project(tmp_path)
    with pytest.raises(ProjectError, match="is no folder"):
        open_project(tmp_path / "nowhere")
