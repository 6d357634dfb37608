"""What is written is read back by another program, whatever it is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sa2va._tests.every_writer import (
    LEFT,
    RIGHT,
    each,
    each_read_back,
    each_writer,
    has_reader,
    kind_of,
    write,
)
from napari_sa2va._tests.made_results import of_images, of_masks
from napari_sa2va._tests.read_back import NO_MASKS, READ_BACK
from napari_sa2va.core.errors import OutputError
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.result import Result

pytestmark = [
    pytest.mark.filterwarnings("ignore:Empty frame"),  # of ctc_metrics: some are, on purpose
    pytest.mark.filterwarnings("ignore:__array__ implementation"),  # of pycocotools
]

each_without_overlaps = each(lambda w: has_reader(w) and not w.FORMAT.overlaps)
each_with_a_largest_id = each(lambda w: has_reader(w) and w.FORMAT.most_ids)


def test_every_writer_is_read_back_by_another_program() -> None:
    assert {kind_of(w) for w in WRITERS} == READ_BACK.keys() | NO_MASKS


def _written_and_read(writer: ModuleType, result: Result) -> np.ndarray:
    with TemporaryDirectory() as folder:
        path = write(writer, Path(folder), result).path
        return READ_BACK[kind_of(writer)](path, result)


@st.composite
def _labels(draw: st.DrawFn) -> np.ndarray:
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=5))
    ids = draw(st.lists(st.integers(1, 254), min_size=1, max_size=3))
    labels = draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, *ids])))
    return labels.astype(draw(st.sampled_from([np.uint8, np.uint16, np.int32, np.int64])))


few = settings(max_examples=20, deadline=None)


@each_read_back
@given(labels=_labels(), data=st.data())
@few
def test_what_is_written_is_read_back(
    writer: ModuleType, labels: np.ndarray, data: st.DataObject
) -> None:
    """Any size from one pixel on, one frame and more, empty frames, no object, z that plays."""
    axis = data.draw(st.sampled_from(["T", "Z", None] if len(labels) == 1 else ["T", "Z"]))
    np.testing.assert_array_equal(
        _written_and_read(writer, of_images(labels, time_axis=axis)), labels
    )


@each_read_back
@given(labels=_labels(), planes=st.integers(2, 3))
@few
def test_planes_are_read_back_where_there_may_be_some(
    writer: ModuleType, labels: np.ndarray, planes: int
) -> None:
    result = of_images(
        np.concatenate([np.roll(labels, z, axis=2) for z in range(planes)]), num_planes=planes
    )
    if writer.FORMAT.planes:
        back = _written_and_read(writer, result)
        np.testing.assert_array_equal(back, [result.labels(f) for f in range(result.num_frames)])
    else:
        with pytest.raises(OutputError, match="has no z axis"):
            _written_and_read(writer, result)


@each_without_overlaps
@pytest.mark.parametrize("overlap", ["last", "first"])
def test_who_keeps_a_pixel_is_as_was_asked(writer: ModuleType, overlap: str) -> None:
    result = of_masks({1: LEFT, 2: RIGHT}, overlap=overlap)
    back = _written_and_read(writer, result)
    assert back[1, 0].tolist() == [1, 1, 1, 2 if overlap == "last" else 1, 2, 2]


@each_writer
def test_ids_beyond_16_bits_are_held_or_refused(writer: ModuleType, tmp_path: Path) -> None:
    labels = np.array([[[0, 70_000], [65_536, 1]]], np.uint32)
    result = of_images(labels)
    if 0 < writer.FORMAT.most_ids < 70_000:
        with pytest.raises(OutputError, match="there is 70000"):
            write(writer, tmp_path, result)
        assert list(tmp_path.iterdir()) == []
        return
    path = write(writer, tmp_path, result).path
    if has_reader(writer):
        np.testing.assert_array_equal(READ_BACK[kind_of(writer)](path, result), labels)


@each_with_a_largest_id
def test_the_largest_id_is_held(writer: ModuleType, tmp_path: Path) -> None:
    most = writer.FORMAT.most_ids
    labels = np.array([[[0, most], [most - 1, 1]]], np.uint32)
    path = write(writer, tmp_path, of_images(labels)).path
    np.testing.assert_array_equal(READ_BACK[kind_of(writer)](path, of_images(labels)), labels)
