"""Clicks and boxes of a person, in px of the frame, as points on the network's square input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sa2va.core.errors import RequestError, ShapeMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_BOX_CORNERS = np.array([2, 3], dtype=np.int32)


def clicks_on_input(
    points_yx: Sequence[tuple[float, float]] | np.ndarray,
    labels: Sequence[int] | np.ndarray,
    box_yx: Sequence[float] | None,
    frame_size: tuple[int, int],
    image_size: int,
) -> tuple[Tensor, Tensor]:
    """Turn the clicks on one object into the points of `decode.click_prompt`.

    Parameters
    ----------
    points_yx : array of float, shape (P, 2)
        In px of the frame.
    labels : array of int or bool, shape (P,)
        1 on the object, 0 off it.
    box_yx : sequence of four float, or None
        (y0, x0, y1, x1) in px of the frame. Becomes the first two points.
    frame_size : tuple of int
        (Y, X) of the frame in px.
    image_size : int
        Side of the network's input in px.

    Returns
    -------
    points_xy : Tensor of float32, shape (1, P, 2) or (1, P + 2, 2) with a box
    labels : Tensor of int32, shape (1, P) or (1, P + 2)

    Raises
    ------
    RequestError
        If there is neither a point nor a box.
    ShapeMismatch
        If points and labels differ in number.
    """
    points = np.asarray(points_yx, dtype=np.float32).reshape(-1, 2)
    kinds = np.asarray(labels, dtype=np.int32).reshape(-1)
    if len(points) != len(kinds):
        raise ShapeMismatch(
            f"{len(points)} points came with {len(kinds)} labels.", "Give one label per point."
        )
    if box_yx is not None:
        points = np.concatenate([np.asarray(box_yx, dtype=np.float32).reshape(2, 2), points])
        kinds = np.concatenate([_BOX_CORNERS, kinds])
    if not len(points):
        raise RequestError("There is neither a point nor a box.", "Click once, or draw a box.")
    on_input_yx = points / np.array(frame_size, dtype=np.float32) * image_size
    return torch.from_numpy(on_input_yx[:, ::-1].copy())[None], torch.from_numpy(kinds)[None]
