"""Indexed PNG images as in DAVIS and YouTube-VOS: a folder with one per frame.

The pixel values are the object ids, and a palette in each file gives them the colours of DAVIS.
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
    title="indexed PNG (DAVIS)",
    suffixes=(),
    keeps="object ids; files are named as the frames of a DAVIS, MeViS or YouTube-VOS folder",
    read_back_by="vos-benchmark, the evaluator of DAVIS, and Pillow",
    most_ids=254,  # 255 marks pixels that do not count
    is_folder=True,
    files=r"\d+\.png",
)
_COLOURED = 22


def write(path: Path, result: Result) -> None:
    """Write one 8-bit image with a palette per frame."""
    from PIL import Image

    colors = palette()
    for f, name in enumerate(frame_names(result.clip)):
        image = Image.fromarray(np.ascontiguousarray(result.labels(f), dtype=np.uint8))
        image.putpalette(colors)
        image.save(path / f"{name}.png")


def palette() -> list[int]:
    """Red, green and blue of the 256 values, one after the other, as the annotations of DAVIS have.

    The first 22 are those of Pascal VOC, which takes the bits of a number in threes for the three
    colours, the lowest for the brightest part; all others are the grey of their number.
    """
    colors = [[value] * 3 for value in range(256)]
    for value in range(_COLOURED):
        for channel in range(3):
            # Halves, quarters, eighths of full brightness: 128, 191, 64 ...
            share = sum((value >> (channel + 3 * k) & 1) / 2 ** (k + 1) for k in range(3))
            colors[value][channel] = int(share * 255 + 0.5)
    return [part for color in colors for part in color]
