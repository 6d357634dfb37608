"""Metadata of Zarr groups, changed by replacing one file at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from napari_sa2va.core.errors import OutputError
from napari_sa2va.core.palette import color_of

if TYPE_CHECKING:
    from napari_sa2va.writers.ome_zarr_plan import LabelPlan
    from napari_sa2va.writers.result import Result

_OWN = "napari-sa2va"


def label_attributes(
    name: str, paths: tuple[str, ...], plan: LabelPlan, result: Result
) -> dict[str, Any]:
    """Attributes of the group of a label image.

    Colours are those of the dock. Properties have the name and the sentence of every object, and its
    parents where objects divided or merged.
    """
    multiscale: dict[str, Any] = {
        "name": name,
        "axes": plan.axes,
        "datasets": [
            {"path": path, "coordinateTransformations": scale}
            for path, scale in zip(paths, plan.scales, strict=True)
        ],
        "type": "nearest",
    }
    if plan.scale_of_all:
        multiscale["coordinateTransformations"] = plan.scale_of_all
    has_parents = any(subject.parents for subject in result.subjects)
    label: dict[str, Any] = {
        "version": plan.version,
        "colors": [
            {"label-value": s.object_id, "rgba": [*color_of(s.object_id), 255]}
            for s in result.subjects
        ],
        "properties": [
            {"label-value": s.object_id, "name": s.name, "text": s.text}
            | ({"parents": list(s.parents)} if has_parents else {})
            for s in result.subjects
        ],
    }
    if plan.source:
        label["source"] = {"image": plan.source}
    own = {_OWN: {"overlap": result.overlap}} if result.may_overlap else {}
    return ngff_attributes({"multiscales": [multiscale], "image-label": label}, plan.version) | own


def ngff_attributes(content: Mapping[str, Any], version: str) -> dict[str, Any]:
    """NGFF metadata where a version has them: under "ome" since 0.5."""
    if version == "0.5":
        return {"ome": {"version": version, **content}}
    attributes = dict(content)
    if "multiscales" in attributes:
        attributes["multiscales"] = [
            entry | {"version": version} for entry in content["multiscales"]
        ]
    return attributes


def attributes_of(folder: Path, zarr_format: int) -> dict[str, Any]:
    """Attributes of a group; empty where there is none.

    Raises
    ------
    OutputError
        If its metadata are damaged.
    """
    file = folder / ("zarr.json" if zarr_format == 3 else ".zattrs")
    document = _read(file)
    attributes = document.get("attributes", {}) if zarr_format == 3 else document
    if not isinstance(attributes, dict):
        raise _damaged(file, "attributes are no object")
    return attributes


def set_attributes(folder: Path, zarr_format: int, attributes: Mapping[str, Any]) -> None:
    """Give a group other attributes, or make it: at once, by the last file that is replaced."""
    folder.mkdir(exist_ok=True)
    if zarr_format == 3:
        file = folder / "zarr.json"
        group = _read(file) or {"zarr_format": 3, "node_type": "group"}
        group.pop("consolidated_metadata", None)  # what it repeats is about to change
        _replace(file, group | {"attributes": dict(attributes)})
        return
    _replace(folder / ".zattrs", attributes)
    if not (folder / ".zgroup").exists():
        _replace(folder / ".zgroup", {"zarr_format": 2})


def is_group(folder: Path, zarr_format: int) -> bool:
    """Whether the metadata of a group are in a folder."""
    return (folder / ("zarr.json" if zarr_format == 3 else ".zgroup")).is_file()


def is_array(folder: Path) -> bool:
    """Whether the metadata of an array are in a folder."""
    return (folder / ".zarray").is_file() or _read(folder / "zarr.json").get("node_type") == "array"


def tell_consolidated(store: Path, label: Path, paths: Sequence[str], zarr_format: int) -> None:
    """Repeat what is new where a group above keeps copies of all metadata below it.

    Parameters
    ----------
    store, label : Path
        Folders of the whole store and of the label image.
    paths : sequence of str
        Of its arrays.
    zarr_format : int
    """
    nodes = [label.parent, label, *(label / path for path in paths)]
    groups = [group for group in label.parent.parents if store in (group, *group.parents)]
    for group in groups:
        clear_left(group)
        file = group / ("zarr.json" if zarr_format == 3 else ".zmetadata")
        document = _read(file)
        copies = document.get("consolidated_metadata") if zarr_format == 3 else document
        metadata = copies.get("metadata") if isinstance(copies, dict) else None
        if not isinstance(metadata, dict):
            continue
        within = label.relative_to(group).as_posix()
        for key in [key for key in metadata if f"{key}/".startswith(f"{within}/")]:
            del metadata[key]
        for node in nodes:
            key = node.relative_to(group).as_posix()
            if zarr_format == 3:
                metadata[key] = _read(node / "zarr.json")
                continue
            for part in (".zgroup", ".zarray", ".zattrs"):
                if (node / part).exists():
                    metadata[f"{key}/{part}"] = _read(node / part)
        _replace(file, document)


def clear_left(folder: Path) -> None:
    """Delete files that a process left which ended while it replaced metadata."""
    for left in folder.glob(".*-????????.new"):
        left.unlink(missing_ok=True)


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from error
    if not isinstance(document, dict):
        raise _damaged(file, "it is no object")
    return document


def _damaged(file: Path, why: str) -> OutputError:
    return OutputError(
        f"{file} is damaged ({why}).", "Nothing was written; repair the store first."
    )


def _replace(file: Path, document: Mapping[str, Any]) -> None:
    new = file.with_name(f".{file.name.lstrip('.')}-{uuid4().hex[:8]}.new")
    try:
        with new.open("w", encoding="utf-8") as opened:
            json.dump(document, opened)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)
