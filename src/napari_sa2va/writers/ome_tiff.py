"""Label images as OME-TIFF, which most programs of microscopy read.

Names, sentences, parents and the rule for overlaps stand in OME map annotations, each in a namespace
of its own, by object id.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.xml_text import xml_text

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="ome-tiff",
    title="OME-TIFF (labels)",
    suffixes=(".ome.tif", ".ome.tiff", ".tif", ".tiff"),
    keeps="names, sentences, parents, overlap rule, place of a crop, pixel size, z step, frame "
    "interval; no scores",
    read_back_by="tifffile, with its check of the OME schema, and bioio",
    planes=True,
    parents=True,
    place=True,
)
_SOFTWARE = "napari-sa2va"
MARK = f"{_SOFTWARE}\0".encode()
"""Stands among the tags of the first page, so that a label image can be told from a movie."""
NAMESPACE = "napari-sa2va"
"""Annotations are in the namespaces napari-sa2va/objects (names by id), /sentences and /parents (by
id, where there are any), and /result (`overlap`: which object keeps a pixel, "last" or "first" by id;
`box`: y0 x0 y1 x1 of a cropped clip in its source, ends not included)."""

# Where offsets of 32 bits end, less some room, and room for the tags of a frame. How much compression
# saves is not known before, and not every program reads BigTIFF.
_MOST_BYTES, _TAGS_BYTES = 2**32 - 2**25, 1024
_MOST_PX_PER_CM = 2**32 - 1
"""Resolution tags are ratios of 32 bits; OME-XML holds any size."""


def write(path: Path, result: Result) -> None:
    """Write a stack TYX (ZYX where z plays, TZYX of several planes), uint16 or uint32, deflated.

    The pixel size also goes into the resolution tags, for programs that read no OME-XML.
    """
    from tifffile import TiffWriter

    clip, dtype = result.clip, result.label_dtype
    axes = "TZ" if result.num_planes > 1 else clip.time_axis or "T"
    lead = (result.num_times, result.num_z) if len(axes) == 2 else (result.num_frames,)
    shape = (*lead, clip.height, clip.width)
    frame_bytes = clip.height * clip.width * dtype.itemsize + _TAGS_BYTES
    large = result.num_frames * frame_bytes > _MOST_BYTES
    with TiffWriter(path, ome=True, bigtiff=large) as tif:
        tif.write(
            (result.labels(f) for f in result.in_time()),
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            compression="zlib",
            software=_SOFTWARE,
            metadata={"axes": f"{axes}YX"} | _sizes(clip, axes) | _annotations(result),
            **_resolution(clip),
        )


def _sizes(clip: Clip, axes: str) -> dict[str, Any]:
    about: dict[str, Any] = {"Name": xml_text(clip.name)}
    # Micrometre and second are the units that the OME schema takes for granted.
    if clip.pixel_size_um is not None:
        about["PhysicalSizeY"], about["PhysicalSizeX"] = clip.pixel_size_um
    if "Z" in axes and clip.z_step_um is not None:
        about["PhysicalSizeZ"] = clip.z_step_um
    if "T" in axes and clip.frame_interval_s is not None:
        about["TimeIncrement"] = clip.frame_interval_s
    return about


def _annotations(result: Result) -> dict[str, Any]:
    about: dict[str, str] = {"overlap": result.overlap}
    if result.clip.box is not None:
        about["box"] = " ".join(map(str, result.clip.box.to_json()))
    subjects = {str(s.object_id): s for s in result.subjects}
    maps = {
        "objects": {i: s.name for i, s in subjects.items()},
        "sentences": {i: s.text for i, s in subjects.items() if s.text},
        "parents": {i: " ".join(map(str, s.parents)) for i, s in subjects.items() if s.parents},
        "result": about,
    }
    return {
        "MapAnnotation": [
            {"Namespace": f"{NAMESPACE}/{what}"} | {k: xml_text(v) for k, v in values.items()}
            for what, values in maps.items()
            if values
        ]
    }


def _resolution(clip: Clip) -> dict[str, Any]:
    if clip.pixel_size_um is None:
        return {}
    y, x = (1e4 / side for side in clip.pixel_size_um)
    if max(y, x) > _MOST_PX_PER_CM:
        return {}
    return {"resolution": (x, y), "resolutionunit": "CENTIMETER"}
