"""HDF5 files as h5py writes them, laid out as ilastik, Fiji and xarray do."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_sa2va.core.errors import AxesError, ClipError, SeriesError
from napari_sa2va.readers.hdf5 import accepts
from napari_sa2va.readers.open import open_clip, read_recording

MOVIE = np.random.default_rng(0).integers(0, 4000, (5, 12, 16)).astype(np.uint16)
STACK = np.random.default_rng(1).integers(0, 200, (2, 3, 12, 16, 2)).astype(np.uint8)


def _axistags(keys: str, **resolutions: float) -> str:
    """As VIGRA writes them."""
    tags = [
        {"key": key, "typeFlags": 2, "resolution": resolutions.get(key, 0), "description": ""}
        for key in keys
    ]
    return json.dumps({"axes": tags})


def test_an_export_of_ilastik_brings_axes_sizes_and_limits(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("exported_data", data=STACK, chunks=True, compression="gzip")
        dataset.attrs["axistags"] = _axistags("tzyxc", x=0.25, y=0.5, z=2, t=3)
        dataset.attrs["axis_units"] = json.dumps({"x": "um", "y": "um", "z": "um", "t": "sec"})
        dataset.attrs["drange"] = (0, 200)
    recording = read_recording(tmp_path / "a.h5")
    assert recording.axes == "TZYXC"
    assert recording.pixel_size_um == (0.5, 0.25)
    assert recording.z_step_um == 2
    assert recording.frame_interval_s == 3
    assert recording.window == ((0, 200),)
    np.testing.assert_array_equal(recording.data.compute(), STACK)


def test_colour_pictures_of_ilastik_have_samples(tmp_path: Path) -> None:
    colour = np.random.default_rng(2).integers(0, 255, (5, 12, 16, 3)).astype(np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("data", data=colour)
        dataset.attrs["axistags"] = _axistags("tyxc")
        assert read_axes(file, tmp_path) == "TYXC"
        dataset.attrs["display_mode"] = "rgba"
        assert read_axes(file, tmp_path) == "TYXS"


def read_axes(file: h5py.File, folder: Path) -> str:
    """Axes of a file that is open for writing."""
    file.flush()
    copy = folder / "copy.h5"
    copy.write_bytes(Path(file.filename).read_bytes())
    return read_recording(copy).axes


def test_the_size_of_an_element_counts_z_y_x(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("data", data=MOVIE)
        dataset.attrs["axes"] = "zyx"
        dataset.attrs["element_size_um"] = (2.0, 0.5, 0.25)
    recording = read_recording(tmp_path / "a.h5")
    assert (recording.axes, recording.z_step_um) == ("ZYX", 2.0)
    assert recording.pixel_size_um == (0.5, 0.25)


@pytest.mark.parametrize(
    ("shape", "sizes", "axes", "z_step"),
    [
        ((5, 12, 16), (2.0, 0.5, 0.25), "ZYX", 2.0),
        ((5, 12, 3), (2.0, 0.5, 0.25), "ZYX", 2.0),
        ((12, 16), (0.5, 0.25), "YX", None),
        ((5, 12, 16), (0.5, 0.25), "TYX", None),
    ],
)
def test_sizes_without_axes_are_of_z_y_and_x_or_of_y_and_x(
    shape: tuple[int, ...],
    sizes: tuple[float, ...],
    axes: str,
    z_step: float | None,
    tmp_path: Path,
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("raw", data=np.ones(shape, np.uint8)).attrs["element_size_um"] = sizes
    recording = read_recording(tmp_path / "a.h5")
    assert (recording.axes, recording.z_step_um) == (axes, z_step)
    assert recording.pixel_size_um == (0.5, 0.25)


def test_dimensions_with_labels_are_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("data", data=STACK)
        for dim, label in zip(dataset.dims, ("time", "z", "y", "x", "channel"), strict=True):
            dim.label = label
    assert read_recording(tmp_path / "a.h5").axes == "TZYXC"


def test_even_coordinates_of_dimensions_are_sizes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("cells", data=MOVIE)
        coordinates = {
            "t": np.array([0, 1, 2, 3, 9.0]),  # uneven
            "y": np.arange(12) * 0.5,
            "x": 100 + np.arange(16) * 250,
        }
        for dim, (name, values), unit in zip(
            dataset.dims, coordinates.items(), ("s", "um", "nm"), strict=True
        ):
            file[name] = values
            file[name].attrs["units"] = unit
            file[name].make_scale(name)
            dim.attach_scale(file[name])
    recording = read_recording(tmp_path / "a.h5")
    assert recording.axes == "TYX"
    assert recording.pixel_size_um == (0.5, 0.25)
    assert recording.frame_interval_s is None


@pytest.mark.parametrize("attribute", ["axistags", "axes", "element_size_um", "drange"])
@pytest.mark.parametrize("value", ["{", b"\xff\xfe", 7, "[[1]]", '{"axes": [1, 2, 3]}', "yyx"])
def test_attributes_that_say_nonsense_are_passed_over(
    attribute: str, value: object, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=MOVIE).attrs[attribute] = value
    recording = read_recording(tmp_path / "a.h5")
    assert (recording.axes, recording.pixel_size_um, recording.window) == ("TYX", None, ())


def test_of_several_data_sets_one_must_be_chosen(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw/movie"] = MOVIE
        file["raw/stack"] = STACK
        file["raw/times"] = np.arange(5.0)
        file["names"] = np.array([[b"a", b"b"]])
    with pytest.raises(SeriesError, match="2 data sets: raw/movie, raw/stack") as caught:
        open_clip(tmp_path / "a.h5")
    assert caught.value.choices == (
        ("raw/movie", "raw/movie: T=5, Y=12, X=16, uint16"),
        ("raw/stack", "raw/stack: ?=2, ?=3, ?=12, Y=16, X=2, uint8"),
    )
    for series in ("raw/movie", 0, "0", "/raw/movie"):
        assert open_clip(tmp_path / "a.h5", series=series).num_frames == 5
    with pytest.raises(AxesError):
        open_clip(tmp_path / "a.h5", series="raw/stack")
    assert open_clip(tmp_path / "a.h5", series=1, axes="TZYXC", z=0).num_frames == 2


def test_planes_stay_in_the_chunks_of_the_file(tmp_path: Path) -> None:
    large = np.zeros((3, 300, 100), np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("tiled", data=large, chunks=(1, 100, 100))
        file.create_dataset("deep", data=large, chunks=(3, 300, 100))
        file.create_dataset("whole", data=large)
    tiled = read_recording(tmp_path / "a.h5", series="tiled")
    assert tiled.data.chunks == ((1, 1, 1), (100, 100, 100), (100,))
    assert tiled.notes == ()
    deep = read_recording(tmp_path / "a.h5", series="deep")
    assert deep.data.chunks == ((1, 1, 1), (300,), (100,))
    assert "3 along T" in deep.notes[0]
    assert read_recording(tmp_path / "a.h5", series="whole").data.chunks[0] == (1, 1, 1)


def test_other_types_of_numbers_come_out_native(tmp_path: Path) -> None:
    for number, dtype in enumerate((">u2", "<f2", "?", ">f8")):
        movie = (MOVIE % 2).astype(dtype)
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            file["data"] = movie
        recording = read_recording(path)
        assert recording.data.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(recording.data)).compute(), movie)


def test_the_images_of_an_ilastik_project_are_its_own_copies(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.ilp", "w") as file:
        file["PixelClassification/LabelSets/labels000/block0000"] = STACK
        file["Input Data/infos/lane0000/Raw Data/filePath"] = "elsewhere.png"
    with pytest.raises(ClipError, match="refers to its images"):
        open_clip(tmp_path / "a.ilp")
    with h5py.File(tmp_path / "a.ilp", "a") as file:
        copy = file.create_dataset("Input Data/local_data/3f2a", data=MOVIE)
        copy.attrs["axistags"] = _axistags("zyx")
    assert read_recording(tmp_path / "a.ilp").axes == "ZYX"


def test_no_other_file_is_ever_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(MOVIE.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = MOVIE
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file["data"] = h5py.ExternalLink("other.h5", "data")
        file["soft"] = h5py.SoftLink("/data")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(MOVIE.shape, MOVIE.dtype)
        layout[:] = h5py.VirtualSource("other.h5", "data", MOVIE.shape)
        file.create_virtual_dataset("data", layout)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("data", MOVIE.shape, "u2", external=[("../secret", 0, MOVIE.nbytes)])
    # h5py itself would follow them.
    with h5py.File(tmp_path / "linked.h5") as file:
        assert file["soft"].shape == MOVIE.shape
    for series in (None, "data", "soft"):
        with pytest.raises(ClipError, match="no data sets"):
            open_clip(tmp_path / "linked.h5", series=series)
    for name, elsewhere in (("virtual.h5", "other.h5"), ("raw.h5", "../secret")):
        with pytest.raises(ClipError, match=f"/data lie elsewhere, in {elsewhere}"):
            open_clip(tmp_path / name)


def test_a_filter_that_is_not_here_is_named(tmp_path: Path) -> None:
    lzf = h5py.h5z.FILTER_LZF
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=MOVIE, chunks=(1, 12, 16), compression="lzf")
    whole = (tmp_path / "a.h5").read_bytes()
    # The same message, but packed with Blosc (32001), which HDF5 does not bring.
    at = whole.index(b"lzf\0") - 8
    assert int.from_bytes(whole[at : at + 2], "little") == lzf
    changed = whole[:at] + (32001).to_bytes(2, "little") + whole[at + 2 :]
    (tmp_path / "b.h5").write_bytes(changed)
    with pytest.raises(ClipError, match=r"b\.h5: /data is packed with the filter .* 32001"):
        open_clip(tmp_path / "b.h5")


def test_promises_of_a_petabyte_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        # What was never written takes no place in the file.
        file.create_dataset("wide", (5, 10**7, 10**7), "u2", chunks=(1, 64, 64))
        file.create_dataset("long", (10**12, 64, 64), "u2", chunks=(1, 64, 64))
        file.create_dataset("deep", (2**20, 64, 64), "u2", chunks=(2**18, 64, 64))
    for series in ("wide", "long", "deep"):
        with pytest.raises(ClipError, match="promises"):
            open_clip(tmp_path / "a.h5", series=series)


def test_damaged_pixels_are_named_with_their_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("data", data=MOVIE, chunks=(1, 12, 16), compression="gzip")
        at = dataset.id.get_chunk_info(2).byte_offset
    whole = bytearray((tmp_path / "a.h5").read_bytes())
    whole[at : at + 50] = bytes(50)
    (tmp_path / "a.h5").write_bytes(bytes(whole))
    clip = open_clip(tmp_path / "a.h5", limits=(0, 4000))
    np.testing.assert_array_equal(clip.frame(1), MOVIE[1])
    with pytest.raises(ClipError, match=r"a\.h5 cannot be read"):
        clip.frame(2)


def test_a_heap_of_texts_that_was_lost_in_part_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=MOVIE).attrs["axes"] = "tyx"
    assert read_recording(tmp_path / "a.h5").axes == "TYX"
    whole = bytearray((tmp_path / "a.h5").read_bytes())
    at = whole.index(b"GCOL")
    # The text takes 16 bytes of header and 8; behind it lies the free object with its length.
    assert whole[at + 16 + 16 : at + 16 + 19] == b"tyx"
    whole[at + 40 : at + 56] = bytes(16)
    (tmp_path / "a.h5").write_bytes(bytes(whole))
    with pytest.raises(ClipError, match=rf"damaged in its heap of texts at byte {at}\."):
        open_clip(tmp_path / "a.h5")


def test_a_file_that_another_program_writes_is_refused_until_it_is_closed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = MOVIE
        file.flush()
        assert accepts(tmp_path / "a.h5")
    assert open_clip(tmp_path / "a.h5").num_frames == 5
    # Between frames, the file is free: a program may go on writing.
    clip = open_clip(tmp_path / "a.h5", limits=(0, 4000))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["data"][3] = 7
    assert clip.frame(3).max() == 7
