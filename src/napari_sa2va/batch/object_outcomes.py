"""What was drawn of one unit: what became of each object, and where they overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_sa2va.batch.found import Found
from napari_sa2va.batch.outcome import ObjectOutcome
from napari_sa2va.core import rle


@dataclass(frozen=True)
class Drawn:
    """What the masks of a unit amount to.

    Attributes
    ----------
    objects : tuple of ObjectOutcome
        In the order of the sentences.
    overlap_frames : int
        On how many frames a pixel is of two objects.
    """

    objects: tuple[ObjectOutcome, ...]
    overlap_frames: int


def drawn_of(found: Found) -> Drawn:
    """Sum up the masks that are on the disk; each frame is read once."""
    ids = [subject.object_id for subject in found.subjects]
    scores: dict[int, list[float]] = {i: [] for i in ids}
    areas: dict[int, list[int]] = {i: [] for i in ids}
    overlap_frames = 0
    for frame in found.frames_done:
        shown = found.frame(frame)
        overlap_frames += not rle.are_apart(shown.codes.values())
        for object_id, code in shown.codes.items():
            scores[object_id].append(shown.scores[object_id])
            areas[object_id].append(rle.area(code))
    made = []
    for subject in found.subjects:
        own, answer = areas[subject.object_id], found.answers.get(subject.object_id)
        made.append(
            ObjectOutcome(
                object_id=subject.object_id,
                name=subject.name,
                sentence=subject.text,
                answer="" if answer is None else answer.answer,
                found=answer is not None and answer.found,
                frames_present=len(own),
                mean_score=_mean(scores[subject.object_id]),
                mean_area_px=_mean(own),
            )
        )
    return Drawn(tuple(made), overlap_frames)


def _mean(values: list[float] | list[int]) -> float | None:
    return float(np.mean(values)) if values else None
