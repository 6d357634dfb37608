"""TIFF files made to do harm, or so damaged that they would: refused in no time, by size."""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.open import read_recording
from napari_sa2va.readers.tiff import chain

LIMIT_S, LIMIT_BYTES = 5.0, 200e6
LONG, SHORT, ASCII, RATIONAL, UNDEFINED = 4, 3, 2, 5, 7
# A page of 4 x 4 px of 8 bits, whose pixels lie at byte 8.
PAGE: dict[int, tuple[int, int, int]] = {
    256: (LONG, 1, 4), 257: (LONG, 1, 4), 258: (SHORT, 1, 8), 259: (SHORT, 1, 1),
    262: (SHORT, 1, 1), 273: (LONG, 1, 8), 277: (SHORT, 1, 1), 278: (LONG, 1, 4), 279: (LONG, 1, 16),
}  # fmt: skip


def directory(after: int, **tags: tuple[int, int, int]) -> bytes:
    """A directory like PAGE; `t256=(LONG, 1, 7)` is another tag 256."""
    entries = PAGE | {int(name[1:]): value for name, value in tags.items()}
    packed = (struct.pack("<HHII", tag, *value) for tag, value in sorted(entries.items()))
    return struct.pack("<H", len(entries)) + b"".join(packed) + struct.pack("<I", after)


def write(path: Path, *directories: bytes, first: int = 24, tail: bytes = b"") -> Path:
    """A file of sixteen pixels, then directories, the first at byte 24, and more bytes."""
    body = struct.pack("<2sHI", b"II", 42, first) + bytes(range(16)) + b"".join(directories)
    path.write_bytes(body + tail)
    return path


@pytest.fixture(autouse=True, scope="module")
def _libraries_are_loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("sane") / "a.ome.tif"
    tifffile.imwrite(path, np.zeros((2, 4, 4), np.uint8), compression="zlib")
    read_recording(path).data.compute()


@pytest.fixture(autouse=True)
def _neither_time_nor_memory_is_spent() -> Iterator[None]:
    tracemalloc.start()
    start = time.perf_counter()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.perf_counter() - start < LIMIT_S
    assert peak < LIMIT_BYTES


def refused(path: Path, reason: str) -> ClipError:
    with pytest.raises(ClipError, match=reason) as caught:
        read_recording(path).data.compute()
    assert path.name in caught.value.message
    assert caught.value.hint
    return caught.value


def small_or_refused(path: Path) -> None:
    """What is left of a promise is what the file holds, or an error that names it."""
    try:
        nbytes, error = read_recording(path).data.compute().nbytes, None
    except ClipError as raised:
        nbytes, error = 0, raised
    assert nbytes <= 64
    assert error is None or (path.name in error.message and error.hint)


def test_a_sane_file_of_this_make_is_read(tmp_path: Path) -> None:
    data = read_recording(write(tmp_path / "a.tif", directory(0))).data
    np.testing.assert_array_equal(data.compute(), np.arange(16).reshape(4, 4))


@pytest.mark.parametrize("compression", [1, 5, 8, 7, 34712, 50000])
def test_a_petabyte_is_refused_whatever_the_compression(compression: int, tmp_path: Path) -> None:
    """2**31 x 2**20 px of 16 bytes of data."""
    page = directory(
        0, t256=(LONG, 1, 2**31 - 1), t257=(LONG, 1, 2**20), t278=(LONG, 1, 2**20),
        t259=(SHORT, 1, compression),
    )  # fmt: skip
    refused(write(tmp_path / "a.tif", page), "promises|truncated|cannot be read")


def test_a_tile_of_a_petabyte_is_refused(tmp_path: Path) -> None:
    page = directory(
        0, t322=(LONG, 1, 2**24), t323=(LONG, 1, 2**24), t324=(LONG, 1, 8), t325=(LONG, 1, 16),
        t259=(SHORT, 1, 8),
    )  # fmt: skip
    refused(write(tmp_path / "a.tif", page), "promises")


