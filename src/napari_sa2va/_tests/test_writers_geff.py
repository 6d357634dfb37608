"""GEFF graphs are read by the library `geff`, whose validators find nothing amiss."""

from __future__ import annotations

import weakref
from pathlib import Path

import geff
import numpy as np
import pytest
from geff.validate.data import ValidationConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_sa2va._tests.made_results import (
    HARD_NAME,
    grey_clip,
    masklet,
    of_images,
    seventy_thousand,
)
from napari_sa2va.core import rle
from napari_sa2va.writers.geff import write
from napari_sa2va.writers.result import Result, Shown, Subject, of_masklets
from napari_sa2va.writers.write import write_result

DOT = np.zeros((4, 6), bool)
DOT[1, 2] = True
BLOCK = np.zeros((4, 6), bool)
BLOCK[0:2, 2:4] = True
NOTHING = np.zeros((4, 6), bool)
CHECKED = ValidationConfig(graph=True, lineage=True)


def read(path: Path):
    """The graph as networkx has it, and the metadata."""
    return geff.read(path, structure_validation=True, data_validation=CHECKED, backend="networkx")


def test_divisions_fusions_and_gaps_are_edges(tmp_path: Path) -> None:
    objects = [
        masklet(1, DOT, DOT, NOTHING, NOTHING, NOTHING, name=HARD_NAME),
        masklet(2, NOTHING, NOTHING, BLOCK, NOTHING, BLOCK, score=np.nan, text="a half"),
        masklet(3, NOTHING, NOTHING, DOT, DOT, NOTHING),
        masklet(70_000, NOTHING, NOTHING, NOTHING, NOTHING, DOT),
    ]
    parents = {2: [1], 3: [1], 70_000: [3]}
    written = write_result(
        tmp_path / "a.geff", of_masklets(grey_clip((5, 4, 6)), objects, parents=parents)
    )
    assert written.warnings == ()
    graph, about = read(tmp_path / "a.geff")
    at = {node: (data["label"], data["t"]) for node, data in graph.nodes(data=True)}
    assert {(at[a], at[b]) for a, b in graph.edges} == {
        ((1, 0), (1, 1)),
        ((1, 1), (2, 2)),
        ((1, 1), (3, 2)),
        ((2, 2), (2, 4)),  # over a gap
        ((3, 2), (3, 3)),
        ((3, 3), (70_000, 4)),
    }
    by_place = {place: graph.nodes[node] for node, place in at.items()}
    assert by_place[1, 0]["name"] == HARD_NAME
    assert (by_place[1, 0]["y"], by_place[1, 0]["x"], by_place[1, 0]["area"]) == (1, 2, 1)
    assert (by_place[2, 2]["y"], by_place[2, 2]["x"], by_place[2, 2]["area"]) == (0.5, 2.5, 4)
    assert by_place[1, 0]["score"] == 0.5
    assert "score" not in by_place[2, 2], "it is not known"
    assert {data["lineage"] for data in by_place.values()} == {1}
    assert about.extra["napari-sa2va"]["objects"] == [
        {"label": 1, "name": HARD_NAME, "text": ""},
        {"label": 2, "name": "object 2", "text": "a half"},
    ]


def test_two_parents_make_one_lineage(tmp_path: Path) -> None:
    objects = [masklet(1, DOT, NOTHING), masklet(2, BLOCK, NOTHING), masklet(5, NOTHING, BLOCK)]
    clip = grey_clip((2, 4, 6))
    write_result(tmp_path / "a.geff", of_masklets(clip, objects, parents={5: [1, 2, 1]}))
    graph, _ = read(tmp_path / "a.geff")
    assert sorted(graph.edges) == [(0, 2), (1, 2)]
    assert len({data["lineage"] for _, data in graph.nodes(data=True)}) == 1


def test_a_parent_that_is_not_there_before_its_child_is_told(tmp_path: Path) -> None:
    objects = [masklet(1, NOTHING, DOT), masklet(2, BLOCK, BLOCK)]
    result = of_masklets(grey_clip((2, 4, 6)), objects, parents={2: [1]})
    [warning] = write_result(tmp_path / "a.geff", result).warnings
    assert warning.startswith("1 link(s) from parent to child are missing, the first from object 1")
    graph, _ = read(tmp_path / "a.geff")
    assert sorted(graph.edges) == [(0, 2)]


