"""What every analysis asks of its masklets and frames before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.masklet import Masklet


def check_masklets(masklets: Sequence[Masklet]) -> None:
    """Make sure that objects have ids of their own and are of one clip.

    Raises
    ------
    RequestError
        If two objects share an id.
    ShapeMismatch
        If they differ in length or frame size.
    """
    seen: set[int] = set()
    for masklet in masklets:
        if masklet.object_id in seen:
            raise RequestError(
                f"Two objects have the id {masklet.object_id}.", "Give every object its own id."
            )
        seen.add(masklet.object_id)
        expected, shape = shape_of(masklets[0]), shape_of(masklet)
        if shape != expected:
            raise ShapeMismatch(
                f"Object {masklet.object_id} has the shape {shape} (T, Y, X), "
                f"object {masklets[0].object_id} has {expected}.",
                "Take objects of the same clip.",
            )


def shape_of(masklet: Masklet) -> tuple[int, int, int]:
    """Frames, rows and columns of a masklet: (T, Y, X)."""
    return masklet.num_frames, masklet.height, masklet.width


def check_frames(frames: Iterable[int], num_frames: int) -> list[int]:
    """Sort frame indices and drop doubles.

    Raises
    ------
    RequestError
        If one of them lies outside the clip.
    """
    unique = sorted({int(t) for t in frames})
    outside = [t for t in unique if not 0 <= t < num_frames]
    if outside:
        raise RequestError(
            f"Frames {outside} are outside the clip, which has {num_frames} frames.",
            f"Choose frames from 0 to {num_frames - 1}." if num_frames else "",
        )
    return unique
