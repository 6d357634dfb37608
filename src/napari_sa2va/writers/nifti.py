"""NIfTI label volumes, for programs of medical imaging; written plane by plane.

A clip does not know where its pixels lie in a patient, and most were not made of one. It is laid as
programs built on ITK (3D Slicer, ITK-SNAP, SimpleITK) lay one: columns run to the left, rows to the
back, and planes upwards. So the labels lie on the movie if that is opened there. In NIfTI's own
words, where right, front and up are positive, the affine is diag(-x, -y, z, 1) in mm, with the code
"aligned".
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from napari_sa2va.writers.format import WriteFormat

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="nifti",
    title="NIfTI (labels)",
    suffixes=(".nii.gz", ".nii"),
    keeps="pixel size, z step, frame interval, place of a crop; names, sentences, parents and "
    "overlap rule as JSON in a header extension (comment), which few programs look at; not how a "
    "scanner's slices lie in the patient, which DICOM Segmentation keeps",
    read_back_by="nibabel",
    planes=True,
    parents=True,
    place=True,
    extra="nifti",
    packages=("nibabel",),
)
_LARGEST_NIFTI1 = int(np.iinfo(np.int16).max)
_ALIGNED = 2
_MM = 1e-3  # per um


def write(path: Path, result: Result) -> tuple[str, ...]:
    """Write (X, Y, Z) where z plays or for one picture, else (X, Y, Z, T); uint16 or uint32.

    A name that ends with .gz is compressed. NIfTI-2 is taken where a side is longer than 32767.
    """
    zooms_mm, guessed = _zooms_mm(result)
    header = _header(result, zooms_mm)
    with _opened(path) as file:
        header.write_to(file)
        for f in result.in_time():
            # NIfTI counts x fastest, then y: that is a plane (Y, X) row by row.
            file.write(result.labels(f).astype(header.get_data_dtype()).tobytes(order="C"))
    return guessed


def _zooms_mm(result: Result) -> tuple[tuple[float, float, float], tuple[str, ...]]:
    """Size of a voxel (x, y, z), and what was made up for it."""
    clip = result.clip
    if clip.pixel_size_um is None:
        return (1.0, 1.0, 1.0), ("The pixel size is not known; voxels are written as 1 x 1 x 1.",)
    y, x = (side * _MM for side in clip.pixel_size_um)
    if clip.z_step_um is not None:
        return (x, y, clip.z_step_um * _MM), ()
    said = "The distance of planes is not known; it is written as the height of a pixel."
    return (x, y, y), (said,) * (result.num_z > 1)


def _header(result: Result, zooms_mm: tuple[float, float, float]) -> Nifti1Header:
    from nibabel.nifti1 import Nifti1Extension, Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    clip = result.clip
    shape: tuple[int, ...] = (clip.width, clip.height, result.num_z)
    if result.num_times > 1:
        shape = (*shape, result.num_times)
    header = Nifti1Header() if max(shape) <= _LARGEST_NIFTI1 else Nifti2Header()
    header.set_data_dtype(result.label_dtype.newbyteorder("<"))
    header.set_data_shape(shape)
    header.set_intent("label")
    interval_s = clip.frame_interval_s
    header.set_zooms((*zooms_mm, interval_s or 1.0)[: len(shape)])
    header.set_xyzt_units(
        "unknown" if clip.pixel_size_um is None else "mm",
        "unknown" if interval_s is None else "sec",
    )
    affine = np.diag((-zooms_mm[0], -zooms_mm[1], zooms_mm[2], 1.0))
    if clip.box is not None:
        affine[:2, 3] = -clip.box.x0 * zooms_mm[0], -clip.box.y0 * zooms_mm[1]
    header.set_qform(affine, code=_ALIGNED)
    header.set_sform(affine, code=_ALIGNED)
    header.extensions.append(Nifti1Extension("comment", _about(result).encode()))
    return header


def _about(result: Result) -> str:
    objects = [
        {"id": s.object_id, "name": s.name, "text": s.text, "parents": s.parents}
        for s in result.subjects
    ]
    return json.dumps({"napari-sa2va": {"objects": objects, "overlap": result.overlap}})


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open for writing; compressed without a name and time in it, so that equal labels are equal."""
    with path.open("wb") as plain:
        if path.suffix.lower() != ".gz":
            yield plain
            return
        with gzip.GzipFile("", "wb", compresslevel=4, fileobj=plain, mtime=0) as packed:
            yield cast("IO[bytes]", packed)
