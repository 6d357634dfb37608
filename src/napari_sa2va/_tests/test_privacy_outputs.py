"""A patient's words, in tags and in the path, reach nothing that is written, unless asked for."""

from __future__ import annotations

import gzip
import io
import json
import shlex
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom import dcmread

from napari_sa2va._tests.fakes import FakeModel, colour_clip
from napari_sa2va._tests.made_dicom import GREY, PATIENT, header_of, write_slices
from napari_sa2va._tests.made_projects import SETTINGS, ask, work_on
from napari_sa2va.cli.main import main
from napari_sa2va.core.clip import Clip
from napari_sa2va.gui.layer_axes import AxisChoice, read_axes
from napari_sa2va.gui.layer_clip import to_recording
from napari_sa2va.pipeline import loaded
from napari_sa2va.project.command_line import as_command
from napari_sa2va.project.find_clip import find_footage
from napari_sa2va.project.folder import open_project, save
from napari_sa2va.project.project import Project
from napari_sa2va.project.provenance import provenance
from napari_sa2va.project.replay import do_step
from napari_sa2va.project.result import result_of
from napari_sa2va.project.script import as_python
from napari_sa2va.readers.open import open_clip, read_recording
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.write import write_result

WORDS = ["muster", "erika", "qx-7741", "qx7741", "19641231", "1964-12-31", "acc90210", "hollerith",
         "1.2.840.99.1", "1.2.840.99.2"]  # fmt: skip
UIDS = {"StudyInstanceUID": "1.2.840.99.1.5", "SeriesInstanceUID": "1.2.840.99.2.5"}


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded, "load", lambda settings: FakeModel())


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A colour movie in a folder and a file that both name the patient."""
    folder = tmp_path / "private" / "MUSTER_Erika_1964-12-31"
    folder.mkdir(parents=True)
    frames = np.stack([colour_clip(8).rgb(t) for t in range(8)])
    header = header_of("1.2.840.10008.5.1.4.1.1.3.1", **PATIENT, **UIDS, Modality="US")
    header.NumberOfFrames, header.Rows, header.Columns, _ = frames.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 3, "RGB"
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit, header.PixelRepresentation, header.PlanarConfiguration = 7, 0, 0
    header.PixelData = frames.tobytes()
    path = folder / "ACC90210_qx7741_cine.dcm"
    header.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def texts_of(path: Path) -> str:
    """All that a file says: its name, its bytes, and what is packed in it."""
    stored = path.read_bytes()
    parts = [path.name.encode(), stored, stored.replace(b"\0", b"")]
    if path.suffix == ".gz":
        parts.append(gzip.decompress(stored))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            parts += [archive.read(name) for name in archive.namelist()]
    elif path.suffix in (".tif", ".tiff"):
        with tifffile.TiffFile(path) as tif:
            parts += [str(tag.value).encode() for page in tif.pages for tag in page.tags]
            parts.append((tif.ome_metadata or "").encode())
    elif path.suffix == ".png":
        parts.append(str(Image.open(io.BytesIO(stored)).info).encode())
    elif path.suffix == ".mp4":
        with av.open(str(path)) as movie:
            parts.append(str([movie.metadata, *(s.metadata for s in movie.streams)]).encode())
    elif path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        table = parquet.read_table(path)
        parts.append(f"{table.schema.metadata} {table.to_pylist()}".encode())
    joined = b"\n".join(parts).decode("utf-8", "replace")
    return unicodedata.normalize("NFKD", joined).lower()


def leaks(folder: Path) -> list[tuple[str, str]]:
    """Words of the patient in files of a folder and below."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    texts = {path.relative_to(folder).as_posix(): texts_of(path) for path in files}
    return [(name, word) for name, text in texts.items() for word in WORDS if word in text]


def test_the_search_finds_what_is_there(scan: Path) -> None:
    assert {word for _, word in leaks(scan.parent)} >= {"muster", "erika", "qx-7741", "19641231"}


def test_a_run_on_the_command_line_writes_nothing_of_the_patient(scan: Path, out: Path) -> None:
    for overlay in ("sheet.png", "movie.mp4"):
        arguments = ["segment", str(scan), "the red one", "-q", "--overwrite"]
        assert (
            main([*arguments, "-o", str(out / "a.ome.tif"), "--overlay", str(out / overlay)]) == 0
        )
    assert leaks(out) == []
    clip = json.loads((out / "a.json").read_text())["clip"]
    assert clip["name"] == "(AccessionNumber)_(PatientID)_cine"
    assert clip["source"].endswith(
        "/(PatientName)_(PatientBirthDate)/(AccessionNumber)_(PatientID)_cine.dcm"
    )
    assert {"PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
            "AccessionNumber", "ReferringPhysicianName"} <= set(clip["left_out"])  # fmt: skip


def test_asked_for_a_record_tells_who_it_was(scan: Path, out: Path) -> None:
    arguments = ["segment", str(scan), "the red one", "-q", "--patient-data"]
    assert main([*arguments, "-o", str(out / "a.ome.tif")]) == 0
    record = json.loads((out / "a.json").read_text())
    assert record["clip"]["source"] == str(scan)
    assert record["clip"]["left_out"] == []
    patient = record["clip"]["patient"]
    assert patient["PatientName"] == "Muster^Erika"
    assert patient["PatientSex"] == "F"
    assert record["settings"]["output"]["patient_data"] is True


