"""Folders of DICOM files and DICOMDIRs, sorted into series by geometry and time."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.fileset import FileSet

from napari_sa2va._tests.made_dicom import GREY, write_dicom, write_slices
from napari_sa2va._tests.movies import open_files
from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.readers.dicom import accepts
from napari_sa2va.readers.open import open_clip, read_recording

VOLUMES = np.random.default_rng(2).integers(0, 4096, (3, 5, 6, 8)).astype(np.uint16)


def change(path: Path, **tags: object) -> None:
    """Write other values into a file; None takes a tag out."""
    header = dcmread(path)
    for keyword, value in tags.items():
        if value is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, value)
    header.save_as(path)


def test_files_in_any_order_become_moments_and_planes(tmp_path: Path) -> None:
    write_slices(tmp_path / "scan", VOLUMES)
    recording = read_recording(tmp_path / "scan")
    assert recording.axes == "TZYX"
    np.testing.assert_array_equal(recording.data.compute(), VOLUMES)
    assert recording.pixel_size_um == (500.0, 250.0)
    assert recording.z_step_um == 2500.0  # of the positions; a slice is only 2 mm thick
    assert recording.name == "scan"
    assert recording.notes == ()


@pytest.mark.parametrize("part", [np.s_[:1], np.s_[:, :1]])
def test_one_moment_or_one_plane_has_no_axis_of_its_own(part: object, tmp_path: Path) -> None:
    volumes = VOLUMES[part]
    write_slices(tmp_path / "scan", volumes)
    recording = read_recording(tmp_path / "scan")
    assert recording.axes == ("ZYX" if len(volumes) == 1 else "TYX")
    np.testing.assert_array_equal(recording.data.compute(), volumes.squeeze())


def test_planes_are_sorted_along_their_normal_whatever_way_it_points(tmp_path: Path) -> None:
    # Sagittal: rows run along y, columns along -z; the normal is -x.
    paths = write_slices(
        tmp_path / "scan", VOLUMES[:1], ImageOrientationPatient=[0, 1, 0, 0, 0, -1]
    )
    for path in paths:
        header = dcmread(path)
        _, _, z = header.ImagePositionPatient
        change(path, ImagePositionPatient=[-z, 3.0, 7.0])
    np.testing.assert_array_equal(read_recording(tmp_path / "scan").data.compute(), VOLUMES[0])


@pytest.mark.parametrize(
    ("tags", "expected_s"),
    [
        ([{"TriggerTime": 40.0 * t} for t in range(3)], 0.04),
        ([{"AcquisitionTime": f"23595{8 + t}.5"} for t in range(2)] + [{"AcquisitionTime": "235960"}],
         None),
        ([{"AcquisitionTime": f"1000{2 * t:02d}.25"} for t in range(3)], 2.0),
        ([{"AcquisitionDateTime": f"2024022923595{5 + 2 * t}+0100"} for t in range(3)], 2.0),
        ([{"AcquisitionNumber": 7 + t} for t in range(3)], None),
        ([{"ContentTime": f"10000{t}"} for t in range(3)], None),
        ([{}, {}, {}], None),  # the instance number
    ],
)  # fmt: skip
def test_moments_are_ordered_by_whatever_tells_them_apart(
    tags: list[dict[str, object]], expected_s: float | None, tmp_path: Path
) -> None:
    paths = write_slices(tmp_path / "scan", VOLUMES)
    for number, path in enumerate(paths):
        change(path, TemporalPositionIdentifier=None, **tags[number // 5])
    recording = read_recording(tmp_path / "scan")
    np.testing.assert_array_equal(recording.data.compute(), VOLUMES)
    assert recording.frame_interval_s == expected_s


def test_a_moment_that_lacks_a_plane_is_left_out_and_told_of(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "scan", VOLUMES)
    paths[-1].unlink()
    recording = read_recording(tmp_path / "scan")
    np.testing.assert_array_equal(recording.data.compute(), VOLUMES[:2])
    (note,) = recording.notes
    assert "1 of 3 moments" in note
    assert "their 4 planes are left out" in note


def test_without_a_complete_moment_nothing_is_shown(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "scan", VOLUMES[:2])
    paths[0].unlink()
    paths[6].unlink()
    with pytest.raises(
        ClipError, match="between 1 and 2 planes, and no moment is complete"
    ) as caught:
        open_clip(tmp_path / "scan")
    assert "missing files" in caught.value.hint


def test_a_gap_between_planes_is_told_of(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "scan", VOLUMES[:1])
    paths[2].unlink()
    recording = read_recording(tmp_path / "scan")
    assert recording.z_step_um == 2500.0
    (note,) = recording.notes
    assert "5 mm lie between z = 1 and 2, 2.5 elsewhere" in note


def test_a_copy_of_a_file_is_no_further_moment(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "scan", VOLUMES[:1])
    shutil.copy(paths[0], tmp_path / "scan" / "copy.dcm")
    assert read_recording(tmp_path / "scan").data.shape == VOLUMES[0].shape


def test_several_series_are_a_question_and_their_choices_open_them(tmp_path: Path) -> None:
    tags = {"StudyInstanceUID": "1.2.3"}
    axial = {"SeriesNumber": 7, "SeriesDescription": "axial"}
    write_slices(tmp_path / "scan" / "b", VOLUMES[:1], **tags, **axial)
    write_slices(tmp_path / "scan" / "a", VOLUMES[1:2, :2], **tags, SeriesNumber=9)
    with pytest.raises(SeriesError, match="holds 2 DICOM series") as caught:
        open_clip(tmp_path / "scan")
    assert caught.value.choices == (
        (0, "series 7, MR, axial: Z=5, Y=6, X=8"), (1, "series 9, MR: Z=2, Y=6, X=8"),
    )  # fmt: skip
    for key, expected in ((0, VOLUMES[0]), ("1", VOLUMES[1, :2])):
        data = read_recording(tmp_path / "scan", series=key).data
        np.testing.assert_array_equal(data.compute(), expected)
    with pytest.raises(SeriesError, match="no series 2") as again:
        open_clip(tmp_path / "scan", series=2)
    assert again.value.choices == caught.value.choices


def test_planes_of_another_orientation_or_size_are_a_stack_of_their_own(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "scan", VOLUMES[:1])
    for y, path in enumerate(paths[:2]):  # coronal
        turned = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
        change(path, ImagePositionPatient=[0, 3 * y, 0], **turned)
    change(paths[2], Rows=8, Columns=6)
    with pytest.raises(SeriesError) as caught:
        open_clip(tmp_path / "scan")
    sizes = sorted(words.partition(": ")[2] for _, words in caught.value.choices)
    assert sizes == ["Z=2, Y=6, X=8", "Z=2, Y=6, X=8", "one picture, Y=8, X=6"]


def test_noise_of_a_direction_does_not_split_a_series(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "scan", VOLUMES[:1])
    for number, path in enumerate(paths):
        change(path, ImageOrientationPatient=[1, 1e-4 * number, 0, -1e-4 * number, 1, 0])
    assert read_recording(tmp_path / "scan").data.shape == VOLUMES[0].shape


def test_movies_in_one_series_are_stacks_of_their_own(tmp_path: Path) -> None:
    for name in "ab":
        write_dicom(tmp_path / f"{name}.dcm", SeriesInstanceUID="1.2", SeriesNumber=1)
    with pytest.raises(SeriesError, match="2 DICOM series"):
        open_clip(tmp_path)
    np.testing.assert_array_equal(read_recording(tmp_path, series=1).data.compute(), GREY)


def test_other_objects_and_broken_files_do_not_hide_a_series(tmp_path: Path) -> None:
    write_slices(tmp_path / "scan", VOLUMES[:1])
    shutil.copy(get_testdata_file("reportsi.dcm", download=False), tmp_path / "scan" / "report")
    (tmp_path / "scan" / "broken.dcm").write_bytes(b"no header at all" * 40)
    (tmp_path / "scan" / "readme.txt").write_text("notes")
    recording = read_recording(tmp_path / "scan")
    assert recording.data.shape == VOLUMES[0].shape
    assert recording.notes == ("1 of 7 files are damaged and left out.",)


def test_a_truncated_file_of_a_series_is_an_error_that_names_it(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "scan", VOLUMES)
    paths[3].write_bytes(paths[3].read_bytes()[:-10])
    recording = read_recording(tmp_path / "scan")
    assert recording.data.shape == (2, *VOLUMES.shape[1:])
    assert any("1 of 15 files are damaged" in note for note in recording.notes)
    assert any("1 of 3 moments" in note for note in recording.notes)


def test_folders_are_accepted_only_if_they_hold_dicom(tmp_path: Path) -> None:
    write_slices(tmp_path / "disc" / "patient" / "study", VOLUMES[:1])
    (tmp_path / "pictures").mkdir()
    for name in "abc":
        (tmp_path / "pictures" / f"{name}.png").write_bytes(b"\x89PNG")
    write_dicom(tmp_path / "pictures" / "one.dcm")
    assert accepts(tmp_path / "disc")
    assert not accepts(tmp_path / "pictures")
    assert not accepts(tmp_path / "nothing")


def test_the_source_of_a_folder_is_small_and_closes_its_files(tmp_path: Path) -> None:
    write_slices(tmp_path / "scan", VOLUMES)
    data = read_recording(tmp_path / "scan").data
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(again.compute(scheduler="threads"), VOLUMES)
    assert open_files(tmp_path) == []


# DICOMDIR


def disc(tmp_path: Path) -> Path:
    """A disc that pydicom writes, with one series on it."""
    files = FileSet()
    tags = {"PatientID": "1", "PatientName": "A", "StudyID": "1", "StudyDate": "20240101",
            "StudyTime": "10", "AccessionNumber": "1"}  # fmt: skip
    for path in write_slices(tmp_path / "scan", VOLUMES[:1], **tags):
        files.add(path)
    files.write(tmp_path / "disc")
    shutil.rmtree(tmp_path / "scan")
    return tmp_path / "disc" / "DICOMDIR"


def test_a_dicomdir_opens_what_it_names(tmp_path: Path) -> None:
    path = disc(tmp_path)
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.data.compute(), VOLUMES[0])
    assert recording.source == str(path)
    np.testing.assert_array_equal(read_recording(path.parent).data.compute(), VOLUMES[0])


def test_files_that_a_dicomdir_names_in_other_letters_are_found(tmp_path: Path) -> None:
    path = disc(tmp_path)
    for folder in sorted(path.parent.rglob("*"), key=lambda p: -len(p.parts)):
        if folder != path:
            folder.rename(folder.with_name(folder.name.lower()))
    np.testing.assert_array_equal(read_recording(path).data.compute(), VOLUMES[0])


def test_a_dicomdir_with_missing_files_says_how_many(tmp_path: Path) -> None:
    path = disc(tmp_path)
    files = sorted(p for p in path.parent.rglob("*") if p.is_file() and p != path)
    files[0].unlink()
    assert "1 of the files that the DICOMDIR names are not there." in read_recording(path).notes
    for file in files[1:]:
        file.unlink()
    with pytest.raises(ClipError, match="names 5 files, and none of them is there"):
        open_clip(path)


@pytest.mark.parametrize(
    "name", [["..", "secret"], ["", "etc", "passwd"], ["a/../../secret"], ["C:", "x"], ["link"]]
)
def test_a_dicomdir_does_not_lead_out_of_its_folder(name: list[str], tmp_path: Path) -> None:
    path = disc(tmp_path)
    write_dicom(tmp_path / "secret")
    (path.parent / "link").symlink_to(tmp_path / "secret")
    header = dcmread(path)
    header.DirectoryRecordSequence[-1].ReferencedFileID = name
    header.save_as(path)
    with pytest.raises(ClipError, match=r"ReferencedFileID.*not in its folder"):
        open_clip(path)


@pytest.mark.filterwarnings("ignore:.*implicit VR")
@pytest.mark.parametrize(
    "name", ["DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-reordered",
             "DICOMDIR-nooffset"],
)  # fmt: skip
def test_the_disc_of_pydicom_is_sorted_into_its_series(name: str) -> None:
    folder = Path(get_testdata_file("CT_small.dcm", download=False)).parent / "dicomdirtests"
    with pytest.raises(SeriesError) as caught:
        open_clip(folder / name)
    words = [text for _, text in caught.value.choices]
    assert "series 5, CT, SmartScore - Gated 0.5 sec: Z=5, Y=16, X=16" in words
    assert "series 2, CT, Routine Brain: Z=4, Y=16, X=16" in words
    assert len(words) == 24
    number = next(key for key, text in caught.value.choices if "SmartScore" in text)
    recording = read_recording(folder / name, series=number)
    files = sorted(
        (folder / "98892001" / "CT5N").iterdir(),
        key=lambda path: dcmread(path).ImagePositionPatient[2],
    )
    first = dcmread(files[0])
    expected = first.pixel_array * int(first.RescaleSlope) + int(first.RescaleIntercept)
    np.testing.assert_array_equal(recording.data[0].compute(), expected)
