"""Names of the files of frames: those of the source, as evaluators of video segmentation look for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.readers.frame_folder.layouts import images_in

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip


def frame_names(clip: Clip) -> list[str]:
    """A name without an ending for each frame, in their order.

    Returns
    -------
    list of str
        Of a folder of images with numbers for names, as DAVIS, MeViS and YouTube-VOS have, the same
        numbers with their zeros in front and their gaps; "00000", "00001", ... of all else.
    """
    return [file.stem for file in numbered_images(clip)] or [
        f"{t:05d}" for t in range(clip.num_frames)
    ]


def numbered_images(clip: Clip) -> list[Path]:
    """The file of each frame, where the source is a folder of images with numbers for names.

    Returns
    -------
    list of Path
        None of any other source, or if there is not one image per frame.
    """
    files = images_in(Path(clip.source)) if clip.source is not None else []
    stems = [file.stem for file in files]
    if len(files) != clip.num_frames or not all(s.isascii() and s.isdigit() for s in stems):
        return []
    return files if len(set(map(int, stems))) == len(stems) else []
