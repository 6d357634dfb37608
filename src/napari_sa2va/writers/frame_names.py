"""Names of the files of frames: those of the source, as evaluators of video segmentation look for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip

_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})


def frame_names(clip: Clip) -> list[str]:
    """A name without an ending for each frame, in their order.

    Returns
    -------
    list of str
        Of a folder of images with numbers for names, as DAVIS, MeViS and YouTube-VOS have, the same
        numbers with their zeros in front and their gaps; "00000", "00001", ... of all else.
    """
    numbers = _numbers_in(clip.source)
    if len(numbers) == clip.num_frames:
        return numbers
    return [f"{t:05d}" for t in range(clip.num_frames)]


def _numbers_in(source: str | None) -> list[str]:
    if source is None or not Path(source).is_dir():
        return []
    stems = [
        path.stem
        for path in Path(source).iterdir()
        if path.suffix.lower() in _IMAGES and not path.name.startswith(".")
    ]
    if not all(stem.isascii() and stem.isdigit() for stem in stems):
        return []
    numbers = sorted(stems, key=int)
    return numbers if len(set(map(int, numbers))) == len(numbers) else []
