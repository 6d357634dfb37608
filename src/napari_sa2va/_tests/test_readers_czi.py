"""CZI files as Zeiss' own library writes them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from pylibCZIrw import czi

from napari_sa2va._tests.movies import open_files
from napari_sa2va.core.clip import make_clip
from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.readers.open import open_clip, read_recording

RNG = np.random.default_rng(0)
FIVE = RNG.integers(0, 4000, (3, 4, 2, 12, 16)).astype(np.uint16)


def _write(path: Path, pixels: np.ndarray, **metadata: object) -> Path:
    """Write (T, Z, C, Y, X) or, as colours, (T, Z, C, Y, X, S)."""
    with czi.create_czi(str(path)) as file:
        for t, z, c in np.ndindex(pixels.shape[:3]):
            plane = pixels[t, z, c]
            plane = plane[..., np.newaxis] if plane.ndim == 2 else plane[..., ::-1]  # blue first
            file.write(np.ascontiguousarray(plane), plane={"T": t, "Z": z, "C": c})
        file.write_metadata("title", **metadata)
    return path


def _shown(color: tuple[int, int, int], low: float, high: float) -> object:
    return czi.ChannelDisplaySettingsDataClass(
        True, czi.TintingMode.Color, czi.Rgb8Color(*color), low, high
    )


def test_axes_sizes_names_colours_and_limits_come_over(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "a.czi",
        FIVE,
        channel_names={0: "DAPI", 1: "GFP"},
        scale_y=0.5e-6,
        scale_x=0.25e-6,
        scale_z=2e-6,
        display_settings={0: _shown((0, 0, 255), 0.0, 0.5), 1: _shown((0, 255, 0), 0.2, 1.0)},
    )
    recording = read_recording(path)
    assert recording.axes == "TZCYX"
    assert recording.pixel_size_um == (0.5, 0.25)
    assert recording.z_step_um == 2.0
    assert recording.channel_names == ("DAPI", "GFP")
    assert recording.channel_colors == ("#0000ff", "#00ff00")
    # Shares of 65535.
    assert recording.window == ((0.0, 32767.5), (13107.0, 65535.0))
    np.testing.assert_array_equal(recording.data.compute(), FIVE)
    clip = make_clip(recording, z=1, colors="file")
    assert clip.limits == recording.window


def test_the_interval_between_frames_is_told(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.czi", FIVE)
    with czi.edit_czi(str(path)) as file, file.edit_session() as metadata:
        xml = metadata.get_xml()
        positions = "<T><Positions><Interval><Increment>2.5</Increment></Interval></Positions></T>"
        metadata.set_xml(xml.replace("<Dimensions>", "<Dimensions>" + positions))
    assert read_recording(path).frame_interval_s == 2.5


def test_colours_come_out_red_first(tmp_path: Path) -> None:
    colour = RNG.integers(0, 255, (3, 1, 1, 12, 16, 3)).astype(np.uint8)
    recording = read_recording(_write(tmp_path / "a.czi", colour))
    assert recording.axes == "TYXS"
    np.testing.assert_array_equal(recording.data.compute(), colour[:, 0, 0])


def test_one_picture_is_one_frame(tmp_path: Path) -> None:
    clip = open_clip(_write(tmp_path / "a.czi", FIVE[:1, :1, :1]))
    np.testing.assert_array_equal(clip.frame(0), FIVE[0, 0, 0])


def test_channels_of_8_and_16_bits_go_together(tmp_path: Path) -> None:
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        narrow = (FIVE[0, 0, 0] // 16).astype(np.uint8)
        file.write(narrow[..., np.newaxis], plane={"C": 0})
        file.write(FIVE[0, 0, 1][..., np.newaxis], plane={"C": 1})
    recording = read_recording(tmp_path / "a.czi")
    assert (recording.axes, recording.data.dtype) == ("CYX", np.uint16)
    np.testing.assert_array_equal(recording.data.compute(), [narrow, FIVE[0, 0, 1]])


def test_of_several_scenes_one_must_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        for t in range(3):
            plane = FIVE[t, 0, 0, :, :, np.newaxis]
            file.write(plane, plane={"T": t}, scene=0, location=(0, 0))
            file.write(plane[:6], plane={"T": t}, scene=1, location=(100, 200))
    with pytest.raises(SeriesError, match="2 scenes") as caught:
        open_clip(path)
    assert caught.value.choices == (
        (0, "scene 0: T=3, Z=1, C=1, Y=12, X=16"),
        (1, "scene 1: T=3, Z=1, C=1, Y=6, X=16"),
    )
    for series in (1, "1"):
        data = read_recording(path, series=series).data
        np.testing.assert_array_equal(data.compute(), FIVE[:, 0, 0, :6])


def test_tiles_of_a_mosaic_are_put_together(tmp_path: Path) -> None:
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        tile = np.full((8, 8, 1), 7, np.uint8)
        # Places of the stage may be negative.
        file.write(tile, location=(-8, -8))
        file.write(tile + 1, location=(0, 0))
    whole = np.zeros((16, 16), np.uint8)
    whole[:8, :8], whole[8:, 8:] = 7, 8
    np.testing.assert_array_equal(open_clip(tmp_path / "a.czi").frame(0), whole)


@pytest.mark.parametrize("compression", ["zstd0:ExplicitLevel=1", "zstd1:ExplicitLevel=1"])
def test_packed_planes_are_read_in_another_process_and_leave_nothing_open(
    compression: str, tmp_path: Path
) -> None:
    with czi.create_czi(str(tmp_path / "a.czi"), compression_options=compression) as file:
        for t in range(3):
            file.write(FIVE[t, 0, 0][..., np.newaxis], plane={"T": t})
    data = pickle.loads(pickle.dumps(read_recording(tmp_path / "a.czi").data))
    np.testing.assert_array_equal(data.compute(), FIVE[:, 0, 0])
    assert open_files(tmp_path) == []


def test_a_scene_so_large_that_no_file_of_this_size_holds_it_is_refused(tmp_path: Path) -> None:
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        tile = np.zeros((8, 8, 1), np.uint8)
        file.write(tile, location=(0, 0))
        file.write(tile, location=(2 * 10**9, 2 * 10**9))
    with pytest.raises(ClipError, match="promises 1 planes of 4000000032000000064 bytes"):
        open_clip(tmp_path / "a.czi")
