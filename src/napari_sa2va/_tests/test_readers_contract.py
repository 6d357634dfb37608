"""What every reader owes, checked on one small file of each format."""

from __future__ import annotations

import gc
import importlib
import pickle
import pkgutil
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sa2va import readers
from napari_sa2va._tests.movies import cut, open_files, write_movie
from napari_sa2va._tests.nd2_files import write_nd2
from napari_sa2va._tests.ngff_stores import write_ngff, zipped
from napari_sa2va.core.axes import KNOWN_AXES
from napari_sa2va.core.errors import ClipError, RequestError
from napari_sa2va.readers import READERS
from napari_sa2va.readers.open import open_clip, read_recording, reader_of

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 4000, (5, 12, 16)).astype(np.uint16)


def _tiff(folder: Path) -> Path:
    tifffile.imwrite(folder / "a.tif", GREY, compression="zlib")
    return folder / "a.tif"


def _video(folder: Path) -> Path:
    return write_movie(folder / "a.mp4", 5)


def _dicom(folder: Path) -> Path:
    from pydicom.examples import get_path

    return Path(shutil.copy(get_path("ybr_color"), folder / "a.dcm"))


def _numpy_file(folder: Path) -> Path:
    np.save(folder / "a.npy", GREY)
    return folder / "a.npy"


