"""What a file of labels says beside its pixels, where our writers put it: names, sentences, parents,
and the part of the movie that it is of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.region_box import Box
from napari_sa2va.writers import ome_tiff
from napari_sa2va.writers.result import Subject


class _Said(BaseModel):
    """What is said of one object; other programs may say more."""

    object_id: int = Field(alias="label-value", ge=1)
    name: str = ""
    text: str = ""
    parents: tuple[int, ...] = ()


def subjects_of(path: Path, ids: Collection[int]) -> tuple[Subject, ...]:
    """All objects of a file of labels, by id.

    Parameters
    ----------
    path : Path
        OME-TIFF, OME-Zarr and DICOM segmentations may say more than ids; what cannot be understood
        is left out.
    ids : collection of int
        The labels that are in it.

    Returns
    -------
    tuple of Subject
        Also those that are on no frame, where the file names them.
    """
    named: dict[int, _Said] = {}
    for entry in _entries(path):
        try:
            said = _Said.model_validate(entry)
        except ValidationError:
            continue
        named[said.object_id] = said
    every = {*ids, *named}
    return tuple(
        Subject(
            i, named[i].name, named[i].text, tuple(p for p in named[i].parents if p in every)
        )
        if i in named
        else Subject(i)
        for i in sorted(every)
    )  # fmt: skip


def box_of(path: Path) -> Box | None:
    """The part of the movie's frames that the labels of an OME-TIFF are of; None if it says of none."""
    from napari_sa2va.readers import tiff

    if not path.is_file() or not tiff.accepts(path):
        return None
    said = _maps_of_tiff(path).get(f"{ome_tiff.NAMESPACE}/result", {}).get("box")
    if said is None:
        return None
    try:
        return Box.from_json(int(number) for number in said.split())
    except (RequestError, ValueError):
        return None


def _entries(path: Path) -> Iterator[Mapping[str, Any]]:
    from napari_sa2va.core.zarr_tree import METADATA
    from napari_sa2va.readers import dicom, tiff

    if any((path / name).is_file() for name in METADATA):
        yield from _of_zarr(path)
    elif path.is_file() and tiff.accepts(path):
        yield from _of_tiff(path)
    elif path.is_file() and dicom.accepts(path):
        for segment in dicom.segments(path):
            yield {
                "label-value": segment.object_id, "name": segment.name, "text": segment.text
            }  # fmt: skip


def _of_zarr(path: Path) -> Iterator[Mapping[str, Any]]:
    """The properties of a label image."""
    from napari_sa2va.core.zarr_tree import ZarrPlace, ZarrTree

    with ZarrTree(ZarrPlace(str(path), "folder")) as tree:
        label = tree.attributes().get("image-label")
    properties = label.get("properties") if isinstance(label, Mapping) else None
    yield from properties if isinstance(properties, list) else ()


def _of_tiff(path: Path) -> Iterator[Mapping[str, Any]]:
    """The map annotations of an OME-TIFF, put together object by object."""
    maps = _maps_of_tiff(path)
    names, sentences, parents = (
        maps.get(f"{ome_tiff.NAMESPACE}/{what}", {}) for what in ("objects", "sentences", "parents")
    )
    for i, name in names.items():
        text, of = sentences.get(i, ""), parents.get(i, "").split()
        yield {"label-value": i, "name": name, "text": text, "parents": of}


def _maps_of_tiff(path: Path) -> Mapping[str, Mapping[str, str]]:
    """The map annotations of an OME-TIFF by their namespace."""
    from tifffile import TiffFile

    from napari_sa2va.readers.tiff.ome_xml import parse

    with TiffFile(path) as file:
        xml = file.ome_metadata
    root = None if xml is None else parse(xml, str(path))
    maps: dict[str, dict[str, str]] = {}
    for annotation in () if root is None else root.iter():
        if annotation.tag.rpartition("}")[2] == "MapAnnotation":
            pairs = (m for m in annotation.iter() if m.tag.rpartition("}")[2] == "M")
            found = {m.get("K", ""): m.text or "" for m in pairs}
            maps[annotation.get("Namespace", "")] = found
    return maps
