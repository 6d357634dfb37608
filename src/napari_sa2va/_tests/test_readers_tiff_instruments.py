"""LSM, STK and Micro-Manager: made by hand after their descriptions, as tifffile understands them.

No file that an instrument wrote is in the tests: what they hold beyond these fields is not tried.
"""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va.core.errors import ClipError, SeriesError
from napari_sa2va.readers.open import read_recording

RNG = np.random.default_rng(0)
MOVIE = RNG.integers(0, 255, (3, 2, 12, 16)).astype(np.uint8)  # (T, C, Y, X)

# ---- LSM

LONG, RATIONAL, UNDEFINED = 4, 5, 7
TIME_SERIES = 3
# Three channels: of two, old files keep the bits per sample in another place.
SCAN = RNG.integers(0, 255, (3, 3, 12, 16)).astype(np.uint8)
INFO_BYTES = 500


def _lsm_info(colors_at: int, stamps_at: int) -> bytes:
    """The fields of CZ_LSMINFO that are looked at; offsets count from the file's first byte."""
    info = bytearray(INFO_BYTES)
    struct.pack_into("<IiiiiiiI", info, 0, 67127628, INFO_BYTES, 16, 12, 1, 3, 3, 1)
    struct.pack_into("<ddd", info, 40, 0.2e-6, 0.3e-6, 1e-6)  # voxels in m: x, y, z
    struct.pack_into("<H", info, 88, TIME_SERIES)
    struct.pack_into("<I", info, 108, colors_at)
    struct.pack_into("<I", info, 132, stamps_at)
    return bytes(info)


def _lsm_colors() -> bytes:
    names = b"".join(struct.pack("<I", len(n) + 1) + n + b"\0" for n in (b"Ch1", b"Ch2", b"T-PMT"))
    colors = bytes([255, 0, 0, 0, 0, 255, 0, 0, 255, 255, 255, 0])
    head = struct.pack("<IIIIII", 40 + len(colors) + len(names), 3, 3, 40, 52, 0)
    return head.ljust(40, b"\0") + colors + names


def write_lsm(path: Path, compression: str | None) -> Path:
    """Every second page is a thumbnail, as Zeiss' programs write it."""
    stamps = struct.pack("<ii3d", 8 + 24, 3, 10.0, 12.0, 14.0)
    info = _lsm_info(0, 0)
    with tifffile.TiffWriter(path, byteorder="<") as tif:
        for t in range(3):
            tags = [(34412, UNDEFINED, len(info), info, True)] if t == 0 else []
            tif.write(
                SCAN[t], planarconfig="separate", photometric="minisblack",
                extratags=tags, metadata=None, contiguous=False, compression=compression,
                rowsperstrip=12,
            )  # fmt: skip
            thumbnail = SCAN[t, :, ::2, ::2]
            tif.write(
                thumbnail, planarconfig="separate", photometric="minisblack", subfiletype=1,
                metadata=None, contiguous=False, rowsperstrip=6,
            )  # fmt: skip
    data = path.read_bytes()
    at = data.index(info)
    info = _lsm_info(len(data), len(data) + len(_lsm_colors()))
    path.write_bytes(data[:at] + info + data[at + INFO_BYTES :] + _lsm_colors() + stamps)
    return path


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_lsm_has_its_channels_apart_and_their_colours(
    compression: str | None, tmp_path: Path
) -> None:
    recording = read_recording(write_lsm(tmp_path / "a.lsm", compression))
    assert recording.axes == "TCYX"
    assert recording.data.chunks[:2] == ((1,) * 3, (1,) * 3)
    np.testing.assert_array_equal(recording.data.compute(), SCAN)
    assert recording.pixel_size_um == pytest.approx((0.3, 0.2))
    assert recording.frame_interval_s == 2.0
    assert recording.channel_names == ("Ch1", "Ch2", "T-PMT")
    assert recording.channel_colors == ("#ff0000", "#00ff00", "#ffffff")


# ---- STK


UIC1, UIC2 = 33628, 33629
AUTO, LOW, HIGH, X_SIZE, Y_SIZE, UNIT = 0, 1, 2, 4, 5, 6


