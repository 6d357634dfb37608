"""Results out: one format per file.

A writer is a module with

* `FORMAT`: its name and what it can hold (see `format.py`);
* `write(path: Path, result: Result) -> tuple[str, ...] | None`: writes a whole file, or fills an
  empty folder, at a temporary name that `write_result` then puts in its place. It asks for one
  frame after the other and keeps none. What the format could not say, where that is only found on
  the way, comes back in full sentences. One that adds to what is there (`in_place`) has
  `write(path, result, *, overwrite)`, and `check_place(path, *, overwrite)`, which refuses before;
* `check(result: Result) -> None`, if it cannot write every clip: refuses one before a run.

To add one, write the module and put it on this list.
"""

from __future__ import annotations

from types import ModuleType

from napari_sa2va.writers import (
    coco,
    ctc,
    ctc_truth,
    davis,
    dicom_seg,
    geff,
    mevis,
    mots,
    nifti,
    ome_tiff,
    ome_zarr_labels,
    overlay_movie,
    overlay_sheet,
    parquet,
    table,
    trackmate,
    yolo,
)

WRITERS: tuple[ModuleType, ...] = (
    coco,
    ctc,
    ctc_truth,
    davis,
    dicom_seg,
    geff,
    mevis,
    mots,
    nifti,
    ome_tiff,
    ome_zarr_labels,
    overlay_movie,
    overlay_sheet,
    parquet,
    table,
    trackmate,
    yolo,
)
