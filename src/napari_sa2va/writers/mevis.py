"""Black and white PNG images as the servers of referring segmentation take them.

The folder that is written is the one of the video. MeViS wants `<video>/<expression>/<frame>.png`,
Ref-YouTube-VOS and Ref-DAVIS `Annotations/<video>/<expression>/<frame>.png`: what is above the video
is up to who collects the videos of a submission. Expressions are counted from 0 in the order of the
objects.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core import rle
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.frame_names import frame_names

if TYPE_CHECKING:
    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="mevis",
    title="MeViS, Ref-YouTube-VOS (PNG per expression)",
    suffixes=(),
    keeps="masks; folder 0 is the first object, and a sentence has the number of its object",
    read_back_by="Pillow and vos-benchmark, expression by expression",
    overlaps=True,
    is_folder=True,
    files=r"\d+/\d+\.png",
)


def write(path: Path, result: Result) -> None:
    """Write a folder per object, also of those that are nowhere: they count as found on no frame."""
    folders = {s.object_id: path / str(number) for number, s in enumerate(result.subjects)}
    for folder in folders.values():
        folder.mkdir()
    nothing = _png(np.zeros(result.size, bool))
    for f, name in enumerate(frame_names(result.clip)):
        codes = result.frame(f).codes
        for object_id, folder in folders.items():
            code = codes.get(object_id)
            image = nothing if code is None else _png(rle.decode(code))
            (folder / f"{name}.png").write_bytes(image)


def _png(mask: np.ndarray) -> bytes:
    """An image of 8-bit grey, 255 where the mask is."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(file, "PNG")
    return file.getvalue()
