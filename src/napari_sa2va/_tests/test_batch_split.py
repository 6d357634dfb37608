"""A movie is split into windows that run as the whole would, and tiles that look as they do in it."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_sa2va._tests.made_units import SETTINGS, made_unit
from napari_sa2va.batch.course import Course
from napari_sa2va.batch.part import open_part, open_whole, settings_of_part
from napari_sa2va.batch.split import SplitSettings, split
from napari_sa2va.batch.survey import look
from napari_sa2va.batch.tiles import spans, tiles
from napari_sa2va.batch.unit import Facts, Part, Unit
from napari_sa2va.core.errors import ClipError, PixelError, RequestError
from napari_sa2va.core.region_box import Box
from napari_sa2va.propagation import AnyPropagation
from napari_sa2va.propagation.backward import Backward
from napari_sa2va.propagation.both import Both
from napari_sa2va.propagation.forward import Forward
from napari_sa2va.propagation.none import KeyFramesOnly
from napari_sa2va.propagation.range import Range
from napari_sa2va.readers.open import open_clip
from napari_sa2va.sampling.manual import Manual
from napari_sa2va.settings import RunSettings

# ---- windows in time


def course(rule: AnyPropagation, num_frames: int, prompted: list[int]) -> Course:
    found = Course.of(rule(num_frames, prompted))
    assert found is not None
    return found


def visited(passes) -> list[int]:
    return [t for sweep in passes for t in sweep.frames]


def test_the_course_of_every_order_worked_out_by_hand():
    assert course(Forward(), 10, [2, 5]) == Course(2, 2, 9)
    assert course(Backward(), 10, [2, 5]) == Course(0, 6, 5)
    assert course(Both(), 10, [2, 5]) == Course(0, 2, 9)
    assert course(Both(), 10, [0]) == Course(0, 0, 9)
    assert course(Range(first_frame=3, last_frame=7), 10, [5]) == Course(3, 5, 7)
    assert course(Range(first_frame=3, last_frame=7), 10, [9]) == Course(3, 8, 7)
    assert Course.of(KeyFramesOnly()(10, [2, 5])) is None


def test_windows_worked_out_by_hand():
    # Forward: each window but the first is tracked from two frames before its own.
    assert Course(0, 0, 8).windows(3, 2) == [(0, 2), (1, 5), (4, 8)]
    # Back: what is remembered of frame 2 is of frames 3 and 4.
    assert Course(0, 9, 8).windows(3, 2) == [(0, 4), (3, 7), (6, 8)]
    # Forward from 4, then back: frame 3 remembers 4 and 5, which are tracked first.
    assert Course(0, 4, 8).windows(3, 2) == [(0, 4), (3, 5), (4, 8)]
    # Never more than there is.
    assert Course(3, 3, 6).windows(2, 100) == [(3, 4), (3, 6)]
    assert Course(0, 0, 2).windows(1, 0) == [(0, 0), (1, 1), (2, 2)]


@st.composite
def courses(draw) -> Course:
    first = draw(st.integers(0, 5))
    last = first + draw(st.integers(0, 30))
    return Course(first, draw(st.integers(first, last + 1)), last)


@given(courses())
def test_an_order_is_made_of_a_course_and_a_course_of_an_order(whole):
    prompted = [min(whole.turn, whole.last)]
    passes = whole.order(40, prompted)
    assert Course.of(passes) == whole
    back = [*range(whole.turn - 1, whole.first - 1, -1)]
    assert visited(passes) == [*range(whole.turn, whole.last + 1), *back]
    assert all(sweep.reverse == (sweep.frames.step < 0) for sweep in passes)


@given(courses(), st.integers(1, 12), st.integers(0, 40))
def test_a_window_comes_to_its_own_frames_with_what_the_whole_run_has_tracked_just_before(
    whole, num_frames, overlap
):
    before = {}  # frame -> those visited before it in the whole run
    seen: set[int] = set()
    for sweep in whole.order(40, [whole.first]):
        for t in sweep.frames:
            before[t] = set(seen), sweep.reverse
            seen.add(t)
    windows = [whole.between(*ends) for ends in whole.windows(num_frames, overlap)]
    assert {t for w in windows for t in range(w.first, w.last + 1)} == set(before)
    for t, (known, reverse) in before.items():
        warmest = max(
            (w for w in windows if w.first <= t <= w.last), key=lambda window: window.warmth(t)
        )
        done: set[int] = set()
        for sweep in warmest.order(40, [whole.first]):
            if t in sweep.frames:
                assert sweep.reverse == reverse
                done |= set(sweep.frames[: sweep.frames.index(t)])
                break
            done |= set(sweep.frames)
        way = 1 if reverse else -1
        remembered = {t + way * d for d in range(1, overlap + 1)}
        assert remembered & known == remembered & done


def facts(unit: Unit, **more: int) -> Facts:
    size = {"num_frames": 100, "height": 64, "width": 80, "num_channels": 1}
    return Facts(unit_id=unit.unit_id, key=unit.key, **{**size, **more})


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    """A movie of 16 bits that is black but for a bright corner, 100 frames of 64 x 80 px."""
    frames = np.zeros((100, 64, 80), np.uint16)
    frames[:, 40:, 50:] = np.arange(24 * 30).reshape(24, 30)
    tifffile.imwrite(tmp_path / "movie.tif", frames, metadata={"axes": "TYX"})
    outputs = [{"path": "/x.tif", "kind": "ctc"}]
    return made_unit("u1", tmp_path / "movie.tif", sentences=("the cell",), outputs=outputs)


def test_what_is_not_too_long_or_too_large_is_not_split(unit):
    for chosen in (
        SplitSettings(),
        SplitSettings(window_frames=100, tile_px=80),
        SplitSettings(most_gb=100),
    ):
        assert split(unit, facts(unit), SETTINGS, chosen) == (unit,)


def test_what_cannot_be_read_is_left_to_fail_by_itself(unit):
    chosen = SplitSettings(window_frames=10)
    wrong = facts(unit).model_copy(update={"problem": "It is damaged."})
    assert split(unit, wrong, SETTINGS, chosen) == (unit,)
    tifffile.imwrite(unit.path, np.zeros((100, 64, 80), np.uint16), metadata={"axes": "TYX"})
    assert split(unit, facts(unit), SETTINGS, chosen) == (unit,)  # it has nothing to see


def test_parts_are_units_of_their_own_and_the_last_one_merges_them(unit):
    chosen = SplitSettings(window_frames=50, overlap_frames=8, tile_px=64, tile_overlap_px=16)
    *parts, whole = split(unit, facts(unit), SETTINGS, chosen)
    assert [part.part for part in parts] == [
        Part(first_frame=0, last_frame=49, box=(0, 0, 64, 48)),
        Part(first_frame=42, last_frame=99, box=(0, 0, 64, 48)),
        Part(first_frame=0, last_frame=49, box=(0, 32, 64, 80)),
        Part(first_frame=42, last_frame=99, box=(0, 32, 64, 80)),
    ]
    assert [part.unit_id for part in parts] == [f"u1-part-{n}" for n in (1, 2, 3, 4)]
    assert parts[1].movie == f"{unit.movie} (part 2 of 4)"
    assert all(part.outputs == () and part.sentences == unit.sentences for part in parts)
    assert whole.parts == tuple(part.unit_id for part in parts)
    assert whole.unit_id == "u1"
    assert whole.outputs == unit.outputs
    assert len({unit.key, whole.key, *(part.key for part in parts)}) == 6


def test_the_same_split_gives_the_same_keys_and_another_one_others(unit):
    def keys(**chosen: int) -> list[str]:
        return [u.key for u in split(unit, facts(unit), SETTINGS, SplitSettings(**chosen))]

    assert keys(window_frames=50) == keys(window_frames=50)
    longer = keys(window_frames=50, overlap_frames=40)
    assert keys(window_frames=50)[0] == longer[0]  # the first window has no overlap
    assert not set(keys(window_frames=50)[1:]) & set(longer[1:])


def test_a_long_id_leaves_room_for_the_number_of_the_part(unit):
    long = unit.model_copy(update={"unit_id": "u" * 80})
    *parts, whole = split(long, facts(unit), SETTINGS, SplitSettings(window_frames=10))
    assert [Unit.model_validate(u.model_dump()) for u in parts] == parts
    assert len({u.unit_id for u in (*parts, whole)}) == 11


def with_order(rule: AnyPropagation, *key_frames: int) -> RunSettings:
    tracking = SETTINGS.tracking.model_copy(update={"propagation": rule})
    sampling = Manual(frames=key_frames)
    return SETTINGS.model_copy(update={"tracking": tracking, "sampling": sampling})


def test_a_window_has_the_settings_of_the_whole_but_for_the_frames_it_tracks(unit):
    settings = with_order(Both(), 50)
    first, _, last, _ = split(unit, facts(unit), settings, SplitSettings(window_frames=34))
    assert [first.part, last.part] == [
        Part(first_frame=0, last_frame=65),
        Part(first_frame=50, last_frame=99),
    ]
    found = settings_of_part(first, settings, 100)
    order = Range(first_frame=0, last_frame=65, start_frame=50)
    assert found.tracking.propagation == order
    assert found.model_copy(update={"tracking": settings.tracking}) == settings
    assert RunSettings.model_validate_json(found.model_dump_json()) == found
    assert visited(order(100, [50])) == [*range(50, 66), *range(49, -1, -1)]
    assert visited(settings_of_part(last, settings, 100).tracking.propagation(100, [50])) == [
        *range(50, 100)
    ]


def test_a_tile_has_the_settings_of_the_whole(unit):
    *parts, _ = split(unit, facts(unit), SETTINGS, TILES)
    assert all(settings_of_part(part, SETTINGS, 100) == SETTINGS for part in parts)


def test_frames_that_are_drawn_one_by_one_are_not_cut_into_windows(unit):
    settings = with_order(KeyFramesOnly(), 3, 70)
    assert split(unit, facts(unit), settings, SplitSettings(window_frames=10)) == (unit,)
    *parts, _ = split(unit, facts(unit), settings, TILES.model_copy(update={"window_frames": 10}))
    assert len(parts) == 2
    assert settings_of_part(parts[0], settings, 100) == settings


# ---- tiles in space


TILES = SplitSettings(tile_px=70, tile_overlap_px=16)


def test_tiles_worked_out_by_hand():
    assert spans(100, 60, 10) == [(0, 55), (45, 100)]
    assert spans(100, 100, 10) == [(0, 100)]
    assert spans(101, 100, 10) == [(0, 55), (45, 101)]
    assert tiles(50, 100, 60, 10) == [Box(0, 0, 50, 55), Box(0, 45, 50, 100)]


@given(st.integers(1, 400), st.integers(1, 100), st.integers(1, 100))
def test_tiles_cover_a_side_and_overlap_as_they_should(length, overlap, more):
    longest = overlap + more
    found = spans(length, longest, overlap)
    assert (found[0][0], found[-1][1]) == (0, length)
    assert all(0 < end - start <= longest for start, end in found)
    assert all(a[1] - b[0] == overlap for a, b in pairwise(found))
    # None is so small that it lies in its neighbour.
    assert len(found) == 1 or all(end - start > overlap for start, end in found)


def test_tiles_are_made_smaller_until_a_run_fits(unit):
    vast = facts(unit, height=20_000, width=10_000)
    *parts, _ = split(unit, vast, SETTINGS, SplitSettings(most_gb=1, tile_overlap_px=100))
    heights = {part.part.box[2] - part.part.box[0] for part in parts}
    assert len(parts) > 4
    assert max(heights) <= 8192  # 15 bytes per px
    # Even the smallest tile does not make a network smaller.
    *parts, _ = split(unit, facts(unit, height=600), SETTINGS, SplitSettings(most_gb=0.001))
    assert {part.part.box[2] - part.part.box[0] for part in parts} == {243, 242}


def test_frames_too_large_for_masks_are_refused(unit):
    with pytest.raises(RequestError, match="70000 × 70000 px"):
        split(unit, facts(unit, height=70_000, width=70_000), SETTINGS, SplitSettings(tile_px=999))


def test_tiles_that_are_all_overlap_are_refused():
    with pytest.raises(ValidationError, match="tiles of 64 px overlap by 64 px"):
        SplitSettings(tile_px=64)


def test_a_tile_looks_as_it_does_in_the_whole_also_where_there_is_nothing(unit):
    whole = open_clip(unit.path)
    with pytest.raises(PixelError):  # alone, it would not be taken for a movie
        open_clip(unit.path, box=(0, 0, 30, 40), limits=(0, 900))
    *parts, merged = split(unit, look(unit, SETTINGS), SETTINGS, TILES)
    dark, bright = (open_part(part) for part in parts)
    assert not dark.rgb(3)[:30].any()
    for clip, part in ((dark, parts[0]), (bright, parts[1])):
        np.testing.assert_array_equal(clip.rgb(3), Box(*part.part.box).crop(whole.rgb(3)))
    np.testing.assert_array_equal(open_whole(parts[0]).rgb(3), whole.rgb(3))
    assert merged.arguments == unit.arguments


def test_of_a_region_that_was_asked_for_tiles_are_cut_in_its_own_pixels(unit):
    arguments = unit.arguments.model_copy(update={"box": (30, 0, 64, 80)})
    cropped = unit.model_copy(update={"arguments": arguments})
    known = look(cropped, SETTINGS)
    assert (known.height, known.width) == (34, 80)
    *parts, _ = split(cropped, known, SETTINGS, TILES)
    assert parts[1].part.box == (0, 32, 34, 80)
    np.testing.assert_array_equal(
        open_part(parts[1]).frame(0), open_clip(unit.path).frame(0)[30:64, 32:80]
    )


def test_of_a_tile_only_the_chunks_it_touches_are_read(tmp_path):
    store = tmp_path / "movie.zarr"
    movie = np.random.default_rng(0).integers(0, 200, (2, 3072, 3072)).astype(np.uint8)
    zarr.create_array(store, data=movie, chunks=(1, 1024, 1024))
    unit = made_unit("u1", store, sentences=("the cell",), arguments={"axes": "TYX"})
    chosen = SplitSettings(tile_px=1600)
    first, *_, last, _ = split(unit, look(unit, SETTINGS), SETTINGS, chosen)
    assert first.part.box == (0, 0, 1568, 1568)
    for chunk in ("0/2", "1/2", "2/0", "2/1", "2/2"):
        (store / "c" / "1" / chunk).write_bytes(b"damaged")
    np.testing.assert_array_equal(open_part(first).frame(1), movie[1, :1568, :1568])
    with pytest.raises(ClipError, match="c/1/2/2"):
        open_part(last).frame(1)


def test_limits_of_vast_frames_are_found_without_holding_one(tmp_path):
    store = tmp_path / "movie.zarr"
    movie = zarr.create_array(
        store, shape=(1, 12_000, 12_000), chunks=(1, 1000, 1000), dtype="uint16", fill_value=100
    )
    movie[0, :2000, 4000:7000] = 900
    unit = made_unit("u1", store, sentences=("the cell",), arguments={"axes": "TYX"})
    known = look(unit, SETTINGS)
    tracemalloc.start()
    *parts, _ = split(unit, known, SETTINGS, SplitSettings(tile_px=7000))
    clip = open_part(parts[3])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clip.limits == ((100.0, 900.0),)
    assert not clip.crop(0, 0, 50, 50).rgb(0).any()
    assert peak < 100e6  # a frame has 288 MB
