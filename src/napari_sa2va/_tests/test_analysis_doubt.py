"""Every rule that calls a frame doubtful, on lanes of a few frames."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from napari_sa2va.analysis.doubt import Doubt, Thresholds, find_doubts
from napari_sa2va.analysis.timeline import Lane

NAN = float("nan")


def lane(
    areas: list[float],
    *,
    scores: list[float] | None = None,
    steadiness: list[float] | None = None,
    locked: tuple[int, ...] = (),
    object_id: int = 1,
    name: str = "cell",
) -> Lane:
    """A lane from its areas; NaN for a frame that is not known."""
    area = np.array(areas, float)
    nothing = np.full(len(area), NAN)
    return Lane(
        object_id=object_id,
        name=name,
        color=(1, 2, 3),
        known=~np.isnan(area),
        present=np.nan_to_num(area) > 0,
        score=nothing if scores is None else np.array(scores, float),
        area_px=area,
        steadiness=nothing if steadiness is None else np.array(steadiness, float),
        corrected=np.zeros(len(area), bool),
        locked=np.isin(np.arange(len(area)), locked),
    )


def doubts_about(*lanes: Lane, overlaps=None, reviewed=(), **thresholds) -> tuple[Doubt, ...]:
    return find_doubts(
        lanes, overlaps or {}, reviewed=reviewed, thresholds=Thresholds(**thresholds)
    )


def short(doubts: tuple[Doubt, ...]) -> list[tuple[int, str]]:
    return [(doubt.frame, doubt.reason) for doubt in doubts]


def test_a_calm_object_is_not_doubtful():
    assert doubts_about(lane([50] * 6, scores=[0.9] * 6, steadiness=[NAN] + [0.9] * 5)) == ()


def test_a_low_score_is_doubtful_where_the_object_is_present():
    calm = lane([50, 50, 50, 50], scores=[0.9, 0.2, NAN, 0.8])
    [doubt] = doubts_about(calm, lowest_score=0.8)
    assert (doubt.frame, doubt.object_id, doubt.reason) == (1, 1, "low score")
    assert doubt.words == "The model is not sure of this mask: score 0.20."
    assert doubt.severity == pytest.approx(0.75)  # (0.8 - 0.2) / 0.8
    absent = lane([0, 0, NAN], scores=[0.0, 0.1, NAN])
    assert doubts_about(absent) == ()
    assert doubts_about(calm, lowest_score=0) == ()


def test_an_area_that_doubles_is_a_jump_and_says_so():
    [doubt] = doubts_about(lane([58, 58, 58, 120]))
    assert short((doubt,)) == [(3, "area jump")]
    assert doubt.words == "The area doubles: 120 px, before 58 px."
    assert doubt.severity == pytest.approx(1 - 1.5 * 58 / 120)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (50, "The area halves: 50 px, before 100 px."),
        (300, "The area triples: 300 px, before 100 px."),
        (33, "The area falls to a third: 33 px, before 100 px."),
        (160, "The area becomes 1.6 times as large: 160 px, before 100 px."),
        (12, "The area falls to 12 %: 12 px, before 100 px."),
        (20_000, "The area becomes 200.0 times as large: 20,000 px, before 100 px."),
    ],
)
def test_a_jump_is_told_in_plain_words(now, words):
    [doubt] = doubts_about(lane([100, 100, now]))
    assert doubt.words == words


def test_an_area_is_compared_with_the_median_so_one_odd_frame_is_one_doubt():
    areas = [100, 100, 100, 300, 100, 100]
    assert short(doubts_about(lane(areas))) == [(3, "area jump")]
    # With the frame before as the only measure, the way back is a jump too.
    assert short(doubts_about(lane(areas), neighbours=1)) == [(3, "area jump"), (4, "area jump")]


def test_a_change_that_lasts_is_told_on_its_first_frame_only():
    assert short(doubts_about(lane([100] * 5 + [300] * 6))) == [(5, "area jump")]


def test_the_way_back_after_a_lasting_change_is_told_too():
    areas = [100] * 5 + [300] * 5 + [100] * 5
    assert short(doubts_about(lane(areas))) == [(5, "area jump"), (10, "area jump")]


def test_frames_without_the_object_are_left_out_of_the_median():
    # before frame 4: 100, absent, not known, 100
    areas = [100, 0, NAN, 100, 160]
    assert (4, "area jump") in short(doubts_about(lane(areas)))
    assert (4, "area jump") not in short(doubts_about(lane(areas), area_ratio=1.7))


def test_the_median_of_an_even_number_of_frames_is_the_mean_of_the_middle_two():
    # of 200, 120, 100, 60 it is 110, and 165 is just 1.5 times that
    assert doubts_about(lane([200, 120, 100, 60, 165]), neighbours=4)[-1].frame != 4
    last = doubts_about(lane([200, 120, 100, 60, 166]), neighbours=4)[-1]
    assert (last.frame, last.words) == (
        4,
        "The area becomes 1.5 times as large: 166 px, before 110 px.",
    )


def test_a_few_pixels_more_are_no_jump_however_small_the_object():
    assert doubts_about(lane([4, 4, 13])) == ()
    assert short(doubts_about(lane([4, 4, 13]), least_change_px=9)) == [(2, "area jump")]


def test_a_mask_that_shares_little_with_the_frame_before_has_moved():
    doubts = doubts_about(lane([50] * 4, steadiness=[NAN, 0.05, 0.25, 0.0]))
    assert short(doubts) == [(1, "moved"), (3, "moved")]
    assert doubts[0].words == ("The mask moves: it overlaps with that of the frame before by 5 %.")
    assert doubts[1].words == "The mask jumps: it shares no pixel with that of the frame before."
    assert [d.severity for d in doubts] == pytest.approx([0.8, 1.0])
    assert doubts_about(lane([50, 50], steadiness=[NAN, 0.0]), lowest_steadiness=0) == ()


def test_coming_and_going_is_doubtful_but_not_on_the_first_known_frame():
    doubts = doubts_about(lane([NAN, 50, 50, 0, 0, NAN, 50]))
    assert short(doubts) == [(3, "vanishes"), (6, "appears")]
    assert doubts[0].words == "The object vanishes: nothing is left, before 50 px."
    assert doubts[1].words == "The object appears: 50 px, before nothing."
    assert doubts_about(lane([NAN, 0, 0])) == ()


def test_a_change_that_is_taken_back_soon_is_worse_than_one_for_good():
    # absent for one known frame, then present to the end
    severities = [d.severity for d in doubts_about(lane([50, 0, 50, 50]))]
    assert severities == [1.0, 0.5]
    # absent for two frames: half of what is between
    assert doubts_about(lane([50, 0, 0, 50]))[0].severity == 0.75


def test_objects_that_overlap_are_both_doubtful():
    one, two = lane([100, 100], name="nucleus"), lane([50, 50], object_id=2, name="cell")
    doubts = doubts_about(one, two, overlaps={1: {(1, 2): 20}})
    assert [(d.frame, d.object_id, d.reason) for d in doubts] == [
        (1, 1, "overlap"),
        (1, 2, "overlap"),
    ]
    assert doubts[0].words == "It overlaps with 'cell': 20 px, 40 % of the smaller of the two."
    assert doubts[1].words == "It overlaps with 'nucleus': 20 px, 40 % of the smaller of the two."
    assert doubts[0].severity == pytest.approx(0.3 / 0.9)  # (0.4 - 0.1) / (1 - 0.1)
    assert doubts_about(one, two, overlaps={1: {(1, 2): 5}}) == ()  # 10 % are allowed


def test_of_several_overlaps_the_worst_is_told():
    lanes = [lane([100], object_id=i, name=f"n{i}") for i in (1, 2, 3)]
    doubts = doubts_about(*lanes, overlaps={0: {(1, 2): 20, (1, 3): 60}})
    told = {d.object_id: d.words for d in doubts}
    assert len(doubts) == 3
    assert "'n3': 60 px" in told[1]
    assert "'n1': 20 px" in told[2]
    assert "'n1': 60 px" in told[3]


def test_locked_and_reviewed_frames_are_not_doubtful():
    areas, overlaps = [100, 100, 300, 300], {1: {(1, 2): 90}}
    plain = doubts_about(lane(areas), lane(areas, object_id=2), overlaps=overlaps)
    assert [(d.frame, d.object_id) for d in plain] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    locked = doubts_about(lane(areas, locked=(1, 2)), lane(areas, object_id=2), overlaps=overlaps)
    assert [(d.frame, d.object_id) for d in locked] == [(1, 2), (2, 2)]
    seen = doubts_about(lane(areas), lane(areas, object_id=2), overlaps=overlaps, reviewed={2})
    # frame 3 does not take over from frame 2, on which a person found nothing wrong
    assert [(d.frame, d.object_id) for d in seen] == [(1, 1), (1, 2)]


def test_doubts_come_by_frame_and_the_worst_of_a_frame_first():
    mixed = lane([50, 50, 200], scores=[0.9, 0.7, 0.7], steadiness=[NAN, 0.0, 0.9])
    assert short(doubts_about(mixed)) == [
        (1, "moved"),
        (1, "low score"),
        (2, "area jump"),
        (2, "low score"),
    ]


def test_an_object_of_which_nothing_is_known_is_not_doubtful():
    assert doubts_about(lane([NAN, NAN])) == ()
    assert doubts_about() == ()


def test_thresholds_have_titles_descriptions_and_bounds():
    for name, field in Thresholds.model_fields.items():
        assert field.title, name
        assert field.description, name
        assert field.metadata, name
    with pytest.raises(ValidationError):
        Thresholds(area_ratio=1)
    with pytest.raises(ValidationError):
        Thresholds(lowest_score=1.5)
