"""TrackMate files are read by geff's importer and by lxml: spots, outlines, links and units."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import geff
import numpy as np
import pytest
from geff.convert import from_trackmate_xml_to_geff
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from lxml import etree
from skimage.draw import polygon2mask

from napari_sa2va._tests.made_results import (
    HARD_NAME,
    glioblastoma,
    grey_clip,
    masklet,
    of_images,
    real_cells,
    seventy_thousand,
)
from napari_sa2va.writers.result import of_masklets
from napari_sa2va.writers.trackmate import write
from napari_sa2va.writers.write import write_result

BLOCK = np.zeros((4, 6), bool)
BLOCK[0:2, 2:4] = True
RING = np.ones((4, 6), bool)
RING[1, 1] = RING[2, 4] = False
NOTHING = np.zeros((4, 6), bool)


def imported(path: Path):
    """The graph that geff's importer makes of a file, and its metadata."""
    to = path.with_suffix(".geff")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # µm and sec are TrackMate's words, and not those of OME-Zarr; the
        # settings of the display are the reader's own.
        warnings.filterwarnings("ignore", message=r".*not in valid OME-Zarr units")
        warnings.filterwarnings("ignore", message=r"Missing tag\(s\): \['DisplaySettings'\]")
        warnings.filterwarnings("ignore", message=r".* removed from the metadata")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=r".*does not have a Zarr V3 specification")
        warnings.filterwarnings("ignore", message=r"No image folder found")
        from_trackmate_xml_to_geff(path, to, overwrite=True)
        return geff.read(to, backend="networkx", structure_validation=True)


def masks_of(path: Path, size: tuple[int, int]) -> dict[tuple[int, int], np.ndarray]:
    """Frame and object id -> what its outline encloses: TrackMate asks for centres of pixels, too."""
    root = etree.parse(path).getroot()
    image = root.find("Settings/ImageData")
    width, height = float(image.get("pixelwidth")), float(image.get("pixelheight"))
    found = {}
    for spot in root.iter("Spot"):
        assert not spot.text[0].isspace(), "TrackMate would take an empty text for a number"
        corners = np.array(spot.text.split(), float).reshape(-1, 2)
        assert len(corners) == int(spot.get("ROI_N_POINTS"))
        corners += (float(spot.get("POSITION_X")), float(spot.get("POSITION_Y")))
        mask = polygon2mask(size, np.round(corners[:, ::-1] / (height, width), 6))
        found[int(spot.get("FRAME")), int(spot.get("OBJECT_ID"))] = mask
    return found


def test_a_movie_is_named_with_its_folder_however_it_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TrackMate looks for it there, and the XML may lie elsewhere."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.xml", of_images(np.ones((1, 4, 6), np.uint16), source="movie.tif"))
    image = etree.parse(tmp_path / "a.xml").getroot().find("Settings/ImageData")
    assert (image.get("filename"), image.get("folder")) == ("movie.tif", str(tmp_path))


def test_geff_imports_spots_outlines_and_divisions(tmp_path: Path) -> None:
    objects = [
        masklet(1, BLOCK, BLOCK, NOTHING, NOTHING, name=HARD_NAME),
        masklet(2, NOTHING, NOTHING, RING, RING, score=np.nan),
        masklet(3, NOTHING, NOTHING, BLOCK, NOTHING),
        masklet(9, BLOCK, NOTHING, NOTHING, BLOCK),
        masklet(70_000, NOTHING, RING, NOTHING, NOTHING),
    ]
    clip = grey_clip((4, 4, 6), pixel_size_um=(0.5, 0.25), frame_interval_s=3.0)
    result = of_masklets(clip, objects, parents={2: [1], 3: [1]})
    assert write_result(tmp_path / "a.xml", result).warnings == ()

    graph, about = imported(tmp_path / "a.xml")
    at = {n: (d["OBJECT_ID"], d["FRAME"]) for n, d in graph.nodes(data=True)}
    assert {(at[a], at[b]) for a, b in graph.edges} == {
        ((1, 0), (1, 1)), ((1, 1), (2, 2)), ((1, 1), (3, 2)), ((2, 2), (2, 3)), ((9, 0), (9, 3)),
    }  # fmt: skip
    spot = {place: graph.nodes[node] for node, place in at.items()}
    assert spot[1, 0]["name"] == HARD_NAME
    assert spot[70_000, 1]["name"] == "object 70000"
    assert [spot[1, 1][f"POSITION_{axis}"] for axis in "XYZT"] == [2.5 * 0.25, 0.5 * 0.5, 0, 3]
    assert spot[1, 0]["AREA"] == 4 * 0.5 * 0.25
    assert spot[1, 0]["RADIUS"] == pytest.approx(math.sqrt(0.5 / math.pi))
    assert spot[1, 0]["QUALITY"] == 0.5
    assert spot[2, 2]["QUALITY"] == -1
    assert {spot[key].get("TRACK_ID") for key in ((1, 0), (2, 3), (3, 2))} == {1}
    assert "TRACK_ID" not in spot[70_000, 1], "it is linked with nothing"
    units = {axis.name: axis.unit for axis in about.axes}
    assert units == dict.fromkeys(("POSITION_X", "POSITION_Y", "POSITION_Z"), "µm") | {
        "POSITION_T": "sec"
    }


