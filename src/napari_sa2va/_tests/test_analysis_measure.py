"""Measurements of small objects, worked out by hand, and the curves and tracks made of them."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_sa2va.analysis import collect, curve, curves_of, measure, title_of, tracks_of
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError, ShapeMismatch
from napari_sa2va.core.masklet import Masklet

Box = tuple[int, int, int, int]  # y, x, height, width


def masklet(object_id: int, boxes: list[Box | None], scores: list[float] | None = None) -> Masklet:
    """Rectangles in frames of 8 x 10 px; None where nothing is known."""
    made = Masklet.empty(object_id, f"object {object_id}", "", (len(boxes), 8, 10))
    for t, box in enumerate(boxes):
        if box is not None:
            y, x, height, width = box
            mask = np.zeros((8, 10), bool)
            mask[y : y + height, x : x + width] = True
            made.set_mask(t, mask, float("nan") if scores is None else scores[t])
    return made


def clip_of(pixels: np.ndarray, **facts) -> Clip:
    return Clip(da.from_array(pixels, chunks=(1, *pixels.shape[1:])), limits=(0.0, 1.0), **facts)


def grey(num_frames: int = 3, **facts) -> Clip:
    return clip_of(np.zeros((num_frames, 8, 10), np.uint16), **facts)


NOTHING: Box = (0, 0, 0, 0)
MOVING = [(0, 0, 2, 4), (3, 4, 2, 4), (3, 4, 2, 2)]
"""Centroids (0.5, 1.5), (3.5, 5.5), (3.5, 4.5): 5 px on, then 1 px back."""


def test_a_clip_that_knows_its_units_is_measured_in_um_and_s():
    clip = grey(pixel_size_um=(0.5, 0.5), frame_interval_s=2.0)
    table = collect(measure(clip, [masklet(4, MOVING, scores=[0.5, 0.75, 1.0])]))
    expected = {
        "index": [4, 4, 4],
        "name": ["object 4"] * 3,
        "frame": [0, 1, 2],
        "time_s": [0, 2, 4],
        "area_px": [8, 8, 4],
        "area_um2": [2, 2, 1],
        "centroid_y_px": [0.5, 3.5, 3.5],
        "centroid_x_px": [1.5, 5.5, 4.5],
        "centroid_y_um": [0.25, 1.75, 1.75],
        "centroid_x_um": [0.75, 2.75, 2.25],
        "bbox_y0_px": [0, 3, 3],
        "bbox_x0_px": [0, 4, 4],
        "bbox_y1_px": [2, 5, 5],
        "bbox_x1_px": [4, 8, 6],
        "mean_intensity": [0, 0, 0],
        "speed_px_frame": [np.nan, 5, 1],
        "speed_um_s": [np.nan, 1.25, 0.25],  # 2.5 um in 2 s, 0.5 um in 2 s
        "elongation": [2, 2, 1],
        "score": [0.5, 0.75, 1],
    }
    assert list(table) == list(expected)
    for column, values in expected.items():
        if column == "name":
            assert table[column].tolist() == values
        else:
            np.testing.assert_allclose(table[column], values, rtol=1e-12, err_msg=column)
        assert title_of(column)


def test_a_clip_that_knows_no_units_is_measured_in_px_and_frames():
    table = collect(measure(grey(), [masklet(1, MOVING)]))
    assert not [column for column in table if column.endswith(("um", "um2", "_s"))]
    np.testing.assert_array_equal(table["speed_px_frame"], [np.nan, 5, 1])
    with_size = collect(measure(grey(pixel_size_um=(0.5, 0.5)), [masklet(1, MOVING)]))
    np.testing.assert_array_equal(with_size["speed_um_frame"], [np.nan, 2.5, 0.5])
    assert "speed_um_s" not in with_size


def test_pixels_that_are_no_squares_count_as_what_they_are():
    # 1.5 um high, 0.5 um wide: from (0.5, 1.5) to (3.5, 5.5) it is 4.5 um down and 2 um right
    clip = grey(pixel_size_um=(1.5, 0.5), frame_interval_s=1.0)
    table = collect(measure(clip, [masklet(1, MOVING)]))
    np.testing.assert_allclose(table["area_um2"], [6, 6, 3])
    np.testing.assert_allclose(table["speed_um_s"], [np.nan, np.hypot(4.5, 2), 0.5])
    # 2 x 4 px are 3 um x 2 um, and 2 x 2 px are 3 um x 1 um
    np.testing.assert_allclose(table["elongation"], [1.5, 1.5, 3])


def test_an_absent_object_has_no_row_and_its_gap_slows_it_down():
    boxes = [(0, 0, 2, 4), NOTHING, None, (3, 4, 2, 4)]
    table = collect(measure(grey(4, frame_interval_s=0.5), [masklet(1, boxes)]))
    assert table["frame"].tolist() == [0, 3]
    assert table["time_s"].tolist() == [0, 1.5]
    assert table["speed_px_frame"][1] == pytest.approx(5 / 3)  # 5 px in 3 frames


def test_rows_come_by_frame_and_in_the_order_of_the_objects():
    objects = [masklet(7, MOVING), masklet(2, [NOTHING, (0, 0, 1, 1), (0, 0, 1, 1)])]
    table = collect(measure(grey(), objects))
    assert list(zip(table["frame"].tolist(), table["index"].tolist(), strict=True)) == [
        (0, 7), (1, 7), (1, 2), (2, 7), (2, 2)
    ]  # fmt: skip
    assert table["name"].tolist() == [f"object {i}" for i in table["index"]]


def test_speed_does_not_depend_on_which_frames_are_measured():
    whole = collect(measure(grey(), [masklet(1, MOVING)]))
    for frames in ([2], [0, 2], [2, 1]):
        part = collect(measure(grey(), [masklet(1, MOVING)], frames))
        assert part["frame"].tolist() == sorted(frames)
        for column, values in part.items():
            np.testing.assert_array_equal(values, whole[column][sorted(frames)], err_msg=column)


def test_the_mean_is_that_of_the_clips_own_values_under_the_mask():
    pixels = np.zeros((1, 8, 10), np.uint16)
    pixels[0, 2, 3], pixels[0, 3, 4], pixels[0, 0, 0] = 1000, 65535, 500
    table = collect(measure(clip_of(pixels), [masklet(1, [(2, 3, 2, 2)])]))
    assert table["mean_intensity"].tolist() == [66535 / 4]


def test_each_channel_has_its_column():
    pixels = np.zeros((1, 8, 10, 2), np.float32)
    pixels[..., 0], pixels[..., 1] = np.arange(8)[:, np.newaxis], 3.5
    clip = clip_of(pixels, channel_names=("DAPI", "GFP"))
    table = collect(measure(clip, [masklet(1, [(2, 3, 2, 2)])]))
    assert table["mean_intensity_DAPI"].tolist() == [2.5]
    assert table["mean_intensity_GFP"].tolist() == [3.5]
    assert "mean_intensity" not in table
    one = collect(measure(clip, [masklet(1, [(2, 3, 2, 2)])], channels=[1]))
    assert [c for c in one if c.startswith("mean_intensity")] == ["mean_intensity_GFP"]
    assert one["mean_intensity_GFP"].tolist() == [3.5]


@pytest.mark.parametrize("names", [(), ("GFP", "GFP"), ("", "GFP")])
def test_channels_whose_names_are_not_clear_are_numbered(names):
    clip = clip_of(np.zeros((1, 8, 10, 2), np.uint8), channel_names=names)
    table = collect(measure(clip, [masklet(1, [(0, 0, 1, 1)])]))
    assert [c for c in table if "intensity" in c] == ["mean_intensity_0", "mean_intensity_1"]


def test_a_pixel_that_is_nan_shows_in_the_mean():
    pixels = np.ones((1, 8, 10), np.float32)
    pixels[0, 0, 0] = np.nan
    table = collect(
        measure(clip_of(pixels), [masklet(1, [(0, 0, 2, 2)]), masklet(2, [(4, 4, 2, 2)])])
    )
    np.testing.assert_array_equal(table["mean_intensity"], [np.nan, 1])


def counting(num_frames: int) -> tuple[Clip, list[int]]:
    """A clip, and the frames that were read of it."""
    read: list[int] = []

    def load(block_info=None) -> np.ndarray:
        read.append(block_info[None]["chunk-location"][0])
        return np.zeros((1, 8, 10), np.uint16)

    chunks = ((1,) * num_frames, (8,), (10,))
    frames = da.map_blocks(
        load, chunks=chunks, dtype=np.uint16, meta=np.empty((0, 0, 0), np.uint16)
    )
    return Clip(frames, limits=(0.0, 1.0)), read


def test_each_frame_is_read_once_when_its_turn_comes_and_only_if_an_object_is_there():
    clip, read = counting(4)
    objects = [
        masklet(1, [(0, 0, 2, 2), NOTHING, None, (1, 1, 2, 2)]),
        masklet(2, [(5, 5, 2, 2)] * 4),
    ]
    objects[1].codes[1] = None
    tables = measure(clip, objects)
    assert read == []
    next(tables)
    assert read == [0]
    empty = next(tables)
    assert read == [0]
    assert {len(values) for values in empty.values()} == {0}
    assert len(list(tables)) == 2
    assert read == [0, 2, 3]


def test_without_channels_no_frame_is_read():
    clip, read = counting(2)
    table = collect(measure(clip, [masklet(1, [(0, 0, 2, 2)] * 2)], channels=[]))
    assert read == []
    assert table["area_px"].tolist() == [4, 4]
    assert not [column for column in table if "intensity" in column]


def test_masks_that_change_meanwhile_are_measured_as_they_were():
    one = masklet(1, MOVING)
    tables = measure(grey(), [one])
    one.set_mask(0, np.ones((8, 10), bool))
    assert next(tables)["area_px"].tolist() == [8]


def test_what_cannot_be_measured_is_refused_at_the_call():
    with pytest.raises(ShapeMismatch, match="the clip"):
        measure(grey(4), [masklet(1, MOVING)])
    with pytest.raises(RequestError, match=r"Frames \[3\]"):
        measure(grey(), [masklet(1, MOVING)], [3])
    with pytest.raises(RequestError, match="no channel 1"):
        measure(grey(), [masklet(1, MOVING)], channels=[1])
    with pytest.raises(RequestError, match="id 1"):
        measure(grey(), [masklet(1, MOVING), masklet(1, MOVING)])


def test_a_table_of_nothing_has_its_columns_and_no_rows():
    table = collect(measure(grey(), []))
    assert "area_px" in table
    assert {len(values) for values in table.values()} == {0}
    assert collect([]) == {}
    assert collect(measure(grey(), [masklet(1, MOVING)], [])) == {}


def test_tables_of_different_clips_are_not_joined():
    tables = [*measure(grey(), []), *measure(grey(pixel_size_um=(1, 1)), [])]
    with pytest.raises(RequestError, match="cannot be joined"):
        collect(tables)


def test_a_curve_has_a_gap_where_the_object_is_absent():
    boxes = [(0, 0, 2, 4), NOTHING, (0, 0, 2, 2)]
    table = collect(measure(grey(), [masklet(1, boxes), masklet(2, MOVING)]))
    np.testing.assert_array_equal(curve(table, "area_px", 1, 3), [8, np.nan, 4])
    np.testing.assert_array_equal(curve(table, "area_px", 2, 4), [8, 8, 4, np.nan])
    assert np.isnan(curve(table, "area_px", 9, 3)).all()
    lines = curves_of(table, ["area_px", "speed_px_frame"], 3)
    assert list(lines) == ["Area (px)", "Speed (px/frame)"]
    np.testing.assert_array_equal(lines["Area (px)"][1], [8, np.nan, 4])
    assert list(lines["Speed (px/frame)"]) == [1, 2]
    assert curves_of({}, [], 3) == {}


def test_a_curve_that_cannot_be_drawn_is_refused():
    table = collect(measure(grey(), [masklet(1, MOVING)]))
    with pytest.raises(RequestError, match="no column 'area_um2'"):
        curve(table, "area_um2", 1, 3)
    with pytest.raises(RequestError, match="no numbers"):
        curve(table, "name", 1, 3)
    with pytest.raises(RequestError, match="frame 2, the clip has 2"):
        curve(table, "area_px", 1, 2)
    with pytest.raises(RequestError, match="'perimeter'"):
        title_of("perimeter")


def test_channels_are_called_by_their_names():
    assert title_of("mean_intensity_GFP") == "Mean intensity, GFP"
    assert title_of("mean_intensity") == "Mean intensity"


def test_tracks_are_sorted_by_object_and_frame():
    objects = [masklet(7, MOVING), masklet(2, [None, (0, 0, 1, 1), NOTHING])]
    expected = [[2, 1, 0, 0], [7, 0, 0.5, 1.5], [7, 1, 3.5, 5.5], [7, 2, 3.5, 4.5]]
    assert tracks_of(objects).data.tolist() == expected
    table = collect(measure(grey(), objects))
    assert tracks_of(table).data.tolist() == expected


def test_the_graph_names_only_objects_that_have_rows():
    there = [masklet(i, [(0, i, 1, 1)] * 3) for i in (1, 2, 3)]
    nowhere = masklet(4, [NOTHING] * 3)
    parents = {3: (1,), 2: (1, 4, 1), 4: (1,), 1: (8,)}
    assert tracks_of([*there, nowhere], parents).graph == {2: [1], 3: [1]}
    assert tracks_of(there).graph == {}


def test_of_nothing_there_are_no_tracks():
    for source in ([], {}, [masklet(1, [NOTHING])], collect(measure(grey(), []))):
        data, graph = tracks_of(source, {2: (1,)})
        assert (data.shape, graph) == ((0, 4), {})


@pytest.mark.parametrize("parents", [{1: (1,)}, {1: (2,), 2: (3,), 3: (1,)}])
def test_no_object_is_its_own_ancestor(parents):
    with pytest.raises(RequestError, match="own ancestor"):
        tracks_of([masklet(1, MOVING)], parents)


def test_a_grandparent_that_is_reached_twice_is_no_circle():
    objects = [masklet(i, MOVING) for i in (1, 2, 3, 4)]
    parents = {4: (2, 3), 2: (1,), 3: (1,)}
    assert tracks_of(objects, parents).graph == {2: [1], 3: [1], 4: [2, 3]}


def test_a_table_that_has_a_frame_twice_makes_no_tracks():
    table = collect(
        [*measure(grey(), [masklet(1, MOVING)]), *measure(grey(), [masklet(1, MOVING)], [1])]
    )
    with pytest.raises(RequestError, match="object 1 twice on frame 1"):
        tracks_of(table)


def test_napari_takes_the_tracks():
    layers = pytest.importorskip("napari.layers", reason="napari is an extra")
    objects = [masklet(i, [(i, i, 2, 2), NOTHING, (i, i, 2, 2)]) for i in (3, 1, 2)]
    data, graph = tracks_of(objects, {2: (1,), 3: (1,), 9: (1,)})
    layer = layers.Tracks(data, graph=graph)
    np.testing.assert_array_equal(layer.data, data)
    assert layer.graph == {2: [1], 3: [1]}
