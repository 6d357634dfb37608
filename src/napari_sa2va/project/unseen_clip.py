"""A clip of which everything is known but the pixels: masks can be written without their movie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import ClipError

if TYPE_CHECKING:
    import dask.array as da


def unseen_clip(num_frames: int, height: int, width: int, name: str = "clip") -> Clip:
    """A clip whose frames cannot be had; whoever asks for one is told so.

    Parameters
    ----------
    num_frames, height, width : int
    name : str

    Returns
    -------
    Clip
        Without pixels (`has_pixels`): its frames raise `ClipError` when they are computed.
    """
    return Clip(_unseen((num_frames, height, width)), name=name, has_pixels=False)


def _unseen(shape: tuple[int, int, int]) -> da.Array:
    import dask.array as da

    chunks = ((1,) * shape[0], (shape[1],), (shape[2],))
    return da.map_blocks(
        _refuse,
        chunks=chunks,
        dtype=np.uint8,
        meta=np.empty((0, 0, 0), np.uint8),
        name=f"unseen-{shape}",
    )


def _refuse(block_id: tuple[int, ...] | None = None) -> np.ndarray:
    raise ClipError(
        "The pixels of these masks are not at hand.", "Name the movie that the masks are of."
    )
