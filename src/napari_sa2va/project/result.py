"""A project as a result that can be written in any format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sa2va.project.folder import entry_of, overlap_of
from napari_sa2va.project.unseen_clip import unseen_clip
from napari_sa2va.writers.result import Result, of_masklets

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.masklet import Overlap
    from napari_sa2va.project.project import Project


def result_of(project: Project, *, overlap: Overlap | None = None) -> Result:
    """What a project holds now; what is done to it afterwards does not change the result.

    Parameters
    ----------
    project : Project
        Without its movie, too; formats that show pixels raise `ClipError` then.
    overlap : {"last", "first"}, optional
        Which of two overlapping objects keeps a pixel; by default as the last run was told.

    Returns
    -------
    Result
        With the parents of divided objects, and the record of the last run.
    """
    state = project.state
    return of_masklets(
        _clip_of(project),
        state.masklets(),
        overlap=overlap or overlap_of(project),
        num_planes=state.planes,
        parents={
            i: [parent for parent in card.parents if parent in state.cards]
            for i, card in state.cards.items()
        },
        record=project.records[-1] if project.records else None,
    )


def _clip_of(project: Project) -> Clip:
    """The clip, or what the project's folder says of it."""
    if project.footage is not None:
        return project.clip
    state, entry = project.state, entry_of(project)
    clip = unseen_clip(state.frames_per_plane, *state.shape[1:])
    return clip if entry is None else entry.described.put_back(clip)
