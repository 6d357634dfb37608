"""Objects of neighbouring tiles are one where their masks agree in the band between them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sa2va.batch.link import Band, Linked, Meeting, Seams, bands, link
from napari_sa2va.batch.tiles import tiles
from napari_sa2va.core import rle
from napari_sa2va.core.region_box import Box
from napari_sa2va.core.rle_boxes import paste

# Two tiles of 2 x 4 px that have two columns in common.
PAIR = (Box(0, 0, 2, 4), Box(0, 2, 2, 6))


def code(*rows: str) -> rle.Rle:
    """A mask drawn with "#" and "."."""
    return rle.encode(np.array([[c == "#" for c in row] for row in rows]))


def linked(left: dict[int, rle.Rle], right: dict[int, rle.Rle], num_sentences: int = 1):
    """What becomes of the objects of two tiles on one frame."""
    seams = Seams(PAIR)
    seams.add([left, right])
    return link(num_sentences, seams.areas, seams.meetings)


def test_the_bands_of_four_tiles_worked_out_by_hand():
    found = bands([Box(0, 0, 5, 5), Box(0, 4, 5, 9), Box(4, 0, 9, 5), Box(4, 4, 9, 9)])
    assert len(found) == 6  # each with each: all four have the pixel in the middle
    assert found[0] == Band((0, 1), (Box(0, 4, 5, 5), Box(0, 0, 5, 1)))
    assert found[2] == Band((0, 3), (Box(4, 4, 5, 5), Box(0, 0, 1, 1)))
    assert bands([Box(0, 0, 5, 5), Box(0, 5, 5, 9)]) == []


def test_an_object_that_a_seam_cuts_is_one():
    left, right = code("....", ".###"), code("....", "##..")  # columns 1 to 3, columns 2 to 3
    assert linked({1: left}, {1: right}) == [Linked(1, 1, 1, (0, 1))]


def test_objects_that_lie_apart_keep_their_own_ids_the_larger_one_that_of_the_sentence():
    left, right = code("#...", "...."), code("...#", "...#")
    assert linked({1: left}, {1: right}) == [Linked(1, 1, 1, (1,)), Linked(2, 1, 2, (0,))]


def test_objects_that_disagree_in_the_band_are_two():
    left, right = code("####", "...."), code("....", "####")
    assert [one.tiles for one in linked({1: left}, {1: right})] == [(0,), (1,)]


def test_objects_of_different_sentences_stay_apart_also_on_the_same_pixels():
    left, right = code("..##", "...."), code("##..", "....")
    assert linked({1: left}, {2: right}, 2) == [Linked(1, 1, 1, (0,)), Linked(2, 2, 1, (1,))]


def test_a_sentence_of_which_nothing_is_found_keeps_its_id():
    shown = code("#...", "....")
    found = linked({1: rle.empty(2, 4), 3: shown}, {3: rle.empty(2, 4)}, 3)
    assert found == [Linked(1, 1, 1, ()), Linked(2, 2, 1, ()), Linked(3, 3, 1, (0,))]


def test_further_objects_are_numbered_after_the_last_sentence():
    left = {1: code("#...", "...."), 2: code("##..", "....")}
    right = {1: code("...#", "...#"), 2: code("...#", "....")}
    assert linked(left, right, 2) == [
        Linked(1, 1, 1, (1,)),
        Linked(2, 2, 1, (0,)),
        Linked(3, 1, 2, (0,)),
        Linked(4, 2, 2, (1,)),
    ]


def test_what_one_tile_has_lost_in_the_band_says_nothing_against_it():
    seams = Seams(PAIR)
    crossing, gone = code("..##", "...."), rle.empty(2, 4)
    seams.add([{1: crossing}, {1: code("##..", "....")}])
    for _ in range(9):
        seams.add([{1: crossing}, {1: gone}])
    assert seams.meetings[0, 1, 1] == Meeting(shared_px=2, covered_px=2)
    assert link(1, seams.areas, seams.meetings) == [Linked(1, 1, 1, (0, 1))]


@pytest.mark.parametrize(("shared", "one"), [(4, False), (5, True)])
def test_half_of_the_pixels_in_the_band_must_agree_all_frames_together(shared, one):
    areas = {(0, 1): 20, (1, 1): 20}
    found = link(1, areas, {(0, 1, 1): Meeting(shared_px=shared, covered_px=10)})
    assert len(found) == (1 if one else 2)


def test_what_hangs_together_over_several_seams_is_one():
    areas = {(tile, 1): 5 for tile in range(4)}
    meet = Meeting(1, 1)
    found = link(1, areas, {(0, 1, 1): meet, (2, 3, 1): meet})
    assert [one.tiles for one in found] == [(0, 1), (2, 3)]  # alike: the first one comes first
    found = link(1, areas, {(0, 1, 1): meet, (2, 3, 1): meet, (1, 2, 1): meet})
    assert found == [Linked(1, 1, 1, (0, 1, 2, 3))]


@st.composite
def label_movies(draw):
    """Rectangles that move by a pixel per frame, (T, N, Y, X), and tiles that overlap."""
    height, width = draw(st.integers(4, 24)), draw(st.integers(4, 24))
    num_frames, num_objects = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    masks = np.zeros((num_frames, num_objects, height, width), bool)
    for i in range(num_objects):
        y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        h, w = draw(st.integers(1, height)), draw(st.integers(1, width))
        dy, dx = draw(st.integers(-1, 1)), draw(st.integers(-1, 1))
        for t in range(num_frames):
            top, left = max(y + t * dy, 0), max(x + t * dx, 0)
            masks[t, i, top : max(y + t * dy + h, 0), left : max(x + t * dx + w, 0)] = True
    overlap = draw(st.integers(1, 3))
    return masks, tiles(height, width, overlap + draw(st.integers(5, 12)), overlap)


@settings(deadline=None, max_examples=60)
@given(label_movies())
def test_objects_cut_into_tiles_are_put_together_again(case):
    masks, boxes = case
    num_frames, num_objects, height, width = masks.shape
    codes = [
        [{i + 1: rle.encode(box.crop(masks[t, i])) for i in range(num_objects)} for box in boxes]
        for t in range(num_frames)
    ]
    seams = Seams(boxes)
    for drawn in codes:
        seams.add(drawn)
    found = link(num_objects, seams.areas, seams.meetings)
    assert [one.object_id for one in found] == [*range(1, num_objects + 1)]
    for one in found:
        for t, drawn in enumerate(codes):
            parts = [paste(drawn[k][one.sentence], boxes[k], height, width) for k in one.tiles]
            whole = rle.union([rle.empty(height, width), *parts])
            assert rle.same(whole, rle.encode(masks[t, one.sentence - 1]))
