"""Results for the tests of writers: clips of any size that cost nothing, and masklets of masks."""

from __future__ import annotations

import dask.array as da
import numpy as np

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.masklet import Masklet

HARD_NAME = "</Spot> & \"quotes\" \\ 'x': #µ, 細胞\n🦠"
"""A name that breaks XML, JSON, YAML and CSV if it is not written as each of them wants it."""


def clip_of(num_frames: int, height: int, width: int, **facts: object) -> Clip:
    """A clip of that size in which pixel (y, x) of frame t is t + y + x; `facts` as of `Clip`."""
    t, y, x = np.ogrid[:num_frames, :height, :width]
    pixels = (t + y + x).astype(np.uint16)
    frames = da.from_array(pixels, chunks=(1, height, width))
    return Clip(frames, limits=((0.0, 100.0),), **({"name": "a clip"} | facts))


def masklet(
    object_id: int, *masks: np.ndarray, score: float = 0.5, name: str = "", text: str = ""
) -> Masklet:
    """One object with these masks, bool (Y, X), one per frame."""
    made = Masklet.empty(object_id, name, text, (len(masks), *masks[0].shape))
    for t, mask in enumerate(masks):
        made.set_mask(t, mask, score)
    return made


def seventy_thousand() -> np.ndarray:
    """A label image, int32 (250, 280), in which every pixel is an object of its own."""
    return np.arange(1, 70_001, dtype=np.int32).reshape(250, 280)
