"""The text format of KITTI MOTS: a line per object and frame, with a run-length code of COCO.

A line is `frame id class height width code`. Frames count from 0, and an id is the class times 1000
plus the number of the object. Nobody asked which of the two classes an object is of; all are of
class 2 (pedestrian), the one that KITTI MOTS and MOTSChallenge share.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.rle_text import to_texts
from napari_sa2va.writers.format import WriteFormat

if TYPE_CHECKING:
    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="mots",
    title="KITTI MOTS (text)",
    suffixes=(".txt",),
    keeps="object ids, as 2000 and the id; all objects have the class 2, pedestrian",
    read_back_by="pycocotools",
    most_ids=999,
)
_CLASS = 2


def write(path: Path, result: Result) -> None:
    """Write the lines frame by frame; no two masks of a frame share a pixel, as the format demands."""
    height, width = result.size
    with path.open("w", encoding="ascii", newline="\n") as file:
        for f in range(result.num_frames):
            codes = result.apart(result.frame(f).codes)
            for object_id, text in zip(codes, to_texts(list(codes.values())), strict=True):
                track = 1000 * _CLASS + object_id
                file.write(f"{f} {track} {_CLASS} {height} {width} {text}\n")
