"""GEFF, the Graph Exchange File Format: tracks with divisions, as a Zarr group.

The library `geff` writes it (https://liveimagetrackingtools.org/geff-spec/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sa2va.core.extras import need
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.track_graph import Nodes, TrackGraph

if TYPE_CHECKING:
    from geff_spec import Axis, GeffMetadata

    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="geff",
    title="GEFF (graph of tracks)",
    suffixes=(".geff",),
    keeps="the centre, area or volume, score, id and name of every object at every time, links over "
    "gaps and from parents to children, lineages, sentences, pixel size, z step, frame interval, "
    "place of a crop; no masks",
    read_back_by="geff's reader and validators",
    overlaps=True,
    planes=True,
    parents=True,
    place=True,
    is_folder=True,
    files=r"\.z(attrs|group|metadata)|zarr\.json|(nodes|edges)/.+",
    extra="geff",
    packages=("geff", "geff_spec"),
)
_ZARR_FORMAT = 2
"""In which texts have a specification; all programs that know GEFF read it."""


def write(path: Path, result: Result) -> tuple[str, ...]:
    """Gather nodes time by time, and hand them to `geff`, which checks the structure it wrote.

    Notes
    -----
    Positions are in pixels and frames. The axes carry the scale to um and s, and the offset of a
    cropped clip in the frames of its source.
    """
    from zarr.storage import LocalStore

    core_io = need("geff.core_io", FORMAT.extra, "write GEFF")
    graph = TrackGraph(result)
    times = [replace(nodes, codes=()) for nodes in graph.nodes()]  # masks are let go of at once
    core_io.write_arrays(
        LocalStore(path),  # a path it refuses if the folder is there, empty or not
        node_ids=np.concatenate([nodes.node_ids for nodes in times]).astype(np.uint64),
        node_props=_properties(result, graph, times),
        edge_ids=graph.edges().astype(np.uint64),
        edge_props={},
        metadata=_metadata(result),
        zarr_format=_ZARR_FORMAT,
    )
    return graph.unsaid()


def _properties(
    result: Result, graph: TrackGraph, times: Sequence[Nodes]
) -> dict[str, dict[str, np.ndarray | None]]:
    """Values of every node, by name; of a score, also where it is not known."""
    labels = np.concatenate([nodes.object_ids for nodes in times])
    z, y, x = np.concatenate([nodes.center_zyx_px for nodes in times]).T
    scores = np.concatenate([nodes.scores for nodes in times])
    values: dict[str, np.ndarray] = {
        "t": np.repeat([nodes.t for nodes in times], [len(nodes.node_ids) for nodes in times]),
        **({"z": z} if result.num_z > 1 else {}),
        "y": y,
        "x": x,
        _size_name(result): np.concatenate([nodes.size_px for nodes in times]),
        "label": labels,
        "lineage": np.array([graph.lineage(i) for i in labels.tolist()], np.int64),
        "score": scores,
    }
    names = {subject.object_id: subject.name for subject in result.subjects}
    if any(names.values()):
        values["name"] = np.array([names[i] for i in labels.tolist()], np.str_)
    unknown = {"score": np.isnan(scores)} if np.isnan(scores).any() else {}
    return {
        name: {"values": column, "missing": unknown.get(name)} for name, column in values.items()
    }


def _size_name(result: Result) -> str:
    return "volume" if result.num_z > 1 else "area"


def _metadata(result: Result) -> GeffMetadata:
    spec = need("geff_spec", FORMAT.extra, "write GEFF")
    size = _size_name(result)
    described = {
        size: ("int64", "voxel" if size == "volume" else "pixel", f"Its {size}."),
        "label": ("int64", None, "The object's id: the value of its pixels in a label image."),
        "lineage": ("int64", None, "One object of those linked by divisions and fusions."),
        "score": ("float64", None, "How sure the model was that it is there, from 0 to 1."),
    }
    objects = [
        {"label": s.object_id, "name": s.name, "text": s.text}
        for s in result.subjects
        if s.is_named or s.text
    ]
    return spec.GeffMetadata(
        directed=True,
        axes=_axes(result, spec.Axis),
        node_props_metadata={
            name: spec.PropMetadata(identifier=name, dtype=dtype, unit=unit, description=text)
            for name, (dtype, unit, text) in described.items()
        },
        edge_props_metadata={},
        track_node_props={"lineage": "lineage"},
        display_hints=spec.DisplayHint(
            display_horizontal="x",
            display_vertical="y",
            display_depth="z" if result.num_z > 1 else None,
            display_time="t",
        ),
        extra={"napari-sa2va": {"clip": result.clip.name, "objects": objects}},
    )


def _axes(result: Result, axis: Callable[..., Axis]) -> list[Axis]:
    clip = result.clip
    y_um, x_um = clip.pixel_size_um or (None, None)
    y_px, x_px = (clip.box.y0, clip.box.x0) if clip.box is not None else (0, 0)
    space = [("z", clip.z_step_um, 0)] if result.num_z > 1 else []
    space += [("y", y_um, y_px), ("x", x_um, x_px)]
    axes = [axis(name="t", type="time", unit="frame", **_scaled(clip.frame_interval_s, "second"))]
    for name, step, offset_px in space:
        offset = {"offset": offset_px * (step or 1)} if offset_px else {}
        scaled = _scaled(step, "micrometer")
        axes.append(axis(name=name, type="space", unit="pixel", **scaled, **offset))
    return axes


def _scaled(step: float | None, unit: str) -> dict[str, float | str]:
    return {} if step is None else {"scale": step, "scaled_unit": unit}