def test_outlines_enclose_the_masks_with_their_holes(tmp_path: Path) -> None:
    objects = [masklet(1, BLOCK, RING), masklet(2, RING, ~RING)]
    clip = grey_clip((2, 4, 6), pixel_size_um=(0.3, 0.7))
    write_result(tmp_path / "a.xml", of_masklets(clip, objects))
    found = masks_of(tmp_path / "a.xml", (4, 6))
    assert sorted(found) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    for (t, object_id), mask in found.items():
        np.testing.assert_array_equal(mask, objects[object_id - 1].mask(t))


def test_what_trackmate_does_not_open_a_file_without_is_there(tmp_path: Path) -> None:
    """As its reader, TmXmlReader, asks for it; what is missing there ends with an exception."""
    clip = grey_clip((4, 4, 6), source="/data/µ & more/a.tif", frame_interval_s=2.0)
    write_result(tmp_path / "a.xml", of_masklets(clip, [masklet(1, *[BLOCK] * 4, score=np.nan)]))
    root = etree.parse(tmp_path / "a.xml").getroot()
    assert root.tag == "TrackMate"
    assert tuple(map(int, root.get("version").split("."))) >= (2, 1, 0)
    for place in ("Detector", "Tracker"):
        assert root.find(f"Settings/{place}Settings").get(f"{place.upper()}_NAME")
    for place in ("InitialSpotFilter", "SpotFilterCollection", "TrackFilterCollection"):
        assert root.find(f"Settings/{place}") is not None
    for place in ("SpotAnalyzers", "EdgeAnalyzers", "TrackAnalyzers"):
        assert root.find(f"Settings/AnalyzerCollection/{place}") is not None
    least = float(root.find("Settings/InitialSpotFilter").get("value"))
    assert all(float(spot.get("QUALITY")) > least for spot in root.iter("Spot"))
    image = dict(root.find("Settings/ImageData").attrib)
    assert image == {
        "filename": "a.tif", "folder": "/data/µ & more", "width": "6", "height": "4",
        "nslices": "1", "nframes": "4", "pixelwidth": "1.0", "pixelheight": "1.0",
        "voxeldepth": "1.0", "timeinterval": "2.0",
    }  # fmt: skip
    assert root.find("Model/AllSpots").get("nspots") == "4"
    assert [e.get("frame") for e in root.iter("SpotsInFrame")] == ["0", "1", "2", "3"]
    assert [e.get("TRACK_ID") for e in root.iter("TrackID")] == ["1"]
    declared = {e.get("feature") for e in root.iterfind("Model/FeatureDeclarations/*/Feature")}
    for spot in root.iter("Spot"):
        assert set(spot.attrib) - {"ID", "name", "ROI_N_POINTS"} <= declared
        for feature in set(spot.attrib) - {"name"}:
            float(spot.get(feature))


def test_positions_are_those_in_the_source_of_a_cropped_clip(tmp_path: Path) -> None:
    clip = grey_clip((1, 40, 60)).crop(8, 20, 12, 26)
    written = write_result(tmp_path / "a.xml", of_masklets(clip, [masklet(1, BLOCK)]))
    assert written.warnings == ()
    [spot] = etree.parse(tmp_path / "a.xml").iter("Spot")
    assert (spot.get("POSITION_Y"), spot.get("POSITION_X")) == ("8.5", "22.5")
    [mask] = masks_of(tmp_path / "a.xml", (40, 60)).values()
    np.testing.assert_array_equal(mask[8:12, 20:26], BLOCK)


def test_volumes_have_a_centre_and_a_radius(tmp_path: Path) -> None:
    labels = np.zeros((4, 3, 5), np.int32)  # two planes of two frames
    labels[0, 1, 1] = labels[2, 1, 1:4] = labels[3, 0, 0] = 1
    facts = {"pixel_size_um": (0.5, 0.5), "z_step_um": 2.0}
    write_result(tmp_path / "a.xml", of_images(labels, num_planes=2, **facts))
    graph, _ = imported(tmp_path / "a.xml")
    first, second = (graph.nodes[n] for n in (0, 1))
    assert [first[f"POSITION_{a}"] for a in "ZYX"] == [0.75 * 2, 0.5, 1.75 * 0.5]
    # 4 voxels of 0.5 x 0.5 x 2 um are 2 um³
    assert first["RADIUS"] == pytest.approx((3 * 2 / (4 * math.pi)) ** (1 / 3))
    assert second["FRAME"] == 1
    assert list(graph.edges) == [(0, 1)]


