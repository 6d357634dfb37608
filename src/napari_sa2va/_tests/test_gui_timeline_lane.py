"""One lane as pixels: what is seen of every frame, and the worst of the frames of a column."""

import numpy as np
import pytest

from napari_sa2va._tests.made_timelines import doubt, lane, timeline
from napari_sa2va.analysis.timeline import Lane
from napari_sa2va.gui.timeline_geometry import TimeAxis
from napari_sa2va.gui.timeline_index import TimelineIndex, same_lane
from napari_sa2va.gui.timeline_lane import (
    DOUBTS_PX,
    LANE_PX,
    STRIP_PX,
    LaneColumns,
    columns_of,
    mark_places,
    paint_lane,
)
from napari_sa2va.gui.timeline_look import Look

LOOK = Look(
    paper=(0, 0, 0),
    ink=(255, 255, 255),
    track=(20, 20, 20),
    hatch=(60, 60, 60),
    muted=(180, 180, 180),
    chosen=(90, 90, 90),
    warning=(255, 0, 0),
)
COLOR = (0, 200, 0)
BOTTOM = DOUBTS_PX + STRIP_PX - 1  # last row of the strip
MIDDLE = DOUBTS_PX + STRIP_PX // 2


def block(name: str) -> np.ndarray:
    """Marks as full squares of 3 px, so that their pixels can be counted."""
    return np.ones((3, 3), dtype=np.float32)


def summed(
    shown: Lane, columns: int, *, doubtful: tuple[int, ...] = (), axis: TimeAxis | None = None
) -> LaneColumns:
    num_frames = len(shown.known)
    flags = np.isin(np.arange(num_frames), doubtful)
    return columns_of(shown, flags, axis or TimeAxis.whole(num_frames, 0, columns), columns)


def painted(
    shown: Lane, columns: int, *, doubtful: tuple[int, ...] = (), dpr: float = 1.0
) -> np.ndarray:
    axis = TimeAxis.whole(len(shown.known), 0, columns / dpr)
    summary = summed(shown, columns, doubtful=doubtful, axis=axis)
    return paint_lane(summary, COLOR, LOOK, ground=LOOK.paper, dpr=dpr, shapes=block, axis=axis)


def rgb(pixels: np.ndarray, row: int, column: int) -> tuple[int, ...]:
    return tuple(pixels[row, column, :3].tolist())


def heights(pixels: np.ndarray, dpr: int = 1) -> list[int]:
    """Filled px of the strip by column: all but paper and track."""
    strip = pixels[dpr * DOUBTS_PX : dpr * (DOUBTS_PX + STRIP_PX), :, :3]
    empty = (strip == LOOK.paper).all(axis=2) | (strip == LOOK.track).all(axis=2)
    return (~empty).sum(axis=0).tolist()


def test_a_column_has_the_lowest_score_of_its_frames() -> None:
    shown = lane(num_frames=100, score={37: 0.2, 38: 0.7})
    # Ten frames per column: both are in column 3.
    assert summed(shown, 10).score.tolist() == [1, 1, 1, 0.2, 1, 1, 1, 1, 1, 1]


def test_any_doubt_correction_and_lock_among_a_thousand_frames_is_seen() -> None:
    shown = lane(num_frames=10_000, corrected=[4321], locked=[8765])
    columns = summed(shown, 10, doubtful=(1234,))
    assert np.flatnonzero(columns.doubtful).tolist() == [1]
    assert np.flatnonzero(columns.corrected).tolist() == [4]
    assert np.flatnonzero(columns.locked).tolist() == [8]


def test_a_column_of_frames_with_and_without_the_object_says_both() -> None:
    columns = summed(lane(num_frames=20, absent=[3], unknown=[16]), 10)
    assert np.flatnonzero(columns.absent).tolist() == [1]
    assert np.flatnonzero(columns.unknown).tolist() == [8]
    assert columns.present.all()


def test_scores_of_frames_without_the_object_are_not_counted() -> None:
    shown = lane(num_frames=4, absent=[1], score={1: 0.0})
    assert summed(shown, 2).score.tolist() == [1, 1]


