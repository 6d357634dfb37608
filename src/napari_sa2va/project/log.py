"""Everything that was done to a project, also what is too long ago to be undone."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.base import Step

_earlier: WeakKeyDictionary[Project, tuple[Step, ...]] = WeakKeyDictionary()


def steps_of(project: Project) -> list[Step]:
    """All steps that were done and not undone, oldest first; doing them again gives the state."""
    return [*_earlier.get(project, ()), *project.steps]


def put_before(project: Project, steps: Sequence[Step]) -> None:
    """Take down what was done before the first change that the project can undo."""
    _earlier[project] = tuple(steps)