def test_lengths_are_in_pixels_if_one_of_them_is_not_known(tmp_path: Path) -> None:
    labels = np.ones((2, 3, 5), np.int32)
    write_result(tmp_path / "a.xml", of_images(labels, num_planes=2, pixel_size_um=(0.5, 0.5)))
    model = etree.parse(tmp_path / "a.xml").find("Model")
    assert dict(model.attrib) == {"spatialunits": "pixel", "timeunits": "frame"}
    assert next(model.iter("Spot")).get("POSITION_X") == "2.0"


def test_characters_that_xml_cannot_hold_are_replaced(tmp_path: Path) -> None:
    one = masklet(1, BLOCK, name="a\x00b\x1b[0m\ud800\ufffe\tz")
    write_result(tmp_path / "a.xml", of_masklets(grey_clip((1, 4, 6)), [one]))
    [spot] = etree.parse(tmp_path / "a.xml").iter("Spot")
    assert spot.get("name") == "a\ufffdb\ufffd[0m\ufffd\ufffd\tz"


def test_without_objects_there_are_no_spots_and_no_tracks(tmp_path: Path) -> None:
    write_result(tmp_path / "a.xml", of_masklets(grey_clip((2, 4, 6)), []))
    root = etree.parse(tmp_path / "a.xml").getroot()
    assert not list(root.iter("Spot", "Track", "TrackID"))
    assert root.find("Model/AllSpots").get("nspots") == "0"


@settings(max_examples=25, deadline=None)
@given(
    arrays.arrays(
        np.int32,
        st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)),
        elements=st.sampled_from([0, 0, 1, 2, 3]),
    ),
    st.dictionaries(st.integers(1, 3), st.lists(st.integers(1, 3), max_size=2), max_size=3),
)
def test_any_label_images_come_back(
    tmp_path_factory: pytest.TempPathFactory, labels, parents
) -> None:
    path = tmp_path_factory.mktemp("trackmate") / "a.xml"
    write(path, of_images(labels, names=dict.fromkeys((1, 2, 3), ""), parents=parents))
    back = np.zeros_like(labels)
    for (t, object_id), mask in masks_of(path, labels.shape[1:]).items():
        back[t][mask] = object_id
    np.testing.assert_array_equal(back, labels)
    root = etree.parse(path)
    ids = [int(spot.get("ID")) for spot in root.iter("Spot")]
    edges = [
        (int(e.get("SPOT_SOURCE_ID")), int(e.get("SPOT_TARGET_ID"))) for e in root.iter("Edge")
    ]
    assert len(set(edges)) == len(edges), "TrackMate refuses an edge that is there twice"
    assert {end for edge in edges for end in edge} <= set(ids)
    owner = {}
    for track in root.iter("Track"):
        for edge in track:
            for end in edge.attrib.values():
                assert owner.setdefault(end, track) is track, "a spot is in one track"


def test_frames_are_asked_for_once(tmp_path: Path) -> None:
    result = of_masklets(grey_clip((3, 4, 6)), [masklet(1, BLOCK, BLOCK, BLOCK)])
    asked: list[int] = []

    def frame(t: int):
        asked.append(t)
        return result.frame(t)

    write(tmp_path / "a.xml", replace(result, frame=frame))
    assert asked == [0, 1, 2]


def test_seventy_thousand_objects_take_seconds(tmp_path: Path) -> None:
    start = perf_counter()
    write_result(tmp_path / "a.xml", of_images(seventy_thousand()))
    assert perf_counter() - start < 60
    assert sum(1 for _ in etree.parse(tmp_path / "a.xml").iter("Spot")) == 70_000


@real_cells
def test_real_cells_come_back(tmp_path: Path) -> None:
    labels, result = glioblastoma()
    write_result(tmp_path / "a.xml", result)
    back = np.zeros_like(labels)
    for (t, object_id), mask in masks_of(tmp_path / "a.xml", labels.shape[1:]).items():
        back[t][mask] = object_id
    np.testing.assert_array_equal(back, labels)
    graph, _ = imported(tmp_path / "a.xml")
    assert len(graph) == sum(len(np.unique(image)) - 1 for image in labels)
    assert graph.number_of_edges() == len(graph) - 36