def test_many_samples_are_refused(tmp_path: Path) -> None:
    page = directory(0, t277=(SHORT, 1, 65535), t256=(LONG, 1, 2**20), t259=(SHORT, 1, 8))
    refused(write(tmp_path / "a.tif", page), "promises|cannot be read")


@pytest.mark.parametrize("count", [2**20, 2**30, 2**32 - 1])
@pytest.mark.parametrize(
    "tag", ["t273", "t279", "t258", "t320", "t270", "t33629", "t34412", "t65000"]
)
def test_a_tag_with_billions_of_values_is_not_read(tag: str, count: int, tmp_path: Path) -> None:
    kind = RATIONAL if tag == "t33629" else LONG
    path = write(tmp_path / "a.tif", directory(0, **{tag: (kind, count, 8)}))
    small_or_refused(path)


def test_a_directory_of_too_many_tags_is_refused(tmp_path: Path) -> None:
    entries = struct.pack("<HHII", 65000, SHORT, 1, 1) * 5000
    block = struct.pack("<H", 5000) + entries + bytes(4)
    refused(write(tmp_path / "a.tif", block), "byte 24 has 5000 tags")


@pytest.mark.parametrize("back_to", [24, 24 + 114])
def test_directories_in_a_circle_are_refused(back_to: int, tmp_path: Path) -> None:
    first = directory(24 + 114)
    assert len(first) == 114
    refused(write(tmp_path / "a.tif", first, directory(back_to)), f"lead back to byte {back_to}")


@pytest.mark.parametrize("described", [False, True])
def test_sub_directories_in_a_circle_are_refused(described: bool, tmp_path: Path) -> None:
    text = b'{"shape": [4, 4]}\0\0\0'
    length = len(directory(0, t330=(LONG, 1, 0), t270=(ASCII, 1, 0)))
    page = directory(0, t330=(LONG, 1, 24), t270=(ASCII, len(text), 24 + length))
    path = write(
        tmp_path / "a.tif", page if described else directory(0, t330=(LONG, 1, 24)), tail=text
    )
    refused(path, "SubIFDs lead back to byte 24")


def test_directories_that_overlap_are_refused(tmp_path: Path) -> None:
    """Every 16 bytes a directory of 300 tags begins, of which one leads to the next directory."""
    data = bytearray(struct.pack("<2sHI", b"II", 42, 16)).ljust(32_000, b"\0")
    for here in range(16, 16_000, 16):
        data[here : here + 2] = struct.pack("<H", 300)
        after = here + 2 + 300 * 12
        data[after : after + 4] = struct.pack("<I", here + 16)
    (tmp_path / "a.tif").write_bytes(bytes(data))
    refused(tmp_path / "a.tif", "directories overlap|300 tags|lead back|cannot be read")


def test_a_million_pages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MOST_PAGES", 5000)
    pages = [directory(24 + 114 * (i + 1)) for i in range(6000)]
    refused(write(tmp_path / "a.tif", *pages), "more than 5000 pages")


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(10))
    + ']><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">&k;</OME>'
)


def ome(**sizes: int | str) -> str:
    sizes = {"SizeX": 4, "SizeY": 4, "SizeZ": 1, "SizeC": 1, "SizeT": 1} | sizes
    said = " ".join(f'{k}="{v}"' for k, v in sizes.items())
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" {said}>'
        '<Channel ID="Channel:0:0"/><TiffData/></Pixels></Image></OME>'
    )


def with_text(path: Path, text: str) -> Path:
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), description=text.encode(), metadata=None)
    return path


