"""YOLO segmentation: a text file per frame with a class and a polygon per object.

The layout is that of Ultralytics (https://docs.ultralytics.com/datasets/segment/): put the frames into
`images` under the same names, 00000.png and so on, and train on data.yaml.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.analysis.outlines import joined, outlines_of
from napari_sa2va.writers.categories import categories_of
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.frame_names import frame_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="yolo",
    title="YOLO (polygons)",
    suffixes=(),
    keeps="masks with overlaps, as polygons along pixel edges, and names or sentences as classes; "
    "no object ids, no scores",
    read_back_by="scikit-image and PyYAML",
    overlaps=True,
    is_folder=True,
    files=r"data\.yaml|labels/\d+\.txt",
)
_DECIMALS = 7
"""Of a share of the frame's side: a hundredth of a px on frames of 100,000 px."""


def write(path: Path, result: Result) -> None:
    """Write labels/00000.txt and so on, empty where no object is, and data.yaml with the classes.

    Notes
    -----
    An object has one polygon. Further parts and holes are joined to it by lines without width, as
    Ultralytics' own converter joins parts. Whoever fills a polygon by pixel centres gets the mask
    back; OpenCV's fillPoly, with which Ultralytics trains, adds the pixels on the lines.
    """
    categories = categories_of(result.subjects)
    labels = path / "labels"
    labels.mkdir()
    for t, name in enumerate(frame_names(result.clip)):
        codes = result.frame(t).codes
        rings = outlines_of(list(codes.values()), *result.size)
        lines = [
            f"{categories.place_of[object_id]} {_polygon(joined(of_one), result.size)}\n"
            for object_id, of_one in zip(codes, rings, strict=True)
        ]
        (labels / f"{name}.txt").write_text("".join(lines), encoding="ascii", newline="\n")
    (path / "data.yaml").write_text(_about(categories.names), encoding="ascii", newline="\n")


def _polygon(points: np.ndarray, size: tuple[int, int]) -> str:
    """x and y of each corner, as shares of width and height."""
    shares = (points / size)[:, ::-1].ravel().tolist()
    return " ".join(f"{share:.{_DECIMALS}g}" for share in shares)


def _about(names: Sequence[str]) -> str:
    # Without `path`, the folders are looked for beside this file.
    lines = ["train: images", "val: images", "names:" if names else "names: {}"]
    lines += [f"  {place}: {_quoted(name)}" for place, name in enumerate(names)]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text in double quotes, in which YAML knows an escape for every character."""
    plain = (c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(plain)}"'
