"""Files and folders that are still being written: what is complete is there, and later there is more."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sa2va.core.errors import ClipError, RequestError
from napari_sa2va.readers.growing import Extent, extent, reread
from napari_sa2va.readers.open import open_clip, read_recording

RNG = np.random.default_rng(0)
MOVIE = RNG.integers(0, 4000, (10, 2, 32, 40)).astype(np.uint16)  # (T, C, Y, X)


def part(path: Path, num_bytes: int) -> Path:
    """The first bytes of a file, as whoever writes it from its beginning has written them."""
    begun = path.with_name("begun" + path.suffix)
    begun.write_bytes(path.read_bytes()[:num_bytes])
    return begun


def early_ome(path: Path) -> list[int]:
    """An OME-TIFF whose description is written before the pixels, each page behind its directory."""
    tifffile.imwrite(path, MOVIE, metadata={"axes": "TCYX"}, ome=True)
    text = tifffile.tiffcomment(path).encode() + b"\0"
    at = 8 + len(text) + len(text) % 2
    body, ends = struct.pack("<2sHI", b"II", 42, at) + text.ljust(at - 8, b"\0"), []
    planes = MOVIE.reshape(-1, 32, 40)
    for i, plane in enumerate(planes):
        here, pixels = len(body), plane.tobytes()
        entries = [
            (256, 4, 1, 40), (257, 4, 1, 32), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
            *([(270, 2, len(text), 8)] if i == 0 else []),
            (273, 4, 1, 0), (277, 3, 1, 1), (278, 4, 1, 32), (279, 4, 1, len(pixels)),
        ]  # fmt: skip
        data_at = here + 2 + 12 * len(entries) + 4
        packed = b"".join(
            struct.pack("<HHII", *(e if e[0] != 273 else (273, 4, 1, data_at))) for e in entries
        )
        after = data_at + len(pixels) if i < len(planes) - 1 else 0
        body += struct.pack("<H", len(entries)) + packed + struct.pack("<I", after) + pixels
        ends.append(len(body))
    path.write_bytes(body)
    return ends


@pytest.mark.parametrize("extra", [0, 1, 60, 500])
def test_an_ome_tiff_has_the_frames_of_which_all_channels_are_there(
    extra: int, tmp_path: Path
) -> None:
    """Seven planes and a little more: three frames of two channels, and one channel of the fourth."""
    ends = early_ome(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(read_recording(tmp_path / "a.ome.tif").data.compute(), MOVIE)
    begun = part(tmp_path / "a.ome.tif", ends[6] + extra)
    with pytest.raises(ClipError, match="truncated") as caught:
        read_recording(begun)
    assert "growing" in caught.value.hint
    recording = read_recording(begun, growing=True)
    assert recording.axes == "TCYX"
    np.testing.assert_array_equal(recording.data.compute(), MOVIE[:3])
    assert any("3 of the 10 frames" in note for note in recording.notes)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("extra", [0, 7, 200])
def test_plain_pages_are_there_one_by_one(
    compression: str | None, extra: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for plane in MOVIE[:, 0]:
            tif.write(plane, metadata=None, compression=compression, contiguous=False)
    with tifffile.TiffFile(path) as tif:
        ends = [page.dataoffsets[-1] + page.databytecounts[-1] for page in tif.pages]
    recording = read_recording(part(path, ends[4] + extra), growing=True)
    np.testing.assert_array_equal(recording.data.compute(), MOVIE[:5, 0])
    assert any("still being written" in note for note in recording.notes)


def test_a_file_that_was_only_begun_says_so(tmp_path: Path) -> None:
    ends = early_ome(tmp_path / "a.ome.tif")
    for num_bytes in (8, 12, ends[0] - 1, ends[0]):  # of two channels, one at most is there
        with pytest.raises(ClipError, match="no complete frame yet"):
            read_recording(part(tmp_path / "a.ome.tif", num_bytes), growing=True)


def test_a_whole_file_is_no_other_for_being_opened_as_growing(tmp_path: Path) -> None:
    early_ome(tmp_path / "a.ome.tif")
    recording = read_recording(tmp_path / "a.ome.tif", growing=True)
    np.testing.assert_array_equal(recording.data.compute(), MOVIE)
    assert recording.notes == ()


def test_what_another_program_writes_is_read_between_its_pages(tmp_path: Path) -> None:
    """tifffile's own writer, which closes the file only after the last page."""
    path = tmp_path / "a.tif"
    seen = []
    with tifffile.TiffWriter(path) as tif:
        for plane in MOVIE[:4, 0]:
            tif.write(plane, metadata=None, contiguous=False)
            tif.filehandle.flush()
            seen.append(read_recording(path, growing=True).size("T"))
    assert seen == [1, 2, 3, 4]