def write_stk(path: Path, distance: int, milliseconds: list[int]) -> Path:
    """All planes behind one page, as MetaMorph writes them; distances in thousandths of um."""
    num = len(milliseconds)
    planes = [[distance, 1000, 2459000, t, 2459000, t] for t in milliseconds]
    flat = tuple(n for plane in planes for n in plane)
    tifffile.imwrite(
        path, MOVIE[:num, 0], byteorder="<", photometric="minisblack", metadata={"axes": "TYX"},
        extratags=[(UIC1, LONG, 12, (0,) * 12, True), (UIC2, RATIONAL, 3 * num, flat, True)],
    )  # fmt: skip
    with tifffile.TiffFile(path) as tif:
        tags = {code: tif.pages.first.tags[code] for code in (270, UIC1, UIC2)}
    data = bytearray(path.read_bytes())
    # What tifffile says of the shape is none of MetaMorph's.
    at = tags[270].valueoffset
    data[at : at + tags[270].count] = bytes(tags[270].count)
    # The counts are of entries with a number and a value, and of planes with three fractions.
    struct.pack_into("<I", data, tags[UIC1].offset + 4, 6)
    struct.pack_into("<I", data, tags[UIC2].offset + 4, num)
    end = len(data)
    data += struct.pack("<IIIII", 325, 1000, 650, 1000, 3) + b"um\0"
    entries = {AUTO: 0, LOW: 10, HIGH: 200, X_SIZE: end, Y_SIZE: end + 8, UNIT: end + 16}
    packed = [n for entry in entries.items() for n in entry]
    struct.pack_into("<12I", data, tags[UIC1].valueoffset, *packed)
    path.write_bytes(bytes(data))
    return path


def test_stk_planes_apart_in_depth_are_z(tmp_path: Path) -> None:
    recording = read_recording(write_stk(tmp_path / "a.stk", 1500, [0, 0, 0]))
    assert recording.axes == "ZYX"
    assert recording.z_step_um == 1.5
    assert recording.pixel_size_um == (0.65, 0.325)
    assert recording.window == ((10.0, 200.0),)
    np.testing.assert_array_equal(recording.data.compute(), MOVIE[:, 0])


def test_stk_planes_apart_in_time_are_frames(tmp_path: Path) -> None:
    recording = read_recording(write_stk(tmp_path / "a.stk", 0, [1000, 3000, 5000]))
    assert recording.axes == "TYX"
    assert recording.frame_interval_s == 2.0
    np.testing.assert_array_equal(recording.data.compute(), MOVIE[:, 0])


# ---- Micro-Manager

PLACES = RNG.integers(0, 4000, (2, 3, 2, 12, 16)).astype(np.uint16)  # (position, T, C, Y, X)
SUMMARY = {
    "MicroManagerVersion": "2.0", "Frames": 3, "Channels": 2, "Slices": 1, "Positions": 2,
    "PixelSize_um": 0.325, "Interval_ms": 5000, "z-step_um": 0, "TimeFirst": True,
    "ChNames": ["DIC", "mCherry"], "ChColors": [-1, -65536],
}  # fmt: skip


def _directory(data_at: int, after: int, note: tuple[int, int]) -> bytes:
    """Thirteen tags: tifffile looks for the pixels 162 bytes behind the first byte."""
    entries = [
        (256, 4, 1, 16), (257, 4, 1, 12), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, data_at), (277, 3, 1, 1), (278, 4, 1, 12), (279, 4, 1, 12 * 16 * 2),
        (282, 5, 1, 8), (283, 5, 1, 8), (296, 3, 1, 1), (51123, 2, *note),
    ]  # fmt: skip
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", 13) + packed + struct.pack("<I", after)


def write_mmstack(path: Path, missing: int = 0) -> Path:
    """Frames, positions, channels in this order; the last `missing` planes are left out."""
    summary = json.dumps(SUMMARY).encode()
    first = 40 + len(summary)
    planes = [(c, 0, t, p) for t in range(3) for p in range(2) for c in range(2)]
    step = 162 + 12 * 16 * 2
    body, index = b"", b""
    kept = planes[: len(planes) - missing]
    for i, (c, z, t, p) in enumerate(kept):
        at = first + i * step
        after = at + step if i < len(kept) - 1 else 0
        body += _directory(at + 162, after, (len(summary), 40)) + PLACES[p, t, c].tobytes()
        index += struct.pack("<5I", c, z, t, p, at)
    end = first + len(body)
    head = struct.pack(
        "<2sHI8I", b"II", 42, first, 54773648, end, 0, 0, 0, 0, 2355492, len(summary)
    )
    path.write_bytes(head + summary + body + struct.pack("<II", 3453623, len(kept)) + index)
    return path


