"""COCO JSON: run-length codes of every object on every frame, in the video flavour.

Beside COCO's own lists there are `videos` and `tracks`, and images and annotations refer to them, as
in TAO (https://github.com/TAO-Dataset/tao) and in CocoVID of OpenMMLab. Programs that know
only COCO take no notice of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from napari_sa2va.analysis.runs import areas_and_boxes
from napari_sa2va.core.rle_text import to_texts
from napari_sa2va.writers.categories import Categories, categories_of
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.frame_names import frame_names, numbered_images

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="coco",
    title="COCO JSON (run-length codes)",
    suffixes=(".json",),
    keeps="masks with overlaps, scores, object ids (of tracks), names, sentences as categories, "
    "parents, pixel size, frame interval, place of a crop",
    read_back_by="pycocotools",
    overlaps=True,
    parents=True,
    place=True,
)
_VIDEO = 1
"""Id of the only video."""


def write(path: Path, result: Result) -> None:
    """Write the lists one after the other; annotations frame by frame.

    Notes
    -----
    Image `f + 1` is frame `f`, which `frame_id` says as well. `track_id`, and `instance_id` for
    CocoVID, are the object's id. A score that is not known is left out: JSON has no NaN. All is
    ASCII, so that it does not matter with which encoding a program opens it.
    """
    categories = categories_of(result.subjects)
    lists: dict[str, Iterable[Mapping[str, object]]] = {
        "videos": [_video(result.clip)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories.names, 1)],
        "tracks": _tracks(result, categories),
        "images": _images(result.clip),
        "annotations": _annotations(result, categories),
    }
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write(f'{{"info": {json.dumps({"description": f"Masks of {result.clip.name}"})}')
        for name, entries in lists.items():
            _write_list(file, name, entries)
        file.write("\n}\n")


def _write_list(file: TextIO, name: str, entries: Iterable[Mapping[str, object]]) -> None:
    file.write(f',\n"{name}": [')
    for number, entry in enumerate(entries):
        file.write(",\n" if number else "\n")
        file.write(json.dumps(entry, allow_nan=False))
    file.write("]")


def _video(clip: Clip) -> dict[str, object]:
    about: dict[str, object] = {
        "id": _VIDEO,
        "name": clip.name,
        "width": clip.width,
        "height": clip.height,
        "length": clip.num_frames,
    }
    if clip.pixel_size_um is not None:
        about["pixel_size_yx_um"] = clip.pixel_size_um
    if clip.frame_interval_s is not None:
        about["frame_interval_s"] = clip.frame_interval_s
    if clip.box is not None:
        about["box_in_source_px"] = clip.box.to_json()
    return about


def _tracks(result: Result, categories: Categories) -> Iterator[dict[str, object]]:
    for subject in result.subjects:
        yield {
            "id": subject.object_id,
            "video_id": _VIDEO,
            "category_id": categories.place_of[subject.object_id] + 1,
            "name": subject.name,
            "text": subject.text,
            "parents": subject.parents,
        }


def _images(clip: Clip) -> Iterator[dict[str, object]]:
    files = [file.name for file in numbered_images(clip)]
    for t, file_name in enumerate(files or [f"{name}.png" for name in frame_names(clip)]):
        yield {
            "id": t + 1,
            "video_id": _VIDEO,
            "frame_id": t,
            "file_name": f"{clip.name}/{file_name}",
            "width": clip.width,
            "height": clip.height,
        }


def _annotations(result: Result, categories: Categories) -> Iterator[dict[str, object]]:
    number = 0
    for t in range(result.num_frames):
        shown = result.frame(t)
        codes = list(shown.codes.values())
        areas, boxes = areas_and_boxes(codes, *result.size)
        for object_id, text, area, (y0, x0, y1, x1) in zip(
            shown.codes, to_texts(codes), areas.tolist(), boxes.tolist(), strict=True
        ):
            number += 1
            entry: dict[str, object] = {
                "id": number,
                "image_id": t + 1,
                "video_id": _VIDEO,
                "track_id": object_id,
                "instance_id": object_id,
                "category_id": categories.place_of[object_id] + 1,
                "segmentation": {"size": result.size, "counts": text},
                "area": area,
                "bbox": (x0, y0, x1 - x0, y1 - y0),
                "iscrowd": 0,
            }
            score = shown.scores.get(object_id, math.nan)
            yield entry if math.isnan(score) else entry | {"score": score}
