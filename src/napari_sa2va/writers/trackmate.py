"""TrackMate XML: spots with their outlines, linked to tracks, as Fiji's TrackMate 7 opens it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

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
    title="TrackMate XML (tracks)",
    suffixes=(".xml",),
    keeps="outlines (of volumes only the centre and the radius), scores as quality, ids, names, "
    "links over gaps and from parents to children, pixel size, z step, frame interval, place of a "
    "crop",
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

_DIGITS = 20
"""Room for the number of spots, which is known when the last one is written."""


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
    names = {s.object_id: s.name for s in result.subjects}
    features = (*_SPOT_FEATURES, _AREA) if result.num_z == 1 else _SPOT_FEATURES
    with path.open("wb") as file:
        xml = XMLGenerator(file, "UTF-8", short_empty_elements=True)
        xml.startDocument()
        with _element(xml, "TrackMate", {"version": _VERSION}):
            _write(xml, "Log", text="Written by napari-sa2va.")
            units = {"spatialunits": scale.space_unit, "timeunits": scale.time_unit}
            with _element(xml, "Model", units):
                with _element(xml, "FeatureDeclarations"):
                    _declare(xml, "SpotFeatures", features)
                    _declare(xml, "EdgeFeatures", _EDGE_FEATURES)
                    _declare(xml, "TrackFeatures", _TRACK_FEATURES)
                start = file.tell()
                object_of = _write_spots(xml, graph, names, result.size, scale)
                _write_tracks(xml, graph, names, object_of)
            _write_settings(xml, result, scale)
            _write(xml, "GUIState", {"state": "ConfigureViews"})
        xml.endDocument()
        file.seek(start + len('<AllSpots nspots="'))
        file.write(f'{len(object_of)}"'.ljust(_DIGITS + 1).encode())  # the quote moves up to it
    return graph.unsaid()


def _declare(xml: XMLGenerator, kind: str, features: Iterable[tuple[str, str, str, bool]]) -> None:
    with _element(xml, kind):
        for key, name, dimension, is_int in features:
            about = {"feature": key, "name": name, "shortname": name, "dimension": dimension}
            _write(xml, "Feature", about | {"isint": str(is_int).lower()})


def _write_spots(
    xml: XMLGenerator,
    graph: TrackGraph,
    names: Mapping[int, str],
    size: tuple[int, int],
    scale: Scale,
) -> np.ndarray:
    """Write the spots and give the object of each, int64 (N,)."""
    objects = [np.empty(0, np.int64)]
    with _element(xml, "AllSpots", {"nspots": " " * _DIGITS}):
        for nodes in graph.nodes():
            objects.append(nodes.object_ids)
            with _element(xml, "SpotsInFrame", {"frame": nodes.t}):
                for about, text in _spots(nodes, names, size, scale):
                    _write(xml, "Spot", about, text)
    return np.concatenate(objects)


def _spots(
    nodes: Nodes, names: Mapping[int, str], size: tuple[int, int], scale: Scale
) -> Iterator[tuple[dict[str, object], str]]:
    """Attributes and outline of each spot."""
    centers = scale.place(nodes.center_zyx_px)
    sizes = nodes.size_px * scale.pixel
    outlines = outlines_of(nodes.codes, *size) if nodes.codes else None
    columns = (nodes.node_ids, nodes.object_ids, sizes, nodes.scores, centers)
    for row, (node, object_id, size_, score, (z, y, x)) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        about: dict[str, object] = {
            "ID": node,
            "name": names[object_id],
            "QUALITY": _UNKNOWN_QUALITY if math.isnan(score) else score,
            "POSITION_X": x,
            "POSITION_Y": y,
            "POSITION_Z": z,
            "POSITION_T": nodes.t * scale.frame,
            "FRAME": nodes.t,
            "VISIBILITY": 1,
            "OBJECT_ID": object_id,
        }
        if outlines is None:
            yield about | {"RADIUS": (3 * size_ / (4 * math.pi)) ** (1 / 3)}, ""
            continue
        # Corners from the spot's centre; the centre of the first pixel, not its corner, is 0.
        corners = (joined(outlines[row]) - 0.5 - nodes.center_zyx_px[row, 1:]) * scale.pixel_yx
        radius = math.sqrt(size_ / math.pi)
        about |= {"RADIUS": radius, "AREA": size_, "ROI_N_POINTS": len(corners)}
        yield about, " ".join(map(repr, corners[:, ::-1].ravel().tolist()))


def _write_tracks(
    xml: XMLGenerator, graph: TrackGraph, names: Mapping[int, str], object_of: np.ndarray
) -> None:
    """Objects that are linked are one track; TrackMate has none of a single spot."""
    edges: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for source, target in graph.edges().tolist():
        edges[graph.lineage(int(object_of[source]))].append((source, target))
    with _element(xml, "AllTracks"):
        for index, (lineage, own) in enumerate(sorted(edges.items())):
            about = {"name": names[lineage], "TRACK_INDEX": index, "TRACK_ID": lineage}
            with _element(xml, "Track", about):
                for source, target in own:
                    _write(xml, "Edge", {"SPOT_SOURCE_ID": source, "SPOT_TARGET_ID": target})
    with _element(xml, "FilteredTracks"):
        for lineage in sorted(edges):
            _write(xml, "TrackID", {"TRACK_ID": lineage})


def _write_settings(xml: XMLGenerator, result: Result, scale: Scale) -> None:
    """The image, and what TrackMate does not open a file without."""
    clip = result.clip
    source = _file_of(clip)
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
    # Below the least quality: some readers leave out what is not above it.
    every = {"feature": "QUALITY", "value": _UNKNOWN_QUALITY - 1, "isabove": "true"}
    with _element(xml, "Settings"):
        _write(xml, "ImageData", image)
        _write(xml, "DetectorSettings", {"DETECTOR_NAME": "MANUAL_DETECTOR", "RADIUS": 1.0})
        _write(xml, "InitialSpotFilter", every)
        _write(xml, "SpotFilterCollection")
        _write(xml, "TrackerSettings", {"TRACKER_NAME": "MANUAL_TRACKER"})
        _write(xml, "TrackFilterCollection")
        with _element(xml, "AnalyzerCollection"):
            for kind in ("SpotAnalyzers", "EdgeAnalyzers", "TrackAnalyzers"):
                _write(xml, kind)


def _file_of(clip: Clip) -> PurePath:
    """The movie, with its folder where it has one: the XML may lie elsewhere."""
    if clip.source is None or "://" in clip.source:
        return PurePath(clip.told_source or clip.name)
    return PurePath(clip.private.redact(str(Path(clip.source).absolute())))


@contextmanager
def _element(
    xml: XMLGenerator, name: str, about: Mapping[str, object] | None = None
) -> Iterator[None]:
    """An element with what is written meanwhile in it, on a line of its own."""
    xml.startElement(name, _attributes(about or {}))
    xml.ignorableWhitespace("\n")
    yield
    xml.endElement(name)
    xml.ignorableWhitespace("\n")


def _write(
    xml: XMLGenerator, name: str, about: Mapping[str, object] | None = None, text: str = ""
) -> None:
    """An element with a text or none; TrackMate takes no white space before that of a spot."""
    xml.startElement(name, _attributes(about or {}))
    xml.characters(text)
    xml.endElement(name)
    xml.ignorableWhitespace("\n")


def _attributes(about: Mapping[str, object]) -> AttributesImpl[str]:
    """Floats are written so that reading gives the same ones back."""
    return AttributesImpl({key: xml_text(str(value)) for key, value in about.items()})