@pytest.mark.parametrize("name", ["a.ome.tif", "a.companion.ome"])
def test_entities_that_unfold_to_gigabytes_are_not_unfolded(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("tif"):
        with_text(path, LAUGHS)
    else:
        path.write_text(LAUGHS)
    refused(path, "entities")


def test_a_sane_description_of_this_make_is_read(tmp_path: Path) -> None:
    assert read_recording(with_text(tmp_path / "a.ome.tif", ome())).data.shape == (4, 4)


@pytest.mark.parametrize(
    "sizes",
    [
        {"SizeT": 10**9}, {"SizeT": 30000, "SizeZ": 30000, "SizeC": 30000}, {"SizeZ": 10**30},
        {"SizeT": 0}, {"SizeT": -5}, {"SizeC": "many"}, {"SizeX": 2**31 - 1, "SizeY": 2**31 - 1},
    ],
)  # fmt: skip
def test_sizes_that_a_description_makes_up_are_not_believed(
    sizes: dict[str, int | str], tmp_path: Path
) -> None:
    path = with_text(tmp_path / "a.ome.tif", ome(**sizes))
    small_or_refused(path)


@pytest.mark.parametrize("count", [10**9, -1, "x", ""])
def test_counts_of_planes_that_a_description_makes_up_are_not_believed(
    count: object, tmp_path: Path
) -> None:
    entry = f'<TiffData IFD="0" FirstT="0" PlaneCount="{count}"/>' * 3
    path = with_text(tmp_path / "a.ome.tif", ome().replace("<TiffData/>", entry))
    small_or_refused(path)


def test_labels_that_a_description_makes_up_are_not_counted(tmp_path: Path) -> None:
    """A Modulo from 0 to 1 in steps of 1e-12."""
    modulo = (
        '<AnnotationRef ID="A:0"/></Image><StructuredAnnotations><XMLAnnotation ID="A:0" '
        'Namespace="openmicroscopy.org/omero/dimension/modulo"><Value><Modulo '
        'namespace="x"><ModuloAlongT Type="lifetime" Start="0" End="1" Step="1e-12"/></Modulo>'
        "</Value></XMLAnnotation></StructuredAnnotations>"
    )
    path = with_text(tmp_path / "a.ome.tif", ome().replace("</Image>", modulo))
    assert read_recording(path).data.shape == (4, 4)


@pytest.mark.parametrize(
    "text",
    [
        "ImageJ=1.53\nimages=1000000000000\nframes=1000000000000\nhyperstack=true\n",
        "ImageJ=1.53\nimages=9\nframes=1000000000\nslices=1000000000\nhyperstack=true\n",
        '{"shape": [1000000000000, 4, 4]}',
        '{"shape": [1000000000000, 4, 4], "truncated": true}',
        '{"shape": "what"}',
        '{"shape": [-1, 4]}',
        '{"shape": []}',
    ],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_shapes_that_other_descriptions_make_up_are_not_believed(
    text: str, compression: str | None, tmp_path: Path
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((4, 4), np.uint8), description=text, metadata=None,
        compression=compression,
    )  # fmt: skip
    small_or_refused(tmp_path / "a.tif")


def test_very_deep_xml_is_refused_or_read(tmp_path: Path) -> None:
    deep = ome().replace("<TiffData/>", "<a>" * 50_000 + "</a>" * 50_000)
    path = with_text(tmp_path / "a.ome.tif", deep)
    small_or_refused(path)


@pytest.mark.parametrize(
    ("compression", "marker", "at"), [("jpeg", b"\xff\xc0", 5), ("jpeg2000", b"\xff\x51", 6)]
)
def test_a_strip_that_unpacks_to_gigabytes_is_not_unpacked(
    compression: str, marker: bytes, at: int, tmp_path: Path
) -> None:
    """The page has 64 x 64 px; what is packed in it says that it has 65,535 x 65,535 px."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression=compression, metadata=None)
    data = bytearray(path.read_bytes())
    start = data.index(marker) + at
    packed = (
        struct.pack(">HH", 65535, 65535)
        if compression == "jpeg"
        else struct.pack(">II", 65535, 65535)
    )
    data[start : start + len(packed)] = packed
    path.write_bytes(bytes(data))
    refused(path, "65535 x 65535 px are packed")


def test_positions_that_a_header_makes_up_are_not_listed(tmp_path: Path) -> None:
    text = '{"shape": [1000000000, 4, 4], "axes": "RYX", "truncated": true}'
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((4, 4), np.uint8), description=text, metadata=None
    )
    refused(tmp_path / "a.tif", "promises 1000000000 positions")
