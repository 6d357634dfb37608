"""Indexed PNG images as in DAVIS and YouTube-VOS: a folder with one per frame.

The pixel values are the object ids; a palette in each file gives them their colours.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.frame_names import frame_names

if TYPE_CHECKING:
    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="davis",
    title="DAVIS (indexed PNG)",
    suffixes=(),
    keeps="object ids; files are named as the frames of a DAVIS, MeViS or YouTube-VOS folder",
    read_back_by="vos-benchmark, the evaluator of DAVIS, and Pillow",
    most_ids=254,  # 255 marks pixels that do not count
    is_folder=True,
    files=r"\d+\.png",
)


def write(path: Path, result: Result) -> None:
    """Write one 8-bit image with a palette per frame."""
    from PIL import Image

    colors = palette()
    for f, name in enumerate(frame_names(result.clip)):
        image = Image.fromarray(np.ascontiguousarray(result.labels(f), dtype=np.uint8))
        image.putpalette(colors)
        image.save(path / f"{name}.png")


def palette() -> list[int]:
    """Red, green and blue of the 256 values, one after the other.

    The colour map of Pascal VOC, which the files of DAVIS's evaluation have: the bits of a number in
    threes go to the three colours, the lowest to the brightest part.
    """
    return [
        sum((value >> (channel + 3 * k) & 1) << (7 - k) for k in range(3))
        for value in range(256)
        for channel in range(3)
    ]
