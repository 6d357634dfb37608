"""Labels of OME-Zarr images in tests: made for a store, and read back by other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers.result import Result, of_labels


def labelled(path: Path, labels: np.ndarray, num_planes: int = 1, **opened: Any) -> Result:
    """Label images (planes * T, Y, X) of the clip of a store."""
    clip = open_clip(path, **opened)
    names = {int(i): f"cell {i}" for i in np.unique(labels) if i}
    return of_labels(clip, labels.__getitem__, names=names, num_planes=num_planes)


def check_image(path: Path) -> None:
    """Let the validator look at an image and all labels in it."""
    from ome_zarr_models.v04.image import Image as Image04
    from ome_zarr_models.v05.image import Image as Image05

    group = zarr.open_group(str(path), mode="r")
    (Image04 if group.metadata.zarr_format == 2 else Image05).from_zarr(group)


def read_labels(path: Path, name: str = "napari-sa2va") -> tuple[list[np.ndarray], dict[str, Any]]:
    """What ome-zarr-py shows of labels: their levels and metadata."""
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Label, Reader

    nodes = Reader(parse_url(str(path)))()
    (node,) = [n for n in nodes if n.load(Label) and n.metadata["name"] == name]
    return [np.asarray(level) for level in node.data], node.metadata


def image_files(store: Path) -> dict[str, bytes]:
    """All files of a store but those of the labels."""
    files = {f.relative_to(store).as_posix(): f for f in store.rglob("*") if f.is_file()}
    return {name: f.read_bytes() for name, f in files.items() if not name.startswith("labels/")}
