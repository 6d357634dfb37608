"""TrackMate XML: spots with their outlines, linked to tracks, as Fiji's TrackMate 7 opens it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO
from xml.sax.saxutils import quoteattr

import numpy as np

from napari_sa2va.analysis.outlines import joined, outlines_of
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.track_graph import Nodes, TrackGraph
from napari_sa2va.writers.trackmate_scale import Scale
from napari_sa2va.writers.xml_text import xml_text

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.writers.result import Result

FORMAT = WriteFormat(
    kind="trackmate",
    title="TrackMate XML",
    suffixes=(".xml",),
    keeps="outlines (of volumes only the centre and the radius), scores as quality, ids, names, "
    "links over gaps and from parents to children, pixel size, z step, frame interval",
    read_back_by="geff's importer of TrackMate files",
    overlaps=True,
    planes=True,
    parents=True,
    place=True,
)
_VERSION = "7.0.0"
"""Of TrackMate, the oldest whose files look like this."""

_SPOT_FEATURES = (  # key, name, dimension, whether it is a whole number
    ("QUALITY", "Quality", "QUALITY", False),
    ("POSITION_X", "X", "POSITION", False),
    ("POSITION_Y", "Y", "POSITION", False),
    ("POSITION_Z", "Z", "POSITION", False),
    ("POSITION_T", "T", "TIME", False),
    ("FRAME", "Frame", "NONE", True),
    ("RADIUS", "Radius", "LENGTH", False),
    ("VISIBILITY", "Visibility", "NONE", True),
    ("OBJECT_ID", "Object ID", "NONE", True),
)
_AREA = ("AREA", "Area", "AREA", False)
_EDGE_FEATURES = (
    ("SPOT_SOURCE_ID", "Source spot ID", "NONE", True),
    ("SPOT_TARGET_ID", "Target spot ID", "NONE", True),
)
_TRACK_FEATURES = (
    ("TRACK_INDEX", "Track index", "NONE", True),
    ("TRACK_ID", "Track ID", "NONE", True),
)
_UNKNOWN_QUALITY = -1.0
"""What TrackMate itself gives to spots that no detector made."""

_ROOM = len('nspots="') + 20


def write(path: Path, result: Result) -> tuple[str, ...]:
    """Write the spots of each frame in turn, then the links between them.

    Notes
    -----
    Positions are in um and s, or in pixels and frames where these are not known, and those of a
    cropped clip in the frames of its source: TrackMate opens the image named in `ImageData`.
    An outline runs along pixel edges, as TrackMate's own do, at half pixels around the centre of the
    first one. Parts and holes of an object are joined to one outline by lines without width.
    """
    graph = TrackGraph(result)
    scale = Scale.of(result)
    with path.open("wb") as file:
        _line(file, '<?xml version="1.0" encoding="UTF-8"?>')
        _line(file, f'<TrackMate version="{_VERSION}">')
        units = _attributes({"spatialunits": scale.space_unit, "timeunits": scale.time_unit})
        _line(file, "<Log>Written by napari-sa2va.</Log>")
        _line(file, f"<Model{units}>")
        _write_features(file, (*_SPOT_FEATURES, _AREA) if result.num_z == 1 else _SPOT_FEATURES)
        object_of = _write_spots(file, result, graph, scale)
        _write_tracks(file, result, graph, object_of)
        _line(file, "</Model>")
        _write_settings(file, result.clip, result, scale)
        _line(file, '<GUIState state="ConfigureViews" />')
        _line(file, "</TrackMate>")
    return graph.unsaid()


def _write_features(file: BinaryIO, spot_features: Iterable[tuple[str, str, str, bool]]) -> None:
    _line(file, "<FeatureDeclarations>")
    for kind, features in (
        ("SpotFeatures", spot_features),
        ("EdgeFeatures", _EDGE_FEATURES),
        ("TrackFeatures", _TRACK_FEATURES),
    ):
        _line(file, f"<{kind}>")
        for key, name, dimension, is_int in features:
            about = {"feature": key, "name": name, "shortname": name, "dimension": dimension}
            _line(file, f"<Feature{_attributes(about | {'isint': str(is_int).lower()})} />")
        _line(file, f"</{kind}>")
    _line(file, "</FeatureDeclarations>")


def _write_spots(file: BinaryIO, result: Result, graph: TrackGraph, scale: Scale) -> np.ndarray:
    """Write them and give the object of each, int64 (N,)."""
    names = {s.object_id: s.name or f"object {s.object_id}" for s in result.subjects}
    start = file.tell()
    # How many there are is known in the end: room for the number.
    _line(file, f"<AllSpots {' ' * _ROOM}>")
    objects = [np.empty(0, np.int64)]
    for nodes in graph.nodes():
        objects.append(nodes.object_ids)
        _line(file, f'<SpotsInFrame frame="{nodes.t}">')
        for line in _spots(nodes, result, names, scale):
            _line(file, line)
        _line(file, "</SpotsInFrame>")
    object_of = np.concatenate(objects)
    file.seek(start)
    file.write(f'<AllSpots nspots="{len(object_of)}"'.encode())
    file.seek(0, 2)
    _line(file, "</AllSpots>")
    return object_of


def _spots(nodes: Nodes, result: Result, names: Mapping[int, str], scale: Scale) -> Iterator[str]:
    centers = scale.place(nodes.center_zyx_px)
    sizes = nodes.size_px * scale.pixel
    outlines = outlines_of(nodes.codes, *result.size) if nodes.codes else None
    columns = (nodes.node_ids, nodes.object_ids, sizes, nodes.scores, centers)
    for row, (node, object_id, size, score, (z, y, x)) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        about = {
            "ID": node,
            "name": names[object_id],
            "QUALITY": _UNKNOWN_QUALITY if math.isnan(score) else score,
            "POSITION_X": x,
            "POSITION_Y": y,
            "POSITION_Z": z,
            "POSITION_T": nodes.t * scale.frame,
            "FRAME": nodes.t,
            "RADIUS": math.sqrt(size / math.pi),
            "VISIBILITY": 1,
            "OBJECT_ID": object_id,
        }
        if outlines is None:
            about["RADIUS"] = (3 * size / (4 * math.pi)) ** (1 / 3)
            yield f"<Spot{_attributes(about)} />"
            continue
        # Corners from the spot's centre; the centre of the first pixel, not its corner, is 0.
        corners = (joined(outlines[row]) - 0.5 - nodes.center_zyx_px[row, 1:]) * scale.pixel_yx
        about |= {"AREA": size, "ROI_N_POINTS": len(corners)}
        text = " ".join(map(repr, corners[:, ::-1].ravel().tolist()))
        yield f"<Spot{_attributes(about)}>{text}</Spot>"


def _write_tracks(file: BinaryIO, result: Result, graph: TrackGraph, object_of: np.ndarray) -> None:
    """Objects that are linked are one track; TrackMate has none of a single spot."""
    names = {s.object_id: s.name or f"object {s.object_id}" for s in result.subjects}
    edges: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for source, target in graph.edges().tolist():
        edges[graph.lineage(int(object_of[source]))].append((source, target))
    _line(file, "<AllTracks>")
    for index, (lineage, own) in enumerate(sorted(edges.items())):
        about = {"name": names[lineage], "TRACK_INDEX": index, "TRACK_ID": lineage}
        _line(file, f"<Track{_attributes(about)}>")
        for source, target in own:
            _line(file, f'<Edge SPOT_SOURCE_ID="{source}" SPOT_TARGET_ID="{target}" />')
        _line(file, "</Track>")
    _line(file, "</AllTracks>")
    _line(file, "<FilteredTracks>")
    for lineage in sorted(edges):
        _line(file, f'<TrackID TRACK_ID="{lineage}" />')
    _line(file, "</FilteredTracks>")


def _write_settings(file: BinaryIO, clip: Clip, result: Result, scale: Scale) -> None:
    """The image, and what TrackMate does not open a file without."""
    source = PurePath(clip.source) if clip.source else PurePath(clip.name)
    image = {
        "filename": source.name,
        "folder": str(source.parent) if source.is_absolute() else "",
        # Of a cropped clip's source, so much is known.
        "width": clip.width if clip.box is None else clip.box.x1,
        "height": clip.height if clip.box is None else clip.box.y1,
        "nslices": result.num_z,
        "nframes": result.num_times,
        "pixelwidth": scale.pixel_yx[1],
        "pixelheight": scale.pixel_yx[0],
        "voxeldepth": scale.plane,
        "timeinterval": scale.frame,
    }
    _line(file, f"<Settings><ImageData{_attributes(image)} />")
    _line(file, '<DetectorSettings DETECTOR_NAME="MANUAL_DETECTOR" RADIUS="1.0" />')
    _line(file, '<InitialSpotFilter feature="QUALITY" value="-1.0" isabove="true" />')
    _line(file, "<SpotFilterCollection />")
    _line(file, '<TrackerSettings TRACKER_NAME="MANUAL_TRACKER" />')
    _line(file, "<TrackFilterCollection />")
    _line(file, "<AnalyzerCollection><SpotAnalyzers /><EdgeAnalyzers /><TrackAnalyzers />")
    _line(file, "</AnalyzerCollection></Settings>")


def _attributes(about: Mapping[str, object]) -> str:
    """As they stand in a tag; floats are written so that reading gives the same ones back."""
    return "".join(f" {key}={quoteattr(xml_text(str(v)))}" for key, v in about.items())


def _line(file: BinaryIO, text: str) -> None:
    file.write(text.encode() + b"\n")