def test_unknown_scores_count_as_full_and_hide_no_known_one() -> None:
    shown = lane(num_frames=4, score={0: np.nan, 1: 0.3, 2: np.nan, 3: np.nan})
    assert summed(shown, 2).score.tolist() == [0.3, 1]


def test_the_lower_the_score_the_lower_and_paler_the_bar() -> None:
    # 14 px high: 22 % for a score of 0, all of it for 1; 14 * (0.22 + 0.78 * 0.5) = 8.54.
    pixels = painted(lane(num_frames=3, score={1: 0.5, 2: 0.0}), 3)
    assert heights(pixels) == [14, 9, 3]
    greens = [rgb(pixels, BOTTOM, column)[1] for column in range(3)]
    # 20 + opacity * (200 - 20), opacity 1, 0.7 and 0.4.
    assert greens == [200, 146, 92]


def test_a_bar_has_an_edge_that_stands_out_from_its_body() -> None:
    pixels = painted(lane(num_frames=2, score={1: 0.5}), 2)
    # 45 % of the body and 55 % of the ink: 0.45 * 200 + 0.55 * 255 = 230.25
    assert rgb(pixels, DOUBTS_PX, 0) == (140, 230, 140)
    assert rgb(pixels, DOUBTS_PX + 1, 0) == COLOR


def test_an_absent_object_is_a_thin_line() -> None:
    pixels = painted(lane(num_frames=2, absent=[1]), 2)
    assert heights(pixels)[1] == 1
    assert rgb(pixels, MIDDLE, 1) == (149, 149, 149)  # 0.45 * 20 + 0.55 * 255
    assert rgb(pixels, BOTTOM, 1) == LOOK.track


def test_frames_without_a_result_are_hatched() -> None:
    pixels = painted(lane(num_frames=2, unknown=[1]), 24)
    strip = pixels[DOUBTS_PX : DOUBTS_PX + STRIP_PX, 12:, :3]
    hatched = (strip == LOOK.hatch).all(axis=2)
    # One px of six in every row, moved by one from row to row.
    assert hatched.sum(axis=1).tolist() == [2] * STRIP_PX
    assert (hatched[1, :-1] == hatched[0, 1:]).all()
    assert (strip[~hatched] == LOOK.paper).all()


def test_a_missing_frame_among_known_ones_breaks_their_column() -> None:
    whole = painted(lane(num_frames=24), 12)
    broken = painted(lane(num_frames=24, unknown=[0, 2, 4, 6, 8, 10]), 12)
    assert (whole[BOTTOM, :, :3] == COLOR).all()
    gaps = (broken[BOTTOM, :6, :3] == LOOK.paper).all(axis=1)
    assert gaps.sum() == 1


def test_every_doubtful_column_is_underlined_and_a_run_has_one_sign() -> None:
    pixels = painted(lane(num_frames=40), 40, doubtful=(10, 11, 12, 13, 14))
    line = pixels[DOUBTS_PX - 2, :, :3]
    assert np.flatnonzero((line == LOOK.warning).all(axis=1)).tolist() == [10, 11, 12, 13, 14]
    # The sign is a square of 3 px in this test, around row 8: just above the strip.
    for row, columns in ((6, []), (7, [11, 12, 13]), (9, [11, 12, 13])):
        red = (pixels[row, :, :3] == LOOK.warning).all(axis=1)
        assert np.flatnonzero(red).tolist() == columns


def test_corrected_and_locked_frames_have_marks_at_different_heights() -> None:
    plain = painted(lane(num_frames=10), 100)
    corrected = painted(lane(num_frames=10, corrected=[2]), 100)
    locked = painted(lane(num_frames=10, locked=[2]), 100)
    rows_corrected = np.flatnonzero((plain != corrected).any(axis=(1, 2)))
    rows_locked = np.flatnonzero((plain != locked).any(axis=(1, 2)))
    assert rows_corrected.size
    assert rows_locked.size
    assert not set(rows_corrected) & set(rows_locked)
    # Both are in the middle of frame 2, columns 20 to 29.
    assert rgb(corrected, DOUBTS_PX + 4, 25) == LOOK.ink
    assert rgb(locked, LANE_PX - 1, 25) == LOOK.ink


