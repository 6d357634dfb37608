"""Cell Tracking Challenge: tracks have no gaps, divisions are links, and its programs take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pytest
import tifffile
from ctc_metrics.scripts.evaluate import evaluate_sequence
from ctc_metrics.scripts.validate import validate_sequence
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sa2va._tests.made_results import of_images, of_masks
from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers.ctc_tracks import Tracks
from napari_sa2va.writers.result import Result, Subject
from napari_sa2va.writers.write import write_result

pytestmark = pytest.mark.filterwarnings("ignore:Empty frame")  # there are some, on purpose


def _cells(*there: str) -> np.ndarray:
    """Label images (T, 3, N * 3): row n of the drawing says on which frames object n + 1 is."""
    labels = np.zeros((len(there[0]), 3, 3 * len(there)), np.uint16)
    for n, row in enumerate(there):
        for t, sign in enumerate(row):
            labels[t, :, 3 * n : 3 * n + 2] = (n + 1) * (sign == "x")
    return labels


def _table(
    folder: Path, labels: np.ndarray, parents: Mapping[int, Sequence[int]] | None = None
) -> tuple[list[str], tuple[str, ...]]:
    """Write, validate, and give back the lines of the table and the warnings."""
    written = write_result(folder / "01_RES", of_images(labels, parents=parents), "ctc")
    assert validate_sequence(str(folder / "01_RES"), threads=1) == {"Valid": 1}
    return (folder / "01_RES" / "res_track.txt").read_text().splitlines(), written.warnings


def test_a_division_is_a_link_to_the_parent(tmp_path: Path) -> None:
    table, told = _table(tmp_path, _cells("xxx...", "...xxx", "....xx"), {2: [1], 3: [1]})
    assert table == ["1 0 2 0", "2 3 5 1", "3 4 5 1"]
    assert told == ()


def test_an_object_that_comes_back_is_a_new_track_of_the_old_one(tmp_path: Path) -> None:
    table, told = _table(tmp_path, _cells("xx..x.", "xxxxxx"))
    assert table == ["1 0 1 0", "2 0 5 0", "3 4 4 1"]
    assert len(told) == 1
    assert told[0].endswith("objects go on with new labels: 1 as 3 (frame 4).")
    image = tifffile.imread(tmp_path / "01_RES" / "mask004.tif")
    assert np.unique(image).tolist() == [0, 2, 3]


def test_a_mother_that_lives_on_becomes_a_track_beside_her_bud(tmp_path: Path) -> None:
    """A parent ends before its child begins: so the mother of both is the track up to the bud."""
    table, told = _table(tmp_path, _cells("xxxxxx", "..xxxx", "....xx"), {2: [1], 3: [1]})
    assert table == ["1 0 1 0", "2 2 5 1", "3 4 5 4", "4 2 3 1", "5 4 5 4"]
    assert "1 as 4 (frame 2) and 5 (frame 4)" in told[0]


def test_of_two_that_merge_one_is_the_parent(tmp_path: Path) -> None:
    table, told = _table(tmp_path, _cells("xx..", "xxx.", "..xx"), {3: [1, 2]})
    assert table == ["1 0 1 0", "2 0 2 0", "3 2 3 1"]
    assert told == ("A track has one parent; of several, one was kept: objects 3.",)


def test_a_parent_that_comes_too_late_is_no_parent(tmp_path: Path) -> None:
    table, told = _table(tmp_path, _cells(".xxx", ".xxx", "...."), {1: [2], 2: [3]})
    assert table == ["1 1 3 0", "2 1 3 0"]
    assert "without a parent, because theirs is not: objects 1, 2." in told[0]


def test_objects_on_no_frame_are_left_out_and_named(tmp_path: Path) -> None:
    result = of_images(_cells("xx"), names={1: "", 7: "", 9: ""})
    told = write_result(tmp_path / "01_RES", result, "ctc").warnings
    assert told == ("Left out, because on no frame: objects 7, 9.",)


def test_no_object_at_all_makes_black_images_and_a_warning(tmp_path: Path) -> None:
    told = write_result(tmp_path / "01_RES", of_images(_cells("..")), "ctc").warnings
    assert "want one track at least" in told[0]
    assert (tmp_path / "01_RES" / "res_track.txt").read_text() == ""
    assert not tifffile.imread(tmp_path / "01_RES" / "mask001.tif").any()


def test_an_object_hidden_by_another_has_a_gap_there(tmp_path: Path) -> None:
    small, large = _cells("xxx") == 1, np.ones((3, 3, 3), bool)
    large[[0, 2]] = False
    write_result(tmp_path / "01_RES", of_masks({1: small, 2: large}), "ctc")
    assert validate_sequence(str(tmp_path / "01_RES"), threads=1) == {"Valid": 1}
    table = (tmp_path / "01_RES" / "res_track.txt").read_text()
    assert table == "1 0 0 0\n2 1 1 0\n3 2 2 1\n"


def test_planes_are_one_stack_per_time_point(tmp_path: Path) -> None:
    """The object is on plane 0 at time 0, and on plane 1 at times 1 and 2: it has no gap."""
    labels = np.concatenate([_cells("x.."), _cells(".xx")])
    result = of_images(labels, num_planes=2)
    told = write_result(tmp_path / "01_RES", result, "ctc").warnings
    assert told == ()
    assert validate_sequence(str(tmp_path / "01_RES"), threads=1) == {"Valid": 1}
    assert (tmp_path / "01_RES" / "res_track.txt").read_text() == "1 0 2 0\n"
    stack = tifffile.imread(tmp_path / "01_RES" / "mask001.tif")
    np.testing.assert_array_equal(stack, labels[[1, 4]])
    assert stack.dtype == np.uint16


def test_a_clip_played_along_z_is_one_time_point(tmp_path: Path) -> None:
    write_result(tmp_path / "01_RES", of_images(_cells(".xx.x"), time_axis="Z"), "ctc")
    assert sorted(p.name for p in (tmp_path / "01_RES").iterdir()) == [
        "mask000.tif",
        "res_track.txt",
    ]
    assert (tmp_path / "01_RES" / "res_track.txt").read_text() == "1 0 0 0\n"
    assert tifffile.imread(tmp_path / "01_RES" / "mask000.tif").shape == (5, 3, 3)


def test_names_have_four_digits_where_three_do_not_reach(tmp_path: Path) -> None:
    labels = np.ones((1001, 1, 1), np.uint16)
    write_result(tmp_path / "01_RES", of_images(labels), "ctc")
    names = sorted(p.name for p in (tmp_path / "01_RES").glob("*.tif"))
    assert (names[0], names[-1]) == ("mask0000.tif", "mask1000.tif")


def test_a_truth_is_what_a_result_is_scored_against(tmp_path: Path) -> None:
    truth = _cells("xxx...", "...xxx", "....xx")
    links = {2: [1], 3: [1]}
    write_result(tmp_path / "01_GT", of_images(truth, parents=links), "ctc-truth")

    def score(name: str, result: Result) -> float:
        write_result(tmp_path / name, result, "ctc")
        paths = str(tmp_path / name), str(tmp_path / "01_GT")
        return evaluate_sequence(*paths, metrics=["TRA"], threads=1)["TRA"]

    assert score("01_RES", of_images(truth, parents=links)) == 1
    assert score("unlinked_RES", of_images(truth)) < 1


def test_new_labels_are_free_ones_up_to_the_last(tmp_path: Path) -> None:
    labels = np.where(_cells("x.x", "xxx") == 1, 65_535, _cells("...", "xxx"))
    table, _ = _table(tmp_path, labels)
    assert table == ["1 2 2 65535", "2 0 2 0", "65535 0 0 0"]


def test_more_tracks_than_labels_are_refused() -> None:
    tracks = Tracks([Subject(i) for i in range(1, 65_536)])
    tracks.labels(0, {1})
    with pytest.raises(OutputError, match="more than 65535 tracks"):
        tracks.labels(2, {1})


def test_a_frame_takes_the_time_of_what_is_on_it_and_not_of_all_that_was() -> None:
    """A movie of ten thousand frames, of objects of which sixty thousand are gone after the first."""
    tracks = Tracks([Subject(i) for i in range(1, 60_001)])
    tracks.labels(0, set(range(1, 60_001)))
    start = perf_counter()
    for t in range(1, 10_001):
        tracks.labels(t, {1, 2})
    assert perf_counter() - start < 10  # and minutes if all were looked at each time
    assert [track.end for track in tracks.table()[:3]] == [10_000, 10_000, 0]


@given(
    there=st.lists(st.text("x.", min_size=6, max_size=6), min_size=1, max_size=5),
    links=st.dictionaries(st.integers(1, 5), st.lists(st.integers(1, 6), max_size=2)),
)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_and_goes_the_tracks_are_valid(
    there: list[str], links: dict[int, list[int]]
) -> None:
    labels = _cells(*there)
    if not labels.any():
        return  # the validator cannot read an empty table
    with TemporaryDirectory() as folder:
        table, _ = _table(Path(folder), labels, links)
        tracks = np.array([line.split() for line in table], int)
        # No pixel is lost: a track has as many frames as it says, and all have as many as there are.
        assert (tracks[:, 2] - tracks[:, 1] + 1).sum() == "".join(there).count("x")
