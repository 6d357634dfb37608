"""Labels come back from the file with their values, axes, sizes, times and names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import OutputError, ShapeMismatch
from napari_sa2va.readers.open import open_clip, read_recording
from napari_sa2va.writers.label_tiff import write_labels_tiff

LABELS = np.zeros((4, 6, 8), np.uint16)
for t in range(4):
    LABELS[t, 1:3, t : t + 2] = 1
    LABELS[t, 4:, 4:] = 300


@pytest.fixture
def clip() -> Clip:
    frames = np.random.default_rng(0).integers(0, 255, LABELS.shape).astype(np.uint8)
    return replace(open_clip(frames), pixel_size_um=(0.5, 0.65), frame_interval_s=2.5)


def test_values_and_physical_facts_come_back(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    write_labels_tiff(path, clip, iter(LABELS))
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.data.compute(), LABELS)
    assert recording.axes == "TYX"
    assert recording.data.dtype == np.uint16
    assert recording.pixel_size_um == (0.5, 0.65)
    assert recording.frame_interval_s == 2.5


def test_programs_that_read_no_ome_find_the_pixel_size_in_the_tags(
    clip: Clip, tmp_path: Path
) -> None:
    write_labels_tiff(tmp_path / "a.ome.tif", clip, iter(LABELS))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        x = tif.pages[0].tags["XResolution"].value
        assert x[0] / x[1] == pytest.approx(1e4 / 0.65)
        assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE


def test_names_are_stored_by_id(clip: Clip, tmp_path: Path) -> None:
    names = {1: "the bright cell", 300: "a <strange> & \u00b5 one"}
    write_labels_tiff(tmp_path / "a.ome.tif", clip, iter(LABELS), names=names)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        root = ElementTree.fromstring(tif.ome_metadata)
    stored = {int(m.get("K")): m.text for m in root.iterfind(".//{*}MapAnnotation/{*}Value/{*}M")}
    assert stored == names


def test_a_clip_played_along_z_gives_a_volume(clip: Clip, tmp_path: Path) -> None:
    volume = replace(clip, time_axis="Z", frame_interval_s=None, z_step_um=3.0)
    write_labels_tiff(tmp_path / "a.ome.tif", volume, iter(LABELS))
    recording = read_recording(tmp_path / "a.ome.tif")
    assert recording.axes == "ZYX"
    assert recording.z_step_um == 3.0


def test_a_clip_without_sizes_gives_a_file_without(clip: Clip, tmp_path: Path) -> None:
    bare = replace(clip, pixel_size_um=None, frame_interval_s=None)
    write_labels_tiff(tmp_path / "a.ome.tif", bare, iter(LABELS))
    recording = read_recording(tmp_path / "a.ome.tif")
    assert recording.pixel_size_um is None
    assert recording.frame_interval_s is None


def test_one_frame_is_written_before_the_next_is_asked_for(tmp_path: Path) -> None:
    """The results of a long clip must not pile up in memory."""
    import tracemalloc

    side, count = 256, 60
    frames = np.random.default_rng(0).integers(0, 255, (1, side, side)).astype(np.uint8)
    long = open_clip(np.repeat(frames, count, axis=0))
    one = np.zeros((side, side), np.uint16)

    def labels() -> Iterator[np.ndarray]:
        for _ in range(count):
            yield one.copy()

    write_labels_tiff(tmp_path / "warm.ome.tif", long, labels())  # imports do not count
    tracemalloc.start()
    write_labels_tiff(tmp_path / "a.ome.tif", long, labels())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * one.nbytes < count * one.nbytes


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (LABELS[:3], "are 3 label images for 4"),
        (np.concatenate([LABELS, LABELS]), "more than 4 label images for 4"),
        (LABELS[:, :5], r"Labels of frame 0 have the shape \(5, 8\)"),
    ],
)
def test_frames_that_do_not_fit_the_clip_leave_no_file(
    frames: np.ndarray, said: str, clip: Clip, tmp_path: Path
) -> None:
    with pytest.raises(ShapeMismatch, match=said):
        write_labels_tiff(tmp_path / "a.ome.tif", clip, iter(frames))
    assert list(tmp_path.iterdir()) == []


def test_labels_are_not_overwritten_unless_told_so(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    write_labels_tiff(path, clip, iter(LABELS))
    with pytest.raises(OutputError, match="is there already"):
        write_labels_tiff(path, clip, iter(LABELS))
    write_labels_tiff(path, clip, iter(LABELS[::-1]), overwrite=True)
    np.testing.assert_array_equal(read_recording(path).data.compute(), LABELS[::-1])