def test_positions_of_micromanager_are_asked_for(tmp_path: Path) -> None:
    path = write_mmstack(tmp_path / "run_MMStack.ome.tif")
    with pytest.raises(SeriesError) as caught:
        read_recording(path)
    assert [key for key, _ in caught.value.choices] == [0, 1]
    assert "position 1: T=3, C=2, Y=12, X=16" in caught.value.choices[1][1]
    recording = read_recording(path, series=1)
    assert recording.axes == "TCYX"
    np.testing.assert_array_equal(recording.data.compute(), PLACES[1])
    assert recording.channel_names == ("DIC", "mCherry")
    assert recording.channel_colors == ("#ffffff", "#ff0000")
    assert recording.pixel_size_um == (0.325, 0.325)
    assert recording.frame_interval_s == 5.0
    assert recording.z_step_um is None


def test_planes_that_micromanager_did_not_write_are_missed(tmp_path: Path) -> None:
    """The last plane is channel 1 of frame 2 at position 1."""
    path = write_mmstack(tmp_path / "run_MMStack.ome.tif", missing=1)
    with pytest.raises(ClipError, match="1 of 6 planes are missing, the first is 5"):
        read_recording(path, series=1)
    np.testing.assert_array_equal(read_recording(path, series=0).data.compute(), PLACES[0])
    growing = read_recording(path, series=1, growing=True)
    np.testing.assert_array_equal(growing.data.compute(), PLACES[1, :2])


def write_ndtiff(folder: Path, named: str = "") -> Path:
    """One file for each position, and an index of all planes that names them."""
    summary = json.dumps(SUMMARY).encode()
    first, step = 28 + len(summary), 162 + 12 * 16 * 2
    index = b""
    for p in range(2):
        body = b""
        for i, (t, c) in enumerate(np.ndindex(3, 2)):
            at = first + i * step
            after = at + step if i < 5 else 0
            body += _directory(at + 162, after, (len(summary), 28)) + PLACES[p, t, c].tobytes()
            axes = json.dumps({"position": p, "time": t, "channel": ("DIC", "mCherry")[c]}).encode()
            file = (named or f"run_{p}.tif").encode()
            index += struct.pack("<I", len(axes)) + axes + struct.pack("<I", len(file)) + file
            index += struct.pack("<IiiiiIii", at + 162, 16, 12, 1, 0, 28, len(summary), 0)
        head = struct.pack("<2sHI5I", b"II", 42, first, 483729, 3, 0, 2355492, len(summary))
        (folder / f"run_{p}.tif").write_bytes(head + summary + body)
    (folder / "NDTiff.index").write_bytes(index)
    return folder / "run_0.tif"


def test_positions_of_ndtiff_lie_in_files_that_an_index_names(tmp_path: Path) -> None:
    path = write_ndtiff(tmp_path)
    with pytest.raises(SeriesError) as caught:
        read_recording(path)
    assert len(caught.value.choices) == 2
    for p in range(2):
        recording = read_recording(path, series=p)
        assert recording.axes == "TCYX"
        np.testing.assert_array_equal(recording.data.compute(), PLACES[p])
        assert recording.channel_names == ("DIC", "mCherry")


def test_an_index_leads_to_no_other_folder(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="outside of its folder"):
        read_recording(write_ndtiff(tmp_path, named="../run_1.tif"))


# ---- indexes that are not true


def test_planes_by_the_billion_in_an_index_are_refused(tmp_path: Path) -> None:
    path = write_mmstack(tmp_path / "run_MMStack.ome.tif")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, len(data) - 12, 2**31)  # the frame of the last plane
    path.write_bytes(bytes(data))
    with pytest.raises(ClipError, match=r"promises 2 x 1 x 2147483649 x 2 planes"):
        read_recording(path, series=0)


@pytest.mark.parametrize("at", [0, 60])
def test_an_entry_that_is_longer_than_its_index_is_refused(at: int, tmp_path: Path) -> None:
    """The length of the place of the first plane, and bytes within it."""
    path = write_ndtiff(tmp_path)
    index = bytearray((tmp_path / "NDTiff.index").read_bytes())
    struct.pack_into("<I", index, at, 2**32 - 1)
    (tmp_path / "NDTiff.index").write_bytes(bytes(index))
    with pytest.raises(ClipError) as caught:
        read_recording(path, series=0)
    assert caught.value.hint


def test_a_summary_that_is_longer_than_its_file_makes_no_room_for_itself(tmp_path: Path) -> None:
    """2**31 bytes; what is left is a file of plain pages, of which the index is not believed."""
    path = write_mmstack(tmp_path / "run_MMStack.ome.tif")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 36, 2**31)
    path.write_bytes(bytes(data))
    tracemalloc.start()
    recording = read_recording(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert recording.size("T") == 12
    assert peak < 100e6
