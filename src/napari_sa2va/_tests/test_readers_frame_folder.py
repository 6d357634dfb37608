"""Folders of numbered images play in their natural order, or say why they cannot."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.readers import frame_folder
from napari_sa2va.readers.open import open_clip


def write_images(folder: Path, names: list[str], size: tuple[int, int] = (6, 8)) -> Path:
    """Grey images; the first pixel of image i is i, the last is 255."""
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        pixels = np.zeros(size, np.uint8)
        pixels[0, 0], pixels[-1, -1] = i, 255
        Image.fromarray(pixels).save(folder / name)
    return folder


def test_ten_comes_after_nine(tmp_path: Path) -> None:
    clip = open_clip(write_images(tmp_path / "run", [f"img{n}.png" for n in range(12)]))
    assert [int(clip.frame(t)[0, 0]) for t in range(12)] == list(range(12))
    assert clip.name == "run"
    assert clip.notes == ()


def test_missing_numbers_are_told(tmp_path: Path) -> None:
    names = [f"{n:04d}.png" for n in (1, 2, 3, 6, 7, 9)]
    clip = open_clip(write_images(tmp_path / "run", names))
    assert clip.num_frames == 6
    assert "between 3 and 6, between 7 and 9" in clip.notes[0]


def test_every_second_frame_kept_is_no_gap(tmp_path: Path) -> None:
    names = [f"{n:04d}.png" for n in (2, 4, 6, 8)]
    assert open_clip(write_images(tmp_path / "run", names)).notes == ()


def test_mixed_sizes_name_the_file_and_both_sizes(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "run", ["1.png", "2.png", "3.png"])
    write_images(folder, ["2.png"], size=(5, 8))
    with pytest.raises(ClipError, match=r"2\.png is 5 x 8 px .* but 1\.png is 6 x 8 px"):
        open_clip(folder)


def test_grey_and_colour_do_not_mix(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "run", ["1.png", "2.png"])
    Image.new("RGB", (8, 6), (255, 0, 0)).save(folder / "3.png")
    with pytest.raises(ClipError, match=r"3\.png is .* colour, but 1\.png is .* grey"):
        open_clip(folder)


def test_two_series_in_one_folder_must_be_chosen_from(tmp_path: Path) -> None:
    names = [f"ch{c}_{n}.png" for c in "ab" for n in range(3)]
    folder = write_images(tmp_path / "run", names)
    with pytest.raises(
        SeriesError, match=r"2 series of images: cha_\*\.png, chb_\*\.png"
    ) as caught:
        open_clip(folder)
    assert caught.value.choices == (
        ("cha_*.png", "cha_*.png: 3 images"), ("chb_*.png", "chb_*.png: 3 images")
    )  # fmt: skip
    for clip in (open_clip(folder / "chb_*.png"), open_clip(folder, series="chb_*.png")):
        assert [int(clip.frame(t)[0, 0]) for t in range(3)] == [3, 4, 5]
        assert clip.name == "run"


def test_other_files_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "run", ["1.png", "2.png"])
    (folder / "notes.txt").write_text("no picture")
    (folder / ".3.png").write_text("no picture")
    assert open_clip(folder).num_frames == 2


@pytest.mark.parametrize(
    ("mode", "shape", "dtype"),
    [
        ("1", (6, 8), "uint8"),
        ("LA", (6, 8), "uint8"),
        ("P", (6, 8, 3), "uint8"),
        ("RGBA", (6, 8, 3), "uint8"),
        ("I;16", (6, 8), "uint16"),
    ],
)
def test_kinds_of_png_become_grey_or_colour(
    mode: str, shape: tuple[int, ...], dtype: str, tmp_path: Path
) -> None:
    pixels = np.zeros((6, 8), np.uint16 if mode == "I;16" else np.uint8)
    pixels[2] = 255
    image = Image.fromarray(pixels)
    image = image if mode == "I;16" else image.convert(mode)
    for n in range(2):
        image.save(tmp_path / f"{n}.png")
    clip = open_clip(tmp_path)
    assert clip.frames.shape == (2, *shape)
    assert clip.frames.dtype == dtype
    assert (clip.frame(1)[2] == 255).all()


def test_tiff_images_bring_their_pixel_size(tmp_path: Path) -> None:
    for n in range(3):
        tifffile.imwrite(
            tmp_path / f"{n}.tif",
            np.full((6, 8), n, np.uint16),
            resolution=(2e4, 2e4),
            resolutionunit="CENTIMETER",
        )
    clip = open_clip(tmp_path)
    assert clip.pixel_size_um == (0.5, 0.5)
    assert int(clip.frame(2)[0, 0]) == 2


def test_tiff_images_of_which_zero_is_white_are_turned(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint16).reshape(6, 8)
    for n in range(2):
        tifffile.imwrite(tmp_path / f"{n}.tif", pixels + n, photometric="miniswhite")
    clip = open_clip(tmp_path)
    np.testing.assert_array_equal(clip.frame(1), 65535 - (pixels + 1))


def test_palettes_of_tiff_images_become_colour(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    table = np.stack([np.arange(256) * 257, np.arange(256)[::-1] * 257, np.zeros(256)])
    for n in range(2):
        tifffile.imwrite(
            tmp_path / f"{n}.tif",
            pixels + n,
            photometric="palette",
            colormap=table.astype(np.uint16),
        )
    clip = open_clip(tmp_path)
    assert clip.frames.shape == (2, 6, 8, 3)
    expected = np.stack([pixels + 1, 255 - (pixels + 1), np.zeros_like(pixels)], -1)
    np.testing.assert_array_equal(clip.rgb(1), expected)


def test_stacks_in_a_folder_are_refused(tmp_path: Path) -> None:
    for n in range(2):
        tifffile.imwrite(tmp_path / f"{n}.tif", np.zeros((5, 6, 8), np.uint16), metadata=None,
                         photometric="minisblack")  # fmt: skip
    with pytest.raises(ClipError, match="has 5 pages"):
        open_clip(tmp_path)


def test_one_image_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "run", ["cell.png"])
    clip = open_clip(folder / "cell.png")
    assert clip.num_frames == 1
    assert clip.name == "cell"


def test_an_image_that_vanishes_later_is_named(tmp_path: Path) -> None:
    clip = open_clip(write_images(tmp_path / "run", ["1.png", "2.png"]))
    (tmp_path / "run" / "2.png").unlink()
    with pytest.raises(ClipError, match=r"2\.png is gone"):
        clip.rgb(1)


def test_a_zarr_folder_is_not_taken_for_a_folder_of_images(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "store", ["thumbnail.png"])
    assert frame_folder.accepts(folder)
    (folder / "zarr.json").write_text("{}")
    assert not frame_folder.accepts(folder)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_png_of_sixteen_bits_keeps_them_in_colour_too(samples: int, tmp_path: Path) -> None:
    """Grey with alpha, RGB and RGBA: Pillow alone would give eight bits."""
    pixels = np.random.default_rng(0).integers(0, 65536, (6, 8, samples)).astype(np.uint16)
    for n in range(2):
        (tmp_path / f"{n}.png").write_bytes(imagecodecs.png_encode(pixels + n))
    clip = open_clip(tmp_path)
    expected = pixels[..., 0] if samples == 2 else pixels[..., :3]
    assert clip.frames.dtype == np.uint16
    np.testing.assert_array_equal(clip.frame(1), expected + 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_jpeg_2000_is_read(dtype: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (32, 40)).astype(dtype)
    for n in range(2):
        encoded = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2")
        (tmp_path / f"{n}.jp2").write_bytes(encoded)
    clip = open_clip(tmp_path)
    assert clip.frames.dtype == dtype
    np.testing.assert_array_equal(clip.frame(1), pixels)


def test_a_palette_of_davis_becomes_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]] * 4, np.uint8), mode="P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    for n in range(2):
        image.save(tmp_path / f"{n}.png")
    assert open_clip(tmp_path).rgb(1)[0].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]


def test_an_image_that_promises_more_pixels_than_anybody_has_is_refused(tmp_path: Path) -> None:
    """A PNG of 60,000 x 60,000 px in 70 bytes."""
    for n in range(2):
        write_images(tmp_path, [f"{n}.png"])
    data = bytearray((tmp_path / "1.png").read_bytes())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "0.png").write_bytes(data)
    with pytest.raises(ClipError, match=r"0\.png cannot be read as an image"):
        open_clip(tmp_path)
