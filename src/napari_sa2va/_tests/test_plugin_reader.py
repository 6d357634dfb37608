"""napari opens what its own readers open badly or not at all: movies and DICOM."""

from fractions import Fraction
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image
from pydicom.examples import get_path

from napari_sa2va.core.errors import ClipError
from napari_sa2va.core.recording import Recording
from napari_sa2va.plugin.reader import get_reader, layer_data


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


@pytest.mark.parametrize("name", ["notes.txt", "image.tif", "missing.xyz"])
def test_other_files_are_left_to_others(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name != "missing.xyz":
        path.write_bytes(b"II*\x00 some bytes that are no movie")
    assert get_reader(str(path)) is None


def test_folders_lists_and_missing_files_are_left_to_others(tmp_path: Path, movie: Path) -> None:
    assert get_reader(str(tmp_path)) is None
    assert get_reader([str(movie)]) is None
    assert get_reader(str(tmp_path / "missing.mp4")) is None


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


def test_channels_become_layers_of_their_own() -> None:
    data, meta, _ = layer_data(
        recording("TCYX", (3, 2, 6, 7), channel_names=("dapi", "gfp"), frame_interval_s=2.0)
    )
    assert meta["channel_axis"] == 1
    assert meta["name"] == ["a dapi", "a gfp"]
    assert meta["axis_labels"] == ["t", "y", "x"]
    assert meta["scale"] == [2.0, 1.0, 1.0]
    assert data.shape == (3, 2, 6, 7)


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