def _hdf5(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("exported_data", data=GREY, chunks=(1, 12, 16), compression="gzip")
    return folder / "a.h5"


def _nd2(folder: Path) -> Path:
    return write_nd2(folder / "a.nd2", GREY, "TYX")


def _czi(folder: Path) -> Path:
    from pylibCZIrw.czi import create_czi

    with create_czi(str(folder / "a.czi")) as file:
        for t in range(5):
            file.write(GREY[t, ..., np.newaxis], plane={"T": t})
    return folder / "a.czi"


def _ome_zarr(folder: Path) -> Path:
    return zipped(write_ngff(folder / "whole", GREY, "tyx"), folder / "a.ozx")


def _frame_folder(folder: Path) -> Path:
    (folder / "images").mkdir()
    for t in range(5):
        Image.fromarray((GREY[t] // 16).astype(np.uint8)).save(folder / "images" / f"{t}.png")
    return folder / "images"


EXAMPLES: dict[str, Callable[[Path], Path]] = {
    "ome_zarr": _ome_zarr,
    "tiff": _tiff,
    "video": _video,
    "dicom": _dicom,
    "numpy_file": _numpy_file,
    "hdf5": _hdf5,
    "nd2": _nd2,
    "czi": _czi,
    "frame_folder": _frame_folder,
}


def _name(reader: ModuleType) -> str:
    return reader.__name__.rpartition(".")[2]


each_reader = pytest.mark.parametrize("reader", READERS, ids=_name)


def test_every_reader_module_is_on_the_list() -> None:
    modules = (m.name for m in pkgutil.iter_modules(readers.__path__))
    loaded = [importlib.import_module(f"napari_sa2va.readers.{name}") for name in modules]
    assert {m for m in loaded if hasattr(m, "accepts")} == set(READERS)


def test_every_reader_has_an_example_here() -> None:
    assert {_name(reader) for reader in READERS} == set(EXAMPLES)


@each_reader
def test_a_reader_and_no_other_before_it_accepts_its_file(
    reader: ModuleType, tmp_path: Path
) -> None:
    path = EXAMPLES[_name(reader)](tmp_path)
    assert next(r for r in READERS if r.accepts(path)) is reader


@pytest.mark.parametrize("reader", [reader for reader in READERS if reader.FORMAT.magic], ids=_name)
@pytest.mark.parametrize("other", READERS, ids=_name)
def test_what_a_file_begins_with_counts_more_than_what_it_is_called(
    reader: ModuleType, other: ModuleType, tmp_path: Path
) -> None:
    path = EXAMPLES[_name(reader)](tmp_path)
    if path.is_dir():  # of DICOM files
        path = next(path.iterdir())
    assert reader_of(path.rename(tmp_path / f"other{other.FORMAT.extensions[0]}")) is reader


@each_reader
@pytest.mark.parametrize("name", ["notes.txt", "empty_folder", "not_there.xyz"])
def test_no_reader_accepts_what_is_no_picture(
    reader: ModuleType, name: str, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("some notes, long enough to hold any magic" * 10)
    (tmp_path / "empty_folder").mkdir()
    assert not reader.accepts(tmp_path / name)


@each_reader
def test_a_recording_names_its_axes_and_its_source(reader: ModuleType, tmp_path: Path) -> None:
    path = EXAMPLES[_name(reader)](tmp_path)
    recording = reader.read(path)
    assert len(recording.axes) == recording.data.ndim
    assert set(recording.axes) <= set(KNOWN_AXES)
    assert recording.source == str(path)
    assert recording.name == path.stem
    # One plane per chunk.
    for axis, chunks in zip(recording.axes, recording.data.chunks, strict=True):
        assert set(chunks) == {1} if axis not in "YXS" else len(chunks) == 1


@each_reader
def test_the_pixels_have_the_promised_shape_and_dtype(reader: ModuleType, tmp_path: Path) -> None:
    data = reader.read(EXAMPLES[_name(reader)](tmp_path)).data
    assert data[1].compute().shape == data.shape[1:]
    assert data[1].compute().dtype == data.dtype


@each_reader
def test_the_graph_can_be_pickled_and_is_small(reader: ModuleType, tmp_path: Path) -> None:
    data = reader.read(EXAMPLES[_name(reader)](tmp_path)).data
    pickled = pickle.dumps(data)
    assert len(pickled) < 10_000 < 1e6
    np.testing.assert_array_equal(pickle.loads(pickled)[2].compute(), data[2].compute())


@each_reader
def test_no_file_stays_open_after_the_clip_is_gone(reader: ModuleType, tmp_path: Path) -> None:
    clip = open_clip(EXAMPLES[_name(reader)](tmp_path))
    clip.rgb(1)
    del clip
    gc.collect()
    assert open_files(tmp_path) == []


@each_reader
def test_four_threads_read_what_one_reads(reader: ModuleType, tmp_path: Path) -> None:
    data = reader.read(EXAMPLES[_name(reader)](tmp_path)).data
    one = data.compute(scheduler="synchronous")
    four = data.compute(scheduler="threads", num_workers=4)
    np.testing.assert_array_equal(one, four)


@each_reader
def test_a_truncated_file_is_refused_when_it_is_opened(reader: ModuleType, tmp_path: Path) -> None:
    path = EXAMPLES[_name(reader)](tmp_path)
    if path.is_dir():
        cut(path / "0.png", 0.5).replace(path / "0.png")
        path.joinpath("1.png").unlink()
    else:
        path = cut(path)
    with pytest.raises(ClipError) as caught:
        open_clip(path).rgb(0)
    assert caught.value.hint
    assert "0.png" in str(caught.value) or path.name in str(caught.value)


@each_reader
def test_a_series_that_is_not_there_is_refused(reader: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="7"):
        reader.read(EXAMPLES[_name(reader)](tmp_path), series=7)


def test_a_missing_path_is_told_apart_from_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="There is no file or folder"):
        read_recording(tmp_path / "gone.tif")
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ClipError, match="no format known here") as caught:
        read_recording(tmp_path / "notes.txt")
    assert "OME-TIFF" in caught.value.hint


def test_an_empty_file_is_refused_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.tif").touch()
    with pytest.raises(ClipError, match="is an empty file"):
        open_clip(tmp_path / "a.tif")


def test_an_empty_path_is_a_bad_request() -> None:
    with pytest.raises(RequestError, match="No input"):
        open_clip(" ")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="a folder without images"):
        open_clip(tmp_path)
