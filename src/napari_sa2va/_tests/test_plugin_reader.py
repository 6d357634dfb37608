"""napari opens what its own readers open badly or not at all, lazily and with all that is known."""

from fractions import Fraction
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image
from PIL import Image as Picture
from pydicom.examples import get_path

from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.core.recording import Recording
from napari_sa2va.plugin.reader import get_reader, layer_data, read_layers


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    import av

    path = tmp_path / "movie.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(20))
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for t in range(5):
            frame = av.VideoFrame.from_ndarray(
                np.full((24, 32, 3), 40 * t, np.uint8), format="rgb24"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_movie_opens_lazily_with_its_frame_interval(movie: Path) -> None:
    read = get_reader(str(movie))
    ((data, meta, kind),) = read(str(movie))
    assert kind == "image"
    assert isinstance(data, da.Array)
    layer = Image(data, **meta)
    assert layer.rgb
    assert layer.data.shape == (5, 24, 32, 3)
    np.testing.assert_allclose(layer.scale, (0.05, 1, 1))
    assert [str(u) for u in layer.units] == ["second", "pixel", "pixel"]
    assert layer.axis_labels == ("t", "y", "x")
    assert layer.metadata["napari_sa2va_source"]["path"] == str(movie)
    assert abs(int(np.asarray(data[3]).mean()) - 120) < 12


def test_a_dicom_cine_opens_with_its_pixel_size() -> None:
    path = str(get_path("ybr_color"))
    ((data, meta, _),) = get_reader(path)(path)
    layer = Image(data, **meta)
    assert layer.data.shape == (30, 240, 320, 3)
    assert [str(u) for u in layer.units] == ["second", "micrometer", "micrometer"]
    np.testing.assert_allclose(layer.scale, (0.033333, 510.497, 510.497), rtol=1e-4)


@pytest.mark.parametrize("name", ["notes.txt", "image.svg", "missing.tif"])
def test_other_files_are_left_to_others(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name != "missing.tif":
        path.write_bytes(b"some bytes that are no movie, and nothing else that is known here")
    assert get_reader(str(path)) is None
    assert get_reader([]) is None


def test_folders_are_ours_if_they_hold_numbered_images(tmp_path: Path) -> None:
    assert get_reader(str(tmp_path)) is None
    (tmp_path / "notes.txt").write_text("some notes")
    assert get_reader(str(tmp_path)) is None
    for t in range(3):
        picture = Picture.fromarray(np.full((8, 9), 50 * t, np.uint8))
        picture.save(tmp_path / f"{t:05d}.png")
    ((data, meta, _),) = get_reader(str(tmp_path))(str(tmp_path))
    assert data.shape == (3, 8, 9)
    assert meta["axis_labels"] == ["t", "y", "x"]


def test_a_damaged_movie_is_refused_when_it_is_read_not_before(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42 and nothing else")
    read = get_reader(str(path))
    assert read is not None
    with pytest.raises(ClipError):
        read(str(path))


def recording(axes: str, shape: tuple[int, ...], dtype=np.uint16, **facts) -> Recording:
    data = da.random.default_rng(0).integers(0, 4000, shape, chunks=-1).astype(dtype)
    return Recording(data, axes, name="a", **facts)


def test_channels_become_layers_with_their_names_colours_and_limits() -> None:
    data, meta, _ = layer_data(
        recording(
            "TCYX", (3, 2, 6, 7), channel_names=("dapi", "gfp"), frame_interval_s=2.0,
            channel_colors=("#0000ff", "#00ff00"), window=((0.0, 900.0), (100.0, 4000.0)),
        )
    )  # fmt: skip
    viewer = ViewerModel()
    dapi, gfp = viewer.add_image(data, **meta)
    assert (dapi.name, gfp.name) == ("a dapi", "a gfp")
    assert dapi.data.shape == (3, 6, 7)
    assert dapi.contrast_limits == [0, 900]
    assert gfp.contrast_limits == [100, 4000]
    np.testing.assert_allclose(gfp.colormap.map(1.0)[0], (0, 1, 0, 1), atol=0.01)
    assert dapi.axis_labels == ("t", "y", "x")
    np.testing.assert_allclose(dapi.scale, (2, 1, 1))


@pytest.mark.parametrize(("count", "names"), [(3, ["a [0]", "a [1]", "a [2]"]), (1, ["a"])])
def test_channels_without_names_are_counted_from_the_first(count: int, names: list[str]) -> None:
    data, meta, _ = layer_data(recording("TCYX", (3, count, 6, 7)))
    made = ViewerModel().add_image(data, **meta)
    assert [layer.name for layer in made] == names


def test_channels_without_a_window_get_limits_each() -> None:
    data = np.zeros((4, 2, 20, 20), np.uint16)
    data[:, 0, :, :10], data[:, 1, :, :10] = 500, 60_000
    made = Recording(da.from_array(data, chunks=(1, 1, 20, 20)), "TCYX")
    _, meta, _ = layer_data(made)
    assert meta["contrast_limits"] == [(0, 500), (0, 60_000)]


def test_lower_resolutions_become_a_pyramid() -> None:
    small = da.zeros((3, 1, 6, 7), np.uint16)[:, 0]
    data, meta, _ = layer_data(recording("TYX", (3, 12, 14), pyramid=(small,)))
    layer = Image(data, **meta)
    assert layer.multiscale
    assert [level.shape for level in layer.data] == [(3, 12, 14), (3, 6, 7)]


@pytest.mark.parametrize(
    ("axes", "shape", "most"),
    [("TYX", (1000, 8, 8), 16), ("TZYX", (1000, 50, 8, 8), 16), ("ZCYX", (90, 2, 8, 8), 32)],
)
def test_limits_are_found_on_a_few_planes_of_a_long_recording(
    axes: str, shape: tuple[int, ...], most: int
) -> None:
    read = []

    def plane(block_id=None):
        read.append(block_id)
        return np.full((1,) * (len(shape) - 2) + shape[-2:], block_id[0] % 900, np.uint16)

    chunks = (*((1,) * n for n in shape[:-2]), *((n,) for n in shape[-2:]))
    lazy = da.map_blocks(plane, chunks=chunks, dtype=np.uint16, meta=np.empty((0,) * len(shape)))
    _, meta, _ = layer_data(Recording(lazy, axes, name="long"))
    assert "contrast_limits" in meta
    assert 1 < len(read) <= most


def test_what_cannot_be_scaled_is_shown_all_the_same() -> None:
    nothing = Recording(da.full((2, 6, 7), np.nan), "TYX")
    _, meta, _ = layer_data(nothing)
    assert "contrast_limits" not in meta


def test_12_bit_data_get_limits_of_the_whole_movie_not_of_the_first_frame() -> None:
    data = np.zeros((4, 20, 20), np.uint16)
    data[0, :, :10] = 100
    data[3, :, :10] = 4000
    _, meta, _ = layer_data(Recording(da.from_array(data, chunks=(1, 20, 20)), "TYX"))
    low, high = meta["contrast_limits"]
    assert low == 0
    assert high > 3000
    _, meta, _ = layer_data(recording("TYX", (4, 20, 20), np.uint8))
    assert "contrast_limits" not in meta


def test_what_a_file_says_of_a_patient_does_not_reach_a_layer(tmp_path: Path) -> None:
    from pydicom import dcmread

    path = tmp_path / "Doe_Jane_cine.dcm"
    data = dcmread(get_path("ybr_color"))
    data.PatientName, data.PatientID = "Doe^Jane", "4711-08"
    data.save_as(path)
    ((pixels, meta, _),) = get_reader(str(path))(str(path))
    layer = Image(pixels, **meta)
    said = f"{layer.name} {layer.metadata}"
    assert "cine" in said
    for word in ("Doe", "Jane", "4711"):
        assert word not in said
    assert "PatientName" in layer.metadata["napari_sa2va_source"]["left_out"]


# Several files, several series


def pages(folder: Path, name: str, *shape: int) -> Path:
    path = folder / name
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite(path, data, photometric="minisblack")
    return path


def test_several_pictures_become_the_frames_of_a_stack(tmp_path: Path) -> None:
    paths = [str(pages(tmp_path, f"{t}.tif", 8, 9)) for t in range(3)]
    ((data, meta, _),) = get_reader(paths)(paths)
    assert data.shape == (3, 8, 9)
    assert meta["axis_labels"] == ["t", "y", "x"]
    np.testing.assert_array_equal(data[2], tifffile.imread(paths[2]))


def test_several_movies_play_one_after_the_other(tmp_path: Path) -> None:
    paths = [str(pages(tmp_path, f"{n}.tif", n, 8, 9)) for n in (2, 3)]
    ((data, _, _),) = get_reader(paths)(paths)
    assert data.shape == (5, 8, 9)
    np.testing.assert_array_equal(data[2:], tifffile.imread(paths[1]))


def test_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    paths = [str(pages(tmp_path, "a.tif", 2, 8, 9)), str(pages(tmp_path, "b.tif", 2, 8, 8))]
    with pytest.raises(ClipError, match=r"b\.tif \(T=2, Y=8, X=8, uint16\) does not fit"):
        get_reader(paths)(paths)


@pytest.fixture
def two_series(tmp_path: Path) -> str:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for name, frames in (("first", 3), ("second", 2)):
            data = np.full((frames, 8, 9), frames * 1000, np.uint16)
            data[:, 0] = 1
            file.write(data, photometric="minisblack", metadata={"axes": "TYX", "Name": name})
    return str(path)


def test_without_a_window_a_file_with_several_series_is_an_error_that_lists_them(
    two_series: str,
) -> None:
    with pytest.raises(SeriesError) as caught:
        get_reader(two_series)(two_series)
    assert [key for key, _ in caught.value.choices] == [0, 1]
    # The way out that it names is one.
    assert "read_layers(path, series=0): viewer.add_image(data, **meta)" in caught.value.hint
    viewer = ViewerModel()
    for data, meta, _ in read_layers(two_series, series=1):
        viewer.add_image(data, **meta)
    assert [layer.data.shape for layer in viewer.layers] == [(2, 8, 9)]
    with pytest.raises(SeriesError, match="has no series 7"):
        read_layers(two_series, series=7)


@pytest.mark.parametrize("ticked", [[1], [0, 1], None], ids=["one", "both", "none"])
def test_in_a_window_a_person_chooses_the_series(
    two_series: str, ticked: list[int] | None, make_napari_viewer_proxy, qtbot
) -> None:
    from qtpy.QtCore import Qt, QTimer
    from qtpy.QtWidgets import QApplication

    from napari_sa2va.gui.series_dialog import SeriesDialog

    viewer = make_napari_viewer_proxy(show=True)
    said = []

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, SeriesDialog):
            return
        timer.stop()
        said.extend(dialog.list.item(row).text() for row in range(dialog.list.count()))
        assert dialog.chosen == [0]
        if ticked is None:
            dialog.reject()
            return
        for row in range(2):
            state = Qt.CheckState.Checked if row in ticked else Qt.CheckState.Unchecked
            dialog.list.item(row).setCheckState(state)
        dialog.accept()

    timer = QTimer()
    timer.timeout.connect(answer)
    timer.start(10)
    layers = viewer.open(two_series, plugin="napari-sa2va")
    assert len(said) == 2
    assert "second" in said[1]
    assert [layer.data.shape[0] for layer in layers] == [[3, 2][n] for n in ticked or []]


# Real files, opened as a person opens them


def test_napari_opens_an_ome_zarr_store_and_a_folder_of_dicom_files(
    make_napari_viewer_proxy, tmp_path: Path
) -> None:
    """One is written by ome-zarr-py, the other one holds a slice that comes with pydicom."""
    import shutil

    import zarr
    from ome_zarr.writer import write_image

    store, series = tmp_path / "cells.ome.zarr", tmp_path / "ct"
    pixels = np.arange(2 * 3 * 64 * 64, dtype=np.uint16).reshape(2, 3, 64, 64)
    write_image(pixels, zarr.open_group(store, mode="w"), axes="tcyx", scale_factors=[2])
    series.mkdir()
    shutil.copy(get_path("ct"), series / "1.dcm")
    viewer = make_napari_viewer_proxy()
    channels = viewer.open(str(store), plugin="napari-sa2va")
    assert [layer.data[0].shape for layer in channels] == [(2, 64, 64)] * 3
    assert all(layer.multiscale for layer in channels)
    np.testing.assert_array_equal(np.asarray(channels[1].data[0][1]), pixels[1, 1])
    (slice_,) = viewer.open(str(series), plugin="napari-sa2va")
    assert slice_.data.shape[-2:] == (128, 128)
    assert [str(u) for u in slice_.units][-2:] == ["micrometer", "micrometer"]


def test_axes_without_names_are_told_and_the_layer_opens_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    stack = np.random.default_rng(0).integers(0, 4000, (3, 4, 5, 12, 16)).astype(np.uint16)
    tifffile.imwrite(path, stack, photometric="minisblack")
    with pytest.warns(UserWarning, match="its shape is 3 x 4 x 5 x 12 x 16"):
        ((data, meta, _),) = get_reader(str(path))(str(path))
    layer = Image(data, **meta)
    assert layer.data.shape == stack.shape
    assert layer.axis_labels == ("axis 0", "axis 1", "axis 2", "y", "x")


def test_channels_with_a_window_for_all_open_with_it(tmp_path: Path) -> None:
    data = da.zeros((2, 3, 4, 5), chunks=(1, 1, 4, 5), dtype=np.uint16) + da.arange(5)
    recording = Recording(data.astype(np.uint16), "TCYX", window=((1.0, 3.0),))
    _, meta, _ = layer_data(recording)
    assert meta["contrast_limits"] == [(1.0, 3.0)] * 3