def test_axes_carry_scale_and_unit_and_where_a_crop_lies(tmp_path: Path) -> None:
    clip = grey_clip((2, 40, 60), pixel_size_um=(0.5, 0.25), frame_interval_s=3.0).crop(
        8, 20, 12, 26
    )
    written = write_result(tmp_path / "a.geff", of_masklets(clip, [masklet(1, DOT, DOT)]))
    assert written.warnings == ()
    _, about = read(tmp_path / "a.geff")
    facts = [(a.name, a.unit, a.scale, a.scaled_unit, a.offset) for a in about.axes]
    assert facts == [
        ("t", "frame", 3.0, "second", None),
        ("y", "pixel", 0.5, "micrometer", 4.0),
        ("x", "pixel", 0.25, "micrometer", 5.0),
    ]
    assert [a.name for a in read(tmp_path / "a.geff")[1].axes] == ["t", "y", "x"]


def test_without_a_scale_axes_are_in_frames_and_pixels(tmp_path: Path) -> None:
    write_result(tmp_path / "a.geff", of_masklets(grey_clip((1, 4, 6)), [masklet(1, DOT)]))
    axes = read(tmp_path / "a.geff")[1].axes
    assert [(a.unit, a.scale, a.scaled_unit) for a in axes] == [
        ("frame", None, None), ("pixel", None, None), ("pixel", None, None)
    ]  # fmt: skip


def test_an_object_on_several_planes_is_one_node_with_its_volume(tmp_path: Path) -> None:
    """Two planes of two frames: plane 0 has 1 px, plane 1 has 3 px in one row."""
    labels = np.zeros((4, 3, 5), np.int32)
    labels[0, 1, 1] = 1  # t 0, z 0
    labels[2, 1, 1:4] = 1  # t 0, z 1
    labels[3, 0, 0] = 1  # t 1, z 1
    write_result(tmp_path / "a.geff", of_images(labels, num_planes=2, z_step_um=2.0))
    graph, about = read(tmp_path / "a.geff")
    assert [a.name for a in about.axes] == ["t", "z", "y", "x"]
    assert about.axes[1].scale == 2.0
    first, second = (graph.nodes[n] for n in (0, 1))
    # z: (0 + 3 * 1) / 4; x: (1 + 1 + 2 + 3) / 4
    assert [first[k] for k in ("t", "z", "y", "x", "volume")] == [0, 0.75, 1, 1.75, 4]
    assert [second[k] for k in ("t", "z", "y", "x", "volume")] == [1, 1, 0, 0, 1]
    assert list(graph.edges) == [(0, 1)]


def test_a_stack_that_plays_is_one_volume(tmp_path: Path) -> None:
    labels = np.zeros((3, 3, 5), np.int32)
    labels[1:, 1, 1] = 4
    write_result(tmp_path / "a.geff", of_images(labels, time_axis="Z"))
    graph, _ = read(tmp_path / "a.geff")
    assert [graph.nodes[0][k] for k in ("t", "z", "volume")] == [0, 1.5, 2]
    assert len(graph) == 1


def test_without_objects_the_graph_is_empty_and_valid(tmp_path: Path) -> None:
    write_result(tmp_path / "a.geff", of_masklets(grey_clip((2, 4, 6)), []))
    graph, _ = read(tmp_path / "a.geff")
    assert len(graph) == 0


@settings(max_examples=15, deadline=None)
@given(
    arrays.arrays(
        np.int32,
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
        elements=st.sampled_from([0, 0, 1, 2, 3]),
    ),
    st.dictionaries(st.integers(1, 3), st.lists(st.integers(1, 3), max_size=2), max_size=3),
)
def test_any_objects_and_parents_make_a_valid_graph(
    tmp_path_factory: pytest.TempPathFactory, labels, parents
) -> None:
    folder = tmp_path_factory.mktemp("geff")
    write(folder, of_images(labels, names=dict.fromkeys((1, 2, 3), ""), parents=parents))
    graph, _ = read(folder)
    there = {(t, int(i)) for t, image in enumerate(labels) for i in np.unique(image[image > 0])}
    assert {(d["t"], d["label"]) for _, d in graph.nodes(data=True)} == there
    assert all(graph.nodes[a]["t"] < graph.nodes[b]["t"] for a, b in graph.edges)


def test_masks_are_not_kept(tmp_path: Path) -> None:
    """Of one frame there may still be some when the next one is asked for."""
    masks: list[weakref.ref[np.ndarray]] = []

    def frame(t: int) -> Shown:
        assert all(mask() is None for mask in masks[:-1])
        code = rle.encode(DOT)
        masks.append(weakref.ref(code["counts"]))
        return Shown({1: code})

    write(tmp_path, Result(grey_clip((5, 4, 6)), (Subject(1),), frame))
    assert len(masks) == 5


def test_seventy_thousand_objects_are_seventy_thousand_nodes(tmp_path: Path) -> None:
    labels = np.repeat(seventy_thousand(), 2, axis=0)
    write_result(tmp_path / "a.geff", of_images(labels))
    found = geff.GeffReader(tmp_path / "a.geff").build()
    assert len(found["node_ids"]) == 140_000
    assert found["edge_ids"].shape == (70_000, 2)