def a_project(scan: Path) -> Project:
    return work_on(open_clip(scan))


def test_a_project_holds_nothing_of_the_patient_and_finds_the_movie(scan: Path, out: Path) -> None:
    project = a_project(scan)
    view = {"image": {"path": str(scan)}, "image_name": "cine of Erika Muster"}
    save(project, out / "p.sa2va", view=view)
    assert leaks(out) == []
    again = open_project(out / "p.sa2va")
    assert again.clip.source == str(scan)
    assert again.clip.describe() == project.clip.describe()
    save(again, out / "p.sa2va")
    assert leaks(out) == []


@pytest.mark.parametrize("place", ["{name}", "deep/er/{name}", "Muster other.dcm"])
def test_a_movie_that_was_moved_beside_the_project_is_found(
    place: str, scan: Path, out: Path
) -> None:
    save(a_project(scan), out / "p.sa2va")
    target = out / place.format(name=scan.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    scan.rename(target)
    assert find_footage(out / "p.sa2va").first.source == str(target)


def test_a_folder_of_slices_whose_name_was_left_out_is_found(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "Muster, Erika" / "mr"
    write_slices(folder, np.tile(GREY, (1, 2, 1, 1)), **PATIENT)
    save(Project.of(open_clip(folder)), out / "p.sa2va")
    assert leaks(out) == []
    assert open_project(out / "p.sa2va").clip.source == str(folder)


def test_a_layer_of_one_of_several_series_is_found_again(tmp_path: Path, out: Path) -> None:
    for number in (1, 2):
        volume = GREY[np.newaxis, number - 1 : number + 1]
        write_slices(tmp_path / "Muster" / str(number), volume, **PATIENT, SeriesNumber=number)
    clip = replace(open_clip(tmp_path / "Muster", series=1), opened_with={})
    save(Project.of(clip), out / "p.sa2va")
    again = open_project(out / "p.sa2va").clip
    assert again.source == str(tmp_path / "Muster")
    np.testing.assert_array_equal(again.frames.compute(), clip.frames.compute())


def test_a_project_of_a_run_that_was_asked_tells_the_path(scan: Path, out: Path) -> None:
    output = SETTINGS.output.model_copy(update={"patient_data": True})
    project = Project.of(open_clip(scan))
    asked = ask("the red one").model_copy(
        update={"settings": SETTINGS.model_copy(update={"output": output})}
    )
    do_step(project, asked, model=FakeModel())
    save(project, out / "p.sa2va")
    manifest = json.loads((out / "p.sa2va" / "project.json").read_text())
    assert manifest["clip"]["path"] == str(scan)
    assert manifest["clip"]["described"]["patient"]["PatientID"] == "QX-7741"


def test_provenance_script_and_command_of_a_saved_project_name_nobody(
    scan: Path, out: Path
) -> None:
    project = a_project(scan)
    save(project, out / "p.sa2va")
    (out / "said.json").write_text(json.dumps(provenance(project)))
    (out / "script.py").write_text(as_python(project, project.clip, folder=out / "p.sa2va"))
    command = as_command(project, project.clip, folder=out / "p.sa2va")
    (out / "command.txt").write_text(command)
    assert leaks(out) == []
    assert shlex.split(command) == ["napari-sa2va", "replay", str(out / "p.sa2va")]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda w: w.FORMAT.kind)
def test_no_format_holds_a_word_of_the_patient(writer: object, scan: Path, out: Path) -> None:
    about = writer.FORMAT  # type: ignore[attr-defined]
    if about.in_place:
        pytest.skip("is written into a store that is no DICOM file")
    result = result_of(a_project(scan))
    write_result(out / f"masks{(about.suffixes or ('',))[0]}", result, about.kind)
    # A DICOM segmentation belongs to the patient's study, and DICOM demands that it says so.
    assert bool(leaks(out)) == (about.kind == "dicom-seg")


def test_a_layer_that_another_plugin_opened_tells_nothing_either(scan: Path) -> None:
    recording = read_recording(scan)
    layer = SimpleNamespace(
        data=recording.data, rgb=True, multiscale=False, name=scan.stem, scale=(1, 1, 1),
        units=None, axis_labels=(), contrast_limits=(0, 255), metadata={}, ndim=3,
        source=SimpleNamespace(path=str(scan)),
    )  # fmt: skip
    axes = read_axes(layer)
    made = to_recording(layer, axes, AxisChoice(plays=0))
    assert made.source == str(scan)
    clip = Clip(made.data, name=made.name, source=made.source, left_out=made.left_out,
                private=made.private)  # fmt: skip
    told = json.dumps(clip.describe()).lower()
    assert not [word for word in WORDS if word in told]
    assert "PatientName" in clip.describe()["left_out"]


def test_the_name_and_notes_of_a_recording_are_clean_and_its_path_is_true(scan: Path) -> None:
    recording = read_recording(scan)
    assert recording.source == str(scan)
    said = f"{recording.name} {recording.notes} {recording!r}".lower().replace(
        str(scan).lower(), ""
    )
    assert not [word for word in WORDS if word in said]
    assert recording.private.values["PatientName"] == dcmread(scan).PatientName


def test_files_that_nobody_named_are_not_named_after_the_patient(
    scan: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out)
    assert main(["segment", str(scan), "the red one", "-q"]) == 0
    assert leaks(out) == []
    assert any("(AccessionNumber)_(PatientID)_cine" in path.name for path in out.iterdir())
