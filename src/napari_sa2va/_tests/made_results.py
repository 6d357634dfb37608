"""Results for the tests of writers: small, and made without a model or a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_sa2va.core import rle
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.masklet import Masklet
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers.result import Result, Shown, Subject, of_labels


def grey_clip(shape: tuple[int, int, int], **facts: Any) -> Clip:
    """A clip (T, Y, X) of 8-bit noise."""
    frames = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    return Clip(da.from_array(frames, chunks=(1, *shape[1:])), **facts)


def of_images(
    labels: np.ndarray,
    *,
    num_planes: int = 1,
    names: Mapping[int, str] | None = None,
    parents: Mapping[int, Sequence[int]] | None = None,
    **facts: Any,
) -> Result:
    """A result of label images (planes * T, Y, X), with the facts of its clip."""
    if names is None:
        names = {int(i): "" for i in np.unique(labels) if i}
    clip = grey_clip((len(labels) // num_planes, *labels.shape[1:]), **facts)
    return of_labels(clip, labels.__getitem__, names=names, num_planes=num_planes, parents=parents)


def of_masks(masks: Mapping[int, np.ndarray], **facts: Any) -> Result:
    """A result of masks (T, Y, X) by object id, which may overlap, with a score of 0.5 each."""
    shape = next(iter(masks.values())).shape

    def frame(f: int) -> Shown:
        there = {i: mask[f] for i, mask in sorted(masks.items()) if mask[f].any()}
        return Shown({i: rle.encode(m) for i, m in there.items()}, dict.fromkeys(there, 0.5))

    result_facts = {key: facts.pop(key) for key in ("overlap", "record") if key in facts}
    subjects = tuple(Subject(i, f"object {i}") for i in sorted(masks))
    return Result(grey_clip(shape, **facts), subjects, frame, **result_facts)


def labels_of(result: Result) -> np.ndarray:
    """The label images of all frames (planes * T, Y, X)."""
    return np.stack([result.labels(f) for f in range(result.num_frames)])


HARD_NAME = "</Spot> & \"quotes\" \\ 'x': #µ, 細胞\n🦠"
"""A name that breaks XML, JSON, YAML or CSV unless it is written as each of them wants it."""


def masklet(
    object_id: int, *masks: np.ndarray, score: float = 0.5, name: str = "", text: str = ""
) -> Masklet:
    """One object with these masks, bool (Y, X), one per frame."""
    made = Masklet.empty(object_id, name, text, (len(masks), *masks[0].shape))
    for t, mask in enumerate(masks):
        made.set_mask(t, mask, score)
    return made


def seventy_thousand() -> np.ndarray:
    """Label images, int32 (1, 250, 280), in which every pixel is an object of its own."""
    return np.arange(1, 70_001, dtype=np.int32).reshape(1, 250, 280)


CELLS = Path(os.environ.get("NAPARI_SA2VA_SHARED", "")) / "data" / "t98g"
real_cells = pytest.mark.skipif(
    not CELLS.is_dir(), reason="NAPARI_SA2VA_SHARED names no folder with data/t98g"
)


def glioblastoma() -> tuple[np.ndarray, Result]:
    """Label images of 36 tracked cells of 16 frames, and the result of them with their movie."""
    labels = tifffile.imread(CELLS / "t98g_ids.tif")
    clip = open_clip(CELLS / "t98g_phase.tif", axes="TYX")
    names = {i: f"cell {i}" for i in np.unique(labels).tolist() if i}
    return labels, of_labels(clip, labels.__getitem__, names=names)
