"""Projects: what was found in a clip, all that was done to get there, undo, and keeping it.

The masklets of a project are the truth, the Labels layer in napari is a view of them. Whatever a
person does is a *step* in JSON types: doing the steps of a project again gives its masks.
"""

from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.change import Change, LockedFrame
from napari_sa2va.project.job import Drawn, Job
from napari_sa2va.project.project import Project
from napari_sa2va.project.state import State

__all__ = ["Card", "Cell", "Change", "Drawn", "Job", "LockedFrame", "Project", "State"]