def test_a_single_locked_frame_of_ten_thousand_is_a_bar_of_three_px() -> None:
    plain = painted(lane(num_frames=10_000), 100)
    pixels = painted(lane(num_frames=10_000, locked=[5050]), 100)
    bar = DOUBTS_PX + STRIP_PX + 1
    assert np.flatnonzero((pixels != plain)[bar].any(axis=1)).tolist() == [49, 50, 51]


def test_wide_frames_are_set_apart_and_narrow_ones_are_not() -> None:
    wide, narrow = painted(lane(num_frames=4), 40), painted(lane(num_frames=40), 40)
    seams = (wide[BOTTOM, :, :3] == LOOK.paper).all(axis=1)
    assert np.flatnonzero(seams).tolist() == [9, 19, 29]
    assert (narrow[BOTTOM, :, :3] == COLOR).all()


def test_twice_as_many_device_px_show_the_same_twice_as_large() -> None:
    shown = lane(num_frames=4, score={1: 0.5}, absent=[2])
    small, large = painted(shown, 40), painted(shown, 80, dpr=2)
    assert large.shape == (2 * small.shape[0], 2 * small.shape[1], 4)
    assert heights(large, 2)[2 * 15] == pytest.approx(2 * heights(small)[15], abs=1)
    assert heights(large, 2)[2 * 25] == 2 * heights(small)[25] == 2


def test_all_pixels_are_opaque() -> None:
    assert (painted(lane(unknown=[3], locked=[1]), 50)[..., 3] == 255).all()


def test_marks_at_the_borders_are_cut_off() -> None:
    pixels = painted(lane(num_frames=50, locked=[0, 49]), 50)
    assert rgb(pixels, LANE_PX - 1, 0) == rgb(pixels, LANE_PX - 1, 49) == LOOK.ink


def test_marks_never_overlap() -> None:
    mask = np.zeros(30, dtype=bool)
    mask[[2, 5, 8, 20]] = True
    assert mark_places(mask, 5).tolist() == [2, 8, 20]


def test_a_run_has_a_mark_in_its_middle_or_one_per_wide_frame() -> None:
    mask = np.zeros(40, dtype=bool)
    mask[10:30] = True
    assert mark_places(mask, 5).tolist() == [20]
    assert mark_places(mask, 5, per_frame=10).tolist() == [15, 25]
    assert mark_places(np.zeros(40, dtype=bool), 5).tolist() == []


def test_the_index_leaves_out_doubts_on_reviewed_frames() -> None:
    both = timeline(doubts=[doubt(2), doubt(7), doubt(7, severity=0.1)])
    assert TimelineIndex(both).num_left == 2
    index = TimelineIndex(timeline(doubts=both.doubts, reviewed=[7]))
    assert (index.num_left, index.num_reviewed) == (1, 1)
    assert np.flatnonzero(index.doubtful(1)).tolist() == [2]
    assert index.doubts_at(7) == []
    assert not index.doubtful(99).any()


def test_the_index_finds_doubts_by_frame_and_object() -> None:
    index = TimelineIndex(timeline(lane(1), lane(2), doubts=[doubt(4, 1), doubt(4, 2)]))
    assert [d.object_id for d in index.doubts_at(4)] == [1, 2]
    assert [d.object_id for d in index.doubts_at(4, 2)] == [2]


def test_key_frames_outside_the_movie_are_left_out() -> None:
    assert np.flatnonzero(TimelineIndex(timeline(key_frames=[3, 99])).key_frames).tolist() == [3]


@pytest.mark.parametrize(
    "change",
    [{"unknown": [3]}, {"absent": [3]}, {"score": {3: 0.5}}, {"corrected": [3]}, {"locked": [3]}],
    ids=lambda change: next(iter(change)),
)
def test_lanes_look_the_same_until_something_changes(change: dict) -> None:
    assert same_lane(lane(absent=[5]), lane(absent=[5]))
    assert not same_lane(lane(absent=[5]), lane(**{"absent": [5], **change}))
