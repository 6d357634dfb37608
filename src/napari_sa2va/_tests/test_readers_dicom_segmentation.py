"""DICOM segmentations as labels: those of highdicom, with masks, labels and fractions, and our own."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.examples import get_path

from napari_sa2va._tests.made_dicom import GREY, PATIENT, write_dicom, write_slices
from napari_sa2va._tests.test_readers_dicom_hostile import Edit, edits
from napari_sa2va.core import rle
from napari_sa2va.core.errors import ClipError
from napari_sa2va.plugin.reader import read_layers
from napari_sa2va.project.labels_file import result_of_labels
from napari_sa2va.readers.dicom import read, stack_of
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers.result import Result, Shown, Subject
from napari_sa2va.writers.write import write_result

hd = pytest.importorskip("highdicom")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom.*")
UIDS = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.4", "FrameOfReferenceUID": "1.2.5"}
# Objects 1 and 2 on four slices; nothing on the first and on the third.
LABELS = np.zeros((4, 6, 8), np.uint8)
LABELS[1, 1:3, 1:4] = 1
LABELS[3, 1:3, 1:4] = 1
LABELS[3, 4:, 5:] = 2


def of_highdicom(folder: Path, pixels: np.ndarray, kind: str, **more: Any) -> Path:
    """A segmentation of four slices that highdicom wrote, with two segments."""
    from pydicom.sr.codedict import codes

    paths = write_slices(folder / "scan", GREY[np.newaxis], **PATIENT)
    described = [
        hd.seg.SegmentDescription(
            number, label, codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL"
        )
        for number, label in ((1, "spleen"), (2, "liver"))
    ]  # fmt: skip
    made = hd.seg.Segmentation(
        [dcmread(path) for path in paths], pixels, kind, described, hd.UID(), 5, hd.UID(), 1,
        "maker", "model", "1", "0", **more,
    )  # fmt: skip
    made.save_as(folder / "a.dcm")
    return folder / "a.dcm"


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segments_are_labels_and_lie_where_their_slices_lie(kind: str, tmp_path: Path) -> None:
    path = of_highdicom(tmp_path, LABELS, kind, omit_empty_frames=False)
    recording = read(path)
    assert (recording.axes, recording.data.dtype) == ("ZYX", np.uint16)
    np.testing.assert_array_equal(recording.data.compute(), LABELS)
    assert recording.pixel_size_um == (500, 250)
    assert recording.z_step_um == 2500
    assert "a.dcm" not in " ".join(recording.notes)
    assert "labels of 2 objects: 1 spleen, 2 liver" in recording.notes[0]
    assert "PatientName" in recording.left_out


def test_slices_without_a_mask_are_gaps_between_those_that_have_one(tmp_path: Path) -> None:
    recording = read(of_highdicom(tmp_path, LABELS, "BINARY"))
    np.testing.assert_array_equal(recording.data.compute(), LABELS[1:])


def test_half_of_the_largest_fraction_belongs_to_the_object(tmp_path: Path) -> None:
    fractions = np.zeros((4, 6, 8, 2))
    fractions[0, 0, :3, 0] = 0.25, 0.75, 1
    fractions[3, 2, :3, 1] = 0.75, 0.25, 0
    path = of_highdicom(tmp_path, fractions, "FRACTIONAL", omit_empty_frames=False)
    recording = read(path)
    expected = np.zeros((4, 6, 8), np.uint16)
    expected[0, 0, 1:3] = 1
    expected[3, 2, 0] = 2
    np.testing.assert_array_equal(recording.data.compute(), expected)
    assert "half of the largest" in recording.notes[1]


def _ours(folder: Path, source: Path) -> Path:
    """Objects 4 (named) and 9 (not), on some frames of a movie, but not on its last."""
    clip = open_clip(source)
    masks = {4: np.zeros(clip.frames.shape[:3], bool), 9: np.zeros(clip.frames.shape[:3], bool)}
    masks[4][1:3, 2:4, 3:6] = True
    masks[9][2, 4:, 6:] = True

    def frame(f: int) -> Shown:
        return Shown({i: rle.encode(m[f]) for i, m in masks.items() if m[f].any()})

    subjects = Subject(4, "cell 4", "the bright cell"), Subject(9)
    write_result(folder / "a.seg.dcm", Result(clip, subjects, frame, may_overlap=False))
    return folder / "a.seg.dcm"


def test_our_own_segmentation_of_a_movie_has_its_frames_ids_and_names(tmp_path: Path) -> None:
    source = Path(get_path("ybr_color"))
    path = _ours(tmp_path, source)
    for result in (result_of_labels(path), result_of_labels(path, clip=open_clip(source))):
        assert result.subjects == (Subject(4, "cell 4", "the bright cell"), Subject(9))
        assert result.num_frames == 30
        sizes = [{i: rle.area(c) for i, c in result.frame(f).codes.items()} for f in range(30)]
        assert sizes[:4] == [{}, {4: 6}, {4: 6, 9: 236 * 314}, {}]
        assert not any(sizes[4:])


def test_napari_shows_labels_with_names(tmp_path: Path) -> None:
    path = _ours(tmp_path, write_dicom(tmp_path / "a.dcm", **PATIENT, **UIDS))
    ((data, meta, kind),) = read_layers(str(path))
    assert kind == "labels"
    assert np.unique(np.asarray(data[2])).tolist() == [0, 4, 9]
    assert meta["features"]["index"] == (4, 9)
    assert meta["features"]["name"][0] == "cell 4"


def test_a_segmentation_is_no_picture_that_masks_could_refer_to(tmp_path: Path) -> None:
    path = _ours(tmp_path, write_dicom(tmp_path / "a.dcm", **PATIENT, **UIDS))
    with pytest.raises(ClipError, match="is a segmentation") as caught:
        stack_of(path)
    assert "pictures" in caught.value.hint


def test_in_a_folder_segmentations_are_left_out(tmp_path: Path) -> None:
    path = of_highdicom(tmp_path, LABELS, "BINARY")
    recording = read(tmp_path)
    np.testing.assert_array_equal(recording.data.compute(), GREY)
    assert "1 of the files are segmentations" in " ".join(recording.notes)
    alone = tmp_path / "alone"
    alone.mkdir()
    path.rename(alone / "a.dcm")
    with pytest.raises(ClipError, match="holds no pictures"):
        read(alone)


@pytest.mark.parametrize("what", ["segment", "groups", "place", "tiles"])
def test_a_segmentation_that_does_not_say_what_its_frames_are_is_refused(
    what: str, tmp_path: Path
) -> None:
    path = _ours(tmp_path, write_dicom(tmp_path / "a.dcm", **PATIENT, **UIDS))
    dataset = dcmread(path)
    groups = dataset.PerFrameFunctionalGroupsSequence
    if what == "segment":
        del groups[1].SegmentIdentificationSequence
    elif what == "groups":
        del dataset.PerFrameFunctionalGroupsSequence
    elif what == "place":
        for group in groups:
            del group.DerivationImageSequence
            del group.FrameContentSequence
    else:
        dataset.TotalPixelMatrixRows = 6
    dataset.save_as(path)
    words = {
        "segment": "of which segment frame 1", "groups": "does not describe its frames",
        "place": "where its frames lie", "tiles": "cut into tiles",
    }[what]  # fmt: skip
    with pytest.raises(ClipError, match=words):
        read(path)


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_a_real_segmentation_of_which_frames_were_cut_off_is_refused(name: str) -> None:
    """One of three frames is left in these, and the descriptions of all three."""
    with pytest.raises(ClipError, match=f"{name} is a segmentation that does not describe"):
        read(Path(get_testdata_file(name, download=False)))


def test_frames_are_placed_by_the_frame_that_they_are_of(tmp_path: Path) -> None:
    """Where neither a position nor a moment is given."""
    path = _ours(tmp_path, write_dicom(tmp_path / "a.dcm", **PATIENT, **UIDS))
    before = read(path).data.compute()
    dataset = dcmread(path)
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.FrameContentSequence
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path).data.compute(), before)


def test_a_moment_beyond_all_bounds_is_refused(tmp_path: Path) -> None:
    path = _ours(tmp_path, write_dicom(tmp_path / "a.dcm", **PATIENT, **UIDS))
    dataset = dcmread(path)
    content = dataset.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0]
    content.TemporalPositionIndex = 2**32 - 1
    dataset.save_as(path)
    with pytest.raises(ClipError):
        read(path)


@cache
def _stored() -> bytes:
    with TemporaryDirectory() as folder:
        movie = write_dicom(Path(folder) / "a.dcm", **PATIENT, **UIDS)
        return _ours(Path(folder), movie).read_bytes()


@settings(max_examples=80, deadline=None)
@given(changes=st.lists(edits, min_size=1, max_size=3))
def test_a_damaged_segmentation_is_read_or_refused(changes: list[Edit]) -> None:
    stored = _stored()
    for change in changes:
        stored = change(stored) or b"\0"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        path.write_bytes(stored)
        said = "a.dcm"
        try:
            recording = read(path)
            recording.data[(0,) * (recording.data.ndim - 2)].compute(scheduler="synchronous")
        except ClipError as error:
            said = str(error)
        assert "a.dcm" in said


@pytest.mark.parametrize("position", [1e308, 1e300, 1e12])
def test_a_place_beyond_all_bounds_is_refused(position: float, tmp_path: Path) -> None:
    path = of_highdicom(tmp_path, LABELS, "BINARY", omit_empty_frames=False)
    dataset = dcmread(path)
    for group, z in zip(dataset.PerFrameFunctionalGroupsSequence, (0, position), strict=False):
        group.PlanePositionSequence[0].ImagePositionPatient = [0, 0, z]
    orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    orientation.ImageOrientationPatient = [2, 0, 0, 0, 2, 0]
    dataset.save_as(path)
    with pytest.raises(ClipError, match=r"a\.dcm"):
        read(path)
