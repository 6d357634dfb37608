"""Clicks of a person, given to the tracker: on nothing, or on a mask that they put right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.prompt import Point, Prompt

if TYPE_CHECKING:
    from napari_sa2va.models.sam2.features import FrameFeatures
    from napari_sa2va.models.sam2.prediction import MaskPrediction
    from napari_sa2va.models.sam2.tracker import Tracker


def click(
    tracker: Tracker, t: int, features: FrameFeatures, track_id: int, mark: Prompt
) -> MaskPrediction:
    """Make frame `t` a conditioning frame of a track by points and a box.

    Parameters
    ----------
    tracker : Tracker
        Has been prompted with `mark.mask` on this frame, if there is one: its logits are refined.
    t : int
    features : FrameFeatures
        Of that frame.
    track_id : int
    mark : Prompt
        With points or a box.

    Returns
    -------
    MaskPrediction
        Of one object.

    Notes
    -----
    SAM 2 was trained on clicks of which the first is positive. After a negative click alone it takes
    the object for gone, whatever the mask was; so one positive click on the mask comes first.
    """
    points = mark.points
    if mark.mask is not None and not any(p.positive for p in points):
        points = (inner_point(mark.mask, avoided=points), *points)
    return tracker.prompt_points(
        t,
        features,
        track_id,
        np.array([(p.y, p.x) for p in points], dtype=np.float32).reshape(-1, 2),
        np.array([p.positive for p in points], dtype=np.int32),
        box_yx=mark.box,
    )


def inner_point(mask: np.ndarray, avoided: tuple[Point, ...] = ()) -> Point:
    """A point of a mask that is surest to be of the object: the farthest from its border.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X)
        At least one pixel is set.
    avoided : tuple of Point
        Where the object is not. Parts of the mask that such a point lies in do not count, unless no
        other is left; then the points count as border.
    """
    from scipy import ndimage

    parts, _ = ndimage.label(mask)
    off = [(int(p.y), int(p.x)) for p in avoided]
    spoilt = {int(parts[at]) for at in off} - {0}
    inside = mask & ~np.isin(parts, list(spoilt))
    if not inside.any():
        inside = mask.copy()
        for at in off:
            inside[at] = False
        if not inside.any():  # every pixel is said to be off: then none is better than another
            inside = mask
    # A frame's edge is a border, too.
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return Point(float(y), float(x))
