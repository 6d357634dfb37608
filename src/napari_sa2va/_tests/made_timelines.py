"""Small timelines worked by hand, for the tests of what draws them."""

from collections.abc import Collection, Mapping

import numpy as np

from napari_sa2va.analysis.timeline import Doubt, Lane, Timeline
from napari_sa2va.core.palette import color_of


def lane(
    object_id: int = 1,
    num_frames: int = 10,
    *,
    name: str = "",
    unknown: Collection[int] = (),
    absent: Collection[int] = (),
    score: Mapping[int, float] | None = None,
    corrected: Collection[int] = (),
    locked: Collection[int] = (),
) -> Lane:
    """An object of 100 px with score 1 on all frames but those that are named."""

    def marked(frames: Collection[int]) -> np.ndarray:
        return np.isin(np.arange(num_frames), list(frames))

    known = ~marked(unknown)
    present = known & ~marked(absent)
    scores = np.where(present, 1.0, np.nan)
    for frame, value in (score or {}).items():
        scores[frame] = value
    steadiness = np.where(present & np.append(False, present[:-1]), 0.9, np.nan)
    return Lane(
        object_id=object_id,
        name=name or f"cell {object_id}",
        color=color_of(object_id),
        known=known,
        present=present,
        score=scores,
        area_px=np.where(known, np.where(present, 100.0, 0.0), np.nan),
        steadiness=steadiness,
        corrected=marked(corrected),
        locked=marked(locked),
    )


def doubt(frame: int, object_id: int = 1, severity: float = 0.5) -> Doubt:
    """A doubt with words that name its frame."""
    return Doubt(frame, object_id, "low score", f"Doubt on frame {frame}.", severity)


def timeline(
    *lanes: Lane,
    doubts: Collection[Doubt] = (),
    key_frames: Collection[int] = (),
    reviewed: Collection[int] = (),
    curves: Mapping[str, Mapping[int, np.ndarray]] | None = None,
) -> Timeline:
    """Lanes, or one lane of ten frames, with marks."""
    lanes = lanes or (lane(),)
    return Timeline(
        num_frames=len(lanes[0].known),
        lanes=lanes,
        doubts=tuple(doubts),
        key_frames=tuple(key_frames),
        reviewed=frozenset(reviewed),
        curves=curves or {},
    )
