"""A project as what writers take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_sa2va._tests.fakes import colour_clip
from napari_sa2va._tests.made_projects import corner, movie_in, saved_beside, work_on
from napari_sa2va._tests.made_results import labels_of
from napari_sa2va.core.errors import ClipError
from napari_sa2va.project import Project
from napari_sa2va.project.folder import open_project
from napari_sa2va.project.result import result_of
from napari_sa2va.project.steps.add import Add
from napari_sa2va.project.steps.divide import Divide
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.readers.open import open_clip


def divided() -> Project:
    """A mother of two daughters, one of which was taken away again."""
    project = Project.of(colour_clip())
    for object_id, name in ((1, "mother"), (2, "daughter"), (3, "other daughter"), (4, "mother 2")):
        project.do(Add(object_id=object_id, name=name))
    project.do(Paint(frame=0, masks={1: corner()}))
    project.do(Divide(parent=1, daughters=(2, 3)))
    project.do(Divide(parent=4, daughters=(2,)))
    project.do(Remove(object_ids=(4,)))
    return project


def test_a_result_has_the_names_the_masks_and_the_parents_that_are_still_there() -> None:
    result = result_of(divided())
    assert [(s.object_id, s.name, s.parents) for s in result.subjects] == [
        (1, "mother", ()),
        (2, "daughter", (1,)),
        (3, "other daughter", (1,)),
    ]
    assert sorted(result.frame(0).codes) == [1]
    assert result.labels(0).sum() == 9
    assert result.record is None


def test_a_result_is_of_what_was_there_when_it_was_asked_for() -> None:
    project = divided()
    result = result_of(project)
    project.do(Paint(frame=1, masks={2: corner()}))
    project.do(Remove(object_ids=(1,)))
    assert result.labels(0).sum() == 9
    assert result.labels(1).sum() == 0


def test_a_saved_project_gives_the_same_labels_with_and_without_its_movie(tmp_path: Path) -> None:
    movie = movie_in(tmp_path)
    project = work_on(open_clip(movie))
    expected = labels_of(result_of(project))
    folder = saved_beside(project, movie)
    assert expected.any()

    with_movie = result_of(open_project(folder))
    assert with_movie.clip.frame(0).shape == (16, 20, 3)
    movie.unlink()
    without = result_of(open_project(folder))
    for result in (with_movie, without):
        np.testing.assert_array_equal(labels_of(result), expected)
        assert result.clip.name == "movie"
        assert result.record is not None
        assert result.record["finished"] == "done"
    with pytest.raises(ClipError, match="not at hand"):
        without.clip.frame(0)


def test_which_of_two_overlapping_objects_is_seen_can_be_chosen() -> None:
    project = divided()
    project.do(Paint(frame=0, masks={2: corner()}))
    project.do(Paint(frame=0, masks={1: corner()}))
    assert set(np.unique(result_of(project).labels(0))) == {0, 2}
    assert set(np.unique(result_of(project, overlap="first").labels(0))) == {0, 1}
