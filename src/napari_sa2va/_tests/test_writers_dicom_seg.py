"""DICOM segmentations, read back by highdicom and by pydicom."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.examples import get_path
from pydicom.uid import generate_uid

from napari_sa2va._tests.made_dicom import GREY, PATIENT, write_dicom, write_slices
from napari_sa2va.core import rle
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import OutputError
from napari_sa2va.readers.open import open_clip
from napari_sa2va.writers.result import Result, Shown, Subject
from napari_sa2va.writers.write import write_result

hd = pytest.importorskip("highdicom")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom.*")
UIDS = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.4", "FrameOfReferenceUID": "1.2.5"}


def masks_of(clip: Clip, *, planes: int = 1, seed: int = 0) -> dict[int, np.ndarray]:
    """Two overlapping objects, one of them away on the first frame, with ids that leave a gap."""
    rng = np.random.default_rng(seed)
    shape = clip.num_frames * planes, clip.height, clip.width
    masks = {2: rng.random(shape) < 0.4, 7: rng.random(shape) < 0.4}
    if shape[0] > 1:
        masks[7][0] = False
    return masks


def result_of(clip: Clip, masks: dict[int, np.ndarray], **more: Any) -> Result:
    def frame(f: int) -> Shown:
        return Shown({i: rle.encode(m[f]) for i, m in masks.items() if m[f].any()})

    subjects = tuple(Subject(i, f"cell {i}", "the bright cell") for i in masks)
    return Result(clip, subjects, frame, **more)


def written(folder: Path, result: Result) -> Path:
    path = folder / "a.seg.dcm"
    assert write_result(path, result).warnings == ()
    return path


def test_masks_of_an_ultrasound_movie_refer_to_its_frames(tmp_path: Path) -> None:
    source = get_path("ybr_color")
    clip = open_clip(source)
    masks = masks_of(clip)
    segmentation = hd.seg.segread(written(tmp_path, result_of(clip, masks)))
    uid = dcmread(source, stop_before_pixels=True).SOPInstanceUID
    read = segmentation.get_pixels_by_source_frame(uid, range(1, clip.num_frames + 1))
    np.testing.assert_array_equal(read, np.stack([masks[2], masks[7]], axis=-1))


def test_an_ultrasound_movie_gives_the_size_of_its_pixels(tmp_path: Path) -> None:
    """Its header has no Pixel Spacing, but a region that is calibrated in cm."""
    clip = open_clip(get_path("ybr_color"))
    header = dcmread(written(tmp_path, result_of(clip, masks_of(clip))))
    (measures,) = header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    # 0.05104970559... cm in both directions.
    assert list(measures.PixelSpacing) == pytest.approx([0.5104970559] * 2, abs=1e-9)


def test_the_name_of_the_patient_is_in_no_warning(tmp_path: Path) -> None:
    """highdicom warns of names of one word, and shows them."""
    names = {"PatientName": "Mononym", "ReferringPhysicianName": "Hollerith"}
    clip = open_clip(write_dicom(tmp_path / "a.dcm", **PATIENT | names, **UIDS))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        header = dcmread(written(tmp_path, result_of(clip, masks_of(clip))))
    assert not [w for w in caught if "Mononym" in str(w.message) or "Hollerith" in str(w.message)]
    said = PATIENT | names
    assert {keyword: str(header[keyword].value) for keyword in said} == said


def test_masks_of_slices_refer_to_their_files_and_lie_where_they_lie(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "scan", GREY[np.newaxis], **PATIENT)
    clip = open_clip(tmp_path / "scan")
    masks = masks_of(clip)
    segmentation = hd.seg.segread(written(tmp_path, result_of(clip, masks)))
    headers = [dcmread(path) for path in paths]  # in the order of z
    read = segmentation.get_pixels_by_source_instance([h.SOPInstanceUID for h in headers])
    np.testing.assert_array_equal(read, np.stack([masks[2], masks[7]], axis=-1))
    assert segmentation.FrameOfReferenceUID == headers[0].FrameOfReferenceUID
    volume = segmentation.get_volume()
    assert volume.spacing == pytest.approx((2.5, 0.5, 0.25))
    # highdicom counts planes downwards.
    assert tuple(volume.position) == pytest.approx((-10, 20, 7.5))


def test_of_a_volume_over_time_the_plane_that_plays_is_referred_to(tmp_path: Path) -> None:
    volumes = np.stack([GREY, GREY[::-1], GREY // 2])
    paths = write_slices(tmp_path / "scan", volumes)
    clip = open_clip(tmp_path / "scan", z=2)
    masks = masks_of(clip)
    header = dcmread(written(tmp_path, result_of(clip, masks)))
    referred = [
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for group in header.PerFrameFunctionalGroupsSequence
    ]
    at_z = [dcmread(paths[t * 4 + 2]).SOPInstanceUID for t in range(3)]
    assert referred == [at_z[0], at_z[1], at_z[1], at_z[2], at_z[2]]
    indices = [
        tuple(group.FrameContentSequence[0].DimensionIndexValues)
        for group in header.PerFrameFunctionalGroupsSequence
    ]
    assert indices == [(1, 3, 1), (1, 3, 2), (2, 3, 2), (1, 3, 3), (2, 3, 3)]


def test_planes_that_are_followed_each_on_its_own_refer_to_all_files(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "scan", np.stack([GREY, GREY[::-1]]))
    clip = open_clip(tmp_path / "scan", z=0)
    masks = masks_of(clip, planes=4)
    header = dcmread(written(tmp_path, result_of(clip, masks, num_planes=4)))
    referred = {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for group in header.PerFrameFunctionalGroupsSequence
    }
    assert referred == {dcmread(path).SOPInstanceUID for path in paths}
    pixels = header.pixel_array
    first = header.PerFrameFunctionalGroupsSequence[1].DerivationImageSequence[0]
    # Frame 1 is moment 1 of plane 0.
    uid = first.SourceImageSequence[0].ReferencedSOPInstanceUID
    assert uid == dcmread(paths[4]).SOPInstanceUID
    np.testing.assert_array_equal(pixels[1], masks[2][1])


@pytest.mark.parametrize("is_of_layer", [False, True])
def test_a_series_of_several_is_found_again(is_of_layer: bool, tmp_path: Path) -> None:
    for number in (1, 2):
        volume = GREY[np.newaxis, number - 1 : number + 1]
        write_slices(tmp_path / "scan" / str(number), volume, SeriesNumber=number)
    with pytest.raises(Exception, match="2 DICOM series") as caught:
        open_clip(tmp_path / "scan")
    key = next(k for k, words in caught.value.choices if words.startswith("series 2"))
    clip = open_clip(tmp_path / "scan", series=key)
    if is_of_layer:  # in napari, nobody writes down which series a layer is of
        clip = replace(clip, opened_with={})
    header = dcmread(written(tmp_path, result_of(clip, masks_of(clip))))
    series = dcmread(next((tmp_path / "scan" / "2").iterdir())).SeriesInstanceUID
    assert header.ReferencedSeriesSequence[0].SeriesInstanceUID == series
    assert len(header.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 2


def test_names_sentences_ids_and_the_algorithm_are_kept(tmp_path: Path) -> None:
    clip = open_clip(write_dicom(tmp_path / "a.dcm", **PATIENT, **UIDS))
    result = result_of(clip, masks_of(clip), record={"model_name": "Sa2VA-4B"})
    name = "größte Zelle \\ mit\nsehr " + 20 * "langem "
    result = replace(result, subjects=(Subject(2, name), result.subjects[1]))
    segmentation = hd.seg.segread(written(tmp_path, result))
    first, second = segmentation.SegmentSequence
    assert first.SegmentLabel == name.replace("\\", "/").replace("\n", " ")[:64].strip()
    assert "SegmentDescription" not in first
    assert second.SegmentLabel == "cell 7"
    assert second.SegmentDescription == "the bright cell"
    assert sorted(i for i, _ in segmentation.get_tracking_ids()) == ["object 2", "object 7"]
    algorithm = second.SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == "napari-sa2va Sa2VA-4B"
    assert segmentation.PatientID == PATIENT["PatientID"]
    assert segmentation.StudyInstanceUID == "1.2.3"
    assert segmentation.SeriesInstanceUID != "1.2.4"


def test_of_a_clip_that_was_cropped_masks_lie_in_the_whole_frame(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", **PATIENT, **UIDS)
    clip = open_clip(path, box=(1, 2, 5, 7))
    masks = masks_of(clip)
    pixels = dcmread(written(tmp_path, result_of(clip, masks))).pixel_array
    assert pixels.shape[1:] == GREY.shape[1:]
    np.testing.assert_array_equal(pixels[0, 1:5, 2:7], masks[2][0])
    assert pixels.sum() == masks[2].sum() + masks[7].sum()


def test_objects_without_a_pixel_are_segments_too(tmp_path: Path) -> None:
    clip = open_clip(write_dicom(tmp_path / "a.dcm", **PATIENT, **UIDS))
    empty = {1: np.zeros((4, 6, 8), bool)}
    segmentation = hd.seg.segread(written(tmp_path, result_of(clip, empty)))
    assert segmentation.number_of_segments == 1
    assert not segmentation.pixel_array.any()


def test_frames_that_fill_no_whole_byte_are_read_back(tmp_path: Path) -> None:
    frames = GREY[:, :3, :5].copy()
    clip = open_clip(write_dicom(tmp_path / "a.dcm", frames, **PATIENT, **UIDS))
    masks = masks_of(clip)
    path = written(tmp_path, result_of(clip, masks))
    read = dcmread(path).pixel_array
    expected = [masks[i][t] for t in range(4) for i in (2, 7) if masks[i][t].any()]
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("name", ["CT_small.dcm", "rtdose.dcm", "MR_small_RLE.dcm"])
def test_real_files_can_be_referred_to(name: str, tmp_path: Path) -> None:
    clip = open_clip(get_testdata_file(name, download=False))
    masks = masks_of(clip)
    segmentation = hd.seg.segread(written(tmp_path, result_of(clip, masks)))
    assert segmentation.number_of_segments == 2
    assert segmentation.pixel_array.sum() == masks[2].sum() + masks[7].sum()


@pytest.mark.parametrize(
    "what", ["array", "tiff", "projection", "cut", "gone", "no ids", "nothing"]
)
def test_what_refers_to_no_frame_of_a_dicom_file_is_refused(what: str, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", **PATIENT, **({} if what == "no ids" else UIDS))
    clip = open_clip(path)
    words = {
        "array": "pixels that no file holds", "tiff": "a.tif", "projection": "a projection",
        "cut": "The clip has 3 frames", "gone": "a.dcm", "no ids": "StudyInstanceUID",
        "nothing": "at least one object",
    }[what]  # fmt: skip
    if what == "array":
        clip = replace(clip, source=None)
    elif what == "tiff":
        (tmp_path / "a.tif").write_bytes(b"II*\0")
        clip = replace(clip, source=str(tmp_path / "a.tif"))
    elif what == "projection":
        clip = replace(clip, z="max")
    elif what == "cut":
        clip = replace(clip, frames=clip.frames[:3])
    elif what == "gone":
        path.unlink()
    result = result_of(clip, {} if what == "nothing" else masks_of(clip))
    with pytest.raises(OutputError, match=words) as caught:
        write_result(tmp_path / "a.seg.dcm", result)
    assert caught.value.hint
    assert not (tmp_path / "a.seg.dcm").exists()


def test_two_segmentations_have_ids_of_their_own(tmp_path: Path) -> None:
    clip = open_clip(write_dicom(tmp_path / "a.dcm", **PATIENT, **UIDS))
    result = result_of(clip, masks_of(clip))
    one = dcmread(written(tmp_path, result))
    (tmp_path / "b").mkdir()
    two = dcmread(written(tmp_path / "b", result))
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
    assert generate_uid() not in (one.SOPInstanceUID, two.SOPInstanceUID)
