"""A project with a little of everything, on a movie in a file, and the same saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va.core import rle
from napari_sa2va.core.clip import Clip
from napari_sa2va.presets import preset
from napari_sa2va.project import Project
from napari_sa2va.project.clip_entry import ClipEntry
from napari_sa2va.project.folder import read_project, save
from napari_sa2va.project.replay import do_step
from napari_sa2va.project.steps.carry import Carry
from napari_sa2va.project.steps.lock import Lock
from napari_sa2va.project.steps.name import Rename
from napari_sa2va.project.steps.paint import Paint
from napari_sa2va.project.steps.remove import Remove
from napari_sa2va.project.steps.review import Review
from napari_sa2va.project.steps.run import Run, Sentence
from napari_sa2va.project.steps.spans import Span

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


def movie_in(folder: Path) -> Path:
    """The coloured squares as a TIFF in a folder "home"."""
    (folder / "home").mkdir()
    path = folder / "home" / "movie.tif"
    tifffile.imwrite(path, PICTURES, photometric="rgb", metadata={"axes": "TYXS"})
    return path


def saved_beside(project: Project, movie: Path) -> Path:
    """The folder of a project that is saved beside its movie."""
    path = movie.parent / "cells.sa2va"
    assert save(project, path, view={"frame": 3}).notes == ()
    return path


def looks(clip: Clip) -> list[list]:
    return [clip.rgb(t).tolist() for t in range(clip.num_frames)]


def entry_of(saved: Path) -> ClipEntry:
    clip = read_project(saved).manifest.clip
    assert clip is not None
    return clip


def grey_stack(dtype: str = "uint16", shape: tuple[int, ...] = (4, 16, 20)) -> np.ndarray:
    random = np.random.default_rng(3)
    return (random.random(shape) * 4000).astype(dtype)


def write(path: Path, data: np.ndarray, axes: str | None = None) -> None:
    metadata = {} if axes is None else {"axes": axes}
    tifffile.imwrite(path, data, photometric="minisblack", metadata=metadata)
