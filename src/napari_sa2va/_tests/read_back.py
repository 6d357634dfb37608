"""What another program reads from the files of each writer.

A reader gives the label image of every frame, in the order of the result's frames.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from napari_sa2va.writers.result import Result


def _tiff(path: Path, result: Result) -> np.ndarray:
    stack = tifffile.imread(path).reshape(-1, result.num_z, *result.size)
    return stack.swapaxes(0, 1).reshape(-1, *result.size)


def _davis(path: Path, result: Result) -> np.ndarray:
    return np.array([np.array(Image.open(file)) for file in sorted(path.iterdir())])


def _mevis(path: Path, result: Result) -> np.ndarray:
    labels = np.zeros((result.num_frames, *result.size), np.uint32)
    for number, subject in enumerate(result.subjects):
        for f, file in enumerate(sorted((path / str(number)).iterdir())):
            labels[f][np.array(Image.open(file)) == 255] = subject.object_id
    return labels


def _mots(path: Path, result: Result) -> np.ndarray:
    from pycocotools import mask as coco_masks

    labels = np.zeros((result.num_frames, *result.size), np.uint32)
    for line in path.read_text().splitlines():
        f, track, _, height, width, text = line.split(" ")
        code = {"size": [int(height), int(width)], "counts": text.encode()}
        labels[int(f)][coco_masks.decode(code) == 1] = int(track) % 1000
    return labels


def _coco(path: Path, result: Result) -> np.ndarray:
    from pycocotools.coco import COCO

    coco = COCO(path)
    labels = np.zeros((result.num_frames, *result.size), np.uint32)
    for entry in coco.anns.values():
        labels[coco.imgs[entry["image_id"]]["frame_id"]][coco.annToMask(entry) == 1] = entry[
            "track_id"
        ]
    return labels


def _ctc(path: Path, result: Result) -> np.ndarray:
    from ctc_metrics.scripts.validate import validate_sequence

    if (path / "res_track.txt").stat().st_size:  # it cannot read an empty table
        assert validate_sequence(str(path), threads=1) == {"Valid": 1}
    return _ctc_images(path, "mask", "res_track.txt", result)


def _ctc_truth(path: Path, result: Result) -> np.ndarray:
    return _ctc_images(path / "TRA", "man_track", "man_track.txt", result)


def _ctc_images(folder: Path, start: str, table: str, result: Result) -> np.ndarray:
    ids = {s.object_id for s in result.subjects}
    parent_of = {}
    for line in (folder / table).read_text().splitlines():
        label, _, _, parent = map(int, line.split(" "))
        parent_of[label] = parent
    object_of = np.zeros(max(parent_of, default=0) + 1, int)
    for label in parent_of:
        origin = label
        while origin not in ids:
            origin = parent_of[origin]
        object_of[label] = origin
    stacks = [
        tifffile.imread(file).reshape(result.num_z, *result.size)
        for file in sorted(folder.glob(f"{start}*.tif"))
    ]
    return object_of[np.array(stacks).swapaxes(0, 1).reshape(-1, *result.size)]


def _nifti(path: Path, result: Result) -> np.ndarray:
    import nibabel

    volume = np.asarray(nibabel.load(path).dataobj)
    volume = volume.reshape(*volume.shape[:3], result.num_times)  # (X, Y, Z, T)
    return volume.transpose(2, 3, 1, 0).reshape(-1, *result.size)


def _ome_zarr(path: Path, result: Result) -> np.ndarray:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Label, Reader

    (node,) = Reader(parse_url(str(path)))()
    assert node.load(Label)
    stack = np.asarray(node.data[0]).reshape(-1, result.num_z, *result.size)
    return stack.swapaxes(0, 1).reshape(-1, *result.size)


READ_BACK: dict[str, Callable[[Path, Result], np.ndarray]] = {
    "coco": _coco,
    "ctc": _ctc,
    "ctc-truth": _ctc_truth,
    "davis": _davis,
    "mevis": _mevis,
    "mots": _mots,
    "nifti": _nifti,
    "ome-tiff": _tiff,
    "ome-zarr": _ome_zarr,
}
# Read back in the tests of their own: pictures, polygons, tables of objects, segments.
NO_MASKS = {
    "dicom-seg",
    "geff",
    "overlay-movie",
    "overlay-sheet",
    "parquet",
    "table",
    "trackmate",
    "yolo",
}