def test_a_clip_is_read_again_with_what_came_meanwhile_and_looks_the_same(tmp_path: Path) -> None:
    ends = early_ome(tmp_path / "a.ome.tif")
    begun = part(tmp_path / "a.ome.tif", ends[5])
    clip = open_clip(begun, growing=True, channels=1).crop(4, 8, 20, 30)
    assert clip.num_frames == 3
    seen = clip.rgb(2)
    part(tmp_path / "a.ome.tif", ends[13])
    more = reread(clip)
    assert more.num_frames == 7
    assert (more.limits, more.box, more.name) == (clip.limits, clip.box, clip.name)
    np.testing.assert_array_equal(more.frame(6), MOVIE[6, 1, 4:20, 8:30])
    np.testing.assert_array_equal(more.rgb(2), seen)
    part(tmp_path / "a.ome.tif", ends[-1])
    assert reread(more).num_frames == 10
    assert not any("still" in note for note in reread(more).notes)


def test_nothing_of_before_is_shown_when_pixels_are_written_over(tmp_path: Path) -> None:
    """Names of chunks, by which napari keeps them, are others; of a folder's images too."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, MOVIE[:, 0])
    before = read_recording(path).data
    tifffile.imwrite(path, MOVIE[:, 1])
    os.utime(path, ns=(1, 1))
    assert read_recording(path).data.name != before.name
    folder = images(tmp_path / "run", 3)
    before = read_recording(folder).data
    Image.new("L", (8, 6), 77).save(folder / "1.png")
    after = read_recording(folder).data
    assert after.name != before.name
    assert int(after[1, 0, 0].compute()) == 77


def test_a_clip_of_an_array_is_not_read_again() -> None:
    with pytest.raises(RequestError, match="cannot be read again"):
        reread(open_clip(MOVIE[:, 0]))


# ---- folders


def images(folder: Path, num: int) -> Path:
    """Grey images; the first pixel of image i is i, the last is 255."""
    folder.mkdir(exist_ok=True)
    for i in range(num):
        pixels = np.zeros((6, 8), np.uint8)
        pixels[0, 0], pixels[-1, -1] = i, 255
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_an_image_that_is_half_written_is_left_out_until_it_is_whole(
    share: float, ending: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(MOVIE[i, 0]).save(folder / f"{i}.{ending}")
    last = folder / f"3.{ending}"
    whole = last.read_bytes()
    last.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ClipError):
        open_clip(folder).rgb(3)
    clip = open_clip(folder, growing=True)
    assert clip.num_frames == 3
    assert "1 of its images" in clip.notes[0]
    last.write_bytes(whole)
    more = reread(clip)
    assert more.num_frames == 4
    assert more.notes == ()
    np.testing.assert_array_equal(more.frame(3), MOVIE[3, 0])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_that_is_half_written_is_left_out_until_it_is_whole(
    compression: str | None, tmp_path: Path
) -> None:
    """Frames of the Cell Tracking Challenge, each a file of two planes."""
    folder = tmp_path / "01"
    folder.mkdir()
    for t in range(3):
        tifffile.imwrite(folder / f"t{t:03d}.tif", MOVIE[t], metadata=None,
                         compression=compression, photometric="minisblack")  # fmt: skip
    whole = (folder / "t002.tif").read_bytes()
    (folder / "t002.tif").write_bytes(whole[: int(len(whole) * 0.8)])
    clip = open_clip(folder, growing=True, z=1)
    assert clip.num_frames == 2
    (folder / "t002.tif").write_bytes(whole)
    np.testing.assert_array_equal(reread(clip).frame(2), MOVIE[2, 1])


def test_a_damaged_image_in_the_middle_is_no_sign_of_growing(tmp_path: Path) -> None:
    folder = images(tmp_path / "run", 4)
    (folder / "1.png").write_bytes(b"\x89PNG")
    with pytest.raises(ClipError, match=r"1\.png"):
        read_recording(folder, growing=True)


def test_a_folder_without_a_whole_image_says_so(tmp_path: Path) -> None:
    folder = images(tmp_path / "run", 1)
    (folder / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(ClipError, match="no complete image yet"):
        read_recording(folder, growing=True)


# ---- whether more came


def test_the_extent_tells_whether_something_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    assert extent(path) == Extent()
    path.write_bytes(b"12345")
    os.utime(path, ns=(10**9, 10**9))
    assert extent(path) == Extent(1, 5, 10**9)
    first = extent(tmp_path)
    assert first == extent(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.tif").write_bytes(b"1")
    assert extent(tmp_path).num_files == 2
    assert extent(tmp_path) != first
    assert extent(tmp_path / "a*.tif") == extent(path)
    # Written over with as many bytes: only the time tells.
    os.utime(path, ns=(2 * 10**9, 2 * 10**9))
    assert extent(path) == Extent(1, 5, 2 * 10**9)
