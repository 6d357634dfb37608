"""Overlays of a result on its clip; the suffix chooses the writer."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import OutputError, ShapeMismatch
from napari_sa2va.writers import OVERLAYS
from napari_sa2va.writers.paths import replacing

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.core.masklet import Masklet


def overlay_suffixes() -> tuple[str, ...]:
    """Suffixes for which an overlay can be written, with their dots."""
    return tuple(suffix for writer in OVERLAYS for suffix in writer.SUFFIXES)


def write_overlay(
    path: str | PathLike[str],
    clip: Clip,
    masklets: Sequence[Masklet],
    *,
    overwrite: bool = False,
) -> None:
    """Draw masks over a clip: a .png sheet of up to eight frames, or an .mp4 movie.

    Parameters
    ----------
    path : path
        Its suffix chooses the kind.
    clip : Clip
    masklets : sequence of Masklet
        Objects to draw, in their colours of `napari_sa2va.core.palette`; may be empty.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    OutputError
        If the suffix is unknown or the path cannot be written.
    ShapeMismatch
        If the masklets belong to another clip.
    """
    path = Path(path)
    for writer in OVERLAYS:
        if path.suffix.lower() in writer.SUFFIXES:
            break
    else:
        raise OutputError(
            f"An overlay cannot be written as {path.suffix or path.name!r}.",
            f"Choose one of {', '.join(overlay_suffixes())}.",
        )
    expected = (clip.num_frames, clip.height, clip.width)
    for masklet in masklets:
        shape = (masklet.num_frames, masklet.height, masklet.width)
        if shape != expected:
            raise ShapeMismatch(
                f"Object {masklet.object_id} has the shape {shape} (T, Y, X), the clip {expected}.",
                "Draw a result over the clip it was made from.",
            )
    with replacing(path, overwrite) as temporary:
        writer.write(temporary, clip, masklets)
