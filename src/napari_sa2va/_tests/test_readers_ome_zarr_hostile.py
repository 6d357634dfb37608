"""Stores that are damaged, or made to do harm."""

from __future__ import annotations

import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sa2va._tests.ngff_stores import metadata, write_by_hand, zipped
from napari_sa2va.core import zarr_tree
from napari_sa2va.core.errors import ClipError
from napari_sa2va.readers.ome_zarr import read
from napari_sa2va.readers.open import open_clip

MOVIE = np.random.default_rng(8).integers(0, 200, (3, 4, 5)).astype(np.uint8)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A small image, its chunks compressed."""
    return write_by_hand(tmp_path / "a.zarr", MOVIE, metadata(), chunks=(1, 4, 5))


def change(file: Path, **entries: Any) -> None:
    """Replace entries at the top of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


@pytest.mark.parametrize(
    "path",
    ["../outside", "/etc", "0/../../outside", "..", ".", "", "a//b", "..\\outside", "C:/outside",
     "file:///etc", "https://example.org/0", "a\0b"],
)  # fmt: skip
def test_a_path_that_leads_out_of_the_store_is_refused(path: str, tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "outside"), data=MOVIE)
    write_by_hand(tmp_path / "a.zarr", MOVIE, metadata(paths=(path,)))
    with pytest.raises(ClipError, match=r"leads out of the store|is a group") as caught:
        read(tmp_path / "a.zarr")
    assert "a.zarr" in str(caught.value)


@pytest.mark.parametrize("kind", ["plate", "well", "OME"])
def test_paths_of_plates_and_series_stay_inside(kind: str, tmp_path: Path) -> None:
    write_by_hand(tmp_path / "secret.zarr", MOVIE, metadata())
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    away = "../secret.zarr"
    if kind == "OME":
        root.create_group("OME").attrs.update({"ome": {"series": [away]}})
    else:
        of = "wells" if kind == "plate" else "images"
        root.attrs.update({"ome": {kind: {of: [{"path": away}]}}})
    with pytest.raises(ClipError, match="leads out of the store"):
        read(tmp_path / "a.zarr")


def test_archives_are_never_unpacked_so_their_names_lead_nowhere(
    store: Path, tmp_path: Path
) -> None:
    path = zipped(store, tmp_path / "a.ozx")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../escaped.txt", "out")
        archive.writestr("/tmp/escaped.txt", "out")
    np.testing.assert_array_equal(read(path).data.compute(), MOVIE)
    assert not (tmp_path.parent / "escaped.txt").exists()


def test_an_archive_that_would_fill_the_memory_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zarr_tree, "LARGEST_CHUNK_BYTES", 10_000)
    path = zipped(store, tmp_path / "a.ozx")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0/c/7/0/0", bytes(10_001))
    with pytest.raises(ClipError, match="would unpack to 10001 bytes"):
        read(path)


@pytest.mark.parametrize("name", ["zarr.json", "0/zarr.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "\xff", "[" * 5000])
def test_broken_metadata_are_told_by_name(name: str, text: str, store: Path) -> None:
    (store / name).write_text(text, encoding="latin-1")
    with pytest.raises(ClipError) as caught:
        open_clip(store)
    assert str(store) in str(caught.value)


@pytest.mark.parametrize(
    "multiscales",
    [[], {}, None, 7, "text", [7], [[]], [{}], [{"datasets": []}], [{"datasets": [{}]}],
     [{"datasets": [{"path": 7}]}], [{"datasets": [{"path": "0"}], "axes": 7}],
     [{"datasets": [{"path": "0"}], "axes": [{"type": "space"}]}],
     [{"datasets": [{"path": "0"}]}], [{"datasets": [{"path": "0"}], "axes": ["y", "x"]}],
     [{"datasets": [{"path": "0"}], "axes": ["y", "y", "x"]}],
     [{"datasets": [{"path": "0", "coordinateTransformations": [{"type": 1}]}], "axes": ["t", "y", "x"]}]],
)  # fmt: skip
def test_ngff_metadata_of_another_kind_are_refused(multiscales: Any, store: Path) -> None:
    zarr.open_group(str(store), mode="a").attrs["ome"] = {
        "version": "0.5",
        "multiscales": multiscales,
    }
    with pytest.raises(ClipError) as caught:
        read(store)
    assert str(store) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("scale", [[], [1.0], [0, 0, 0], [-1, -1, -1], [1e400, 1, float("nan")]])
def test_a_scale_that_says_nothing_gives_no_sizes(scale: list[float], tmp_path: Path) -> None:
    attributes = metadata()
    steps = attributes["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]
    steps["scale"] = scale
    recording = read(write_by_hand(tmp_path / "a.zarr", MOVIE, attributes))
    assert (recording.pixel_size_um, recording.frame_interval_s) == (None, None)


def test_an_array_that_is_absent_is_named(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.zarr", MOVIE, metadata(paths=("full",)))
    with pytest.raises(ClipError, match="array 'full' is not there"):
        read(path)


def _regular(*shape: int) -> dict[str, Any]:
    return {"name": "regular", "configuration": {"chunk_shape": list(shape)}}


@pytest.mark.parametrize(
    ("shape", "chunks", "said"),
    [
        ([10, 10**8, 10**7], [1, 10**8, 10**7], "chunks of 1,000,000,000,000,000 bytes"),
        ([10**15, 10, 10], [10**13, 10, 10], "chunks of"),
        ([10**15, 10, 10], [1, 10, 10], "planes"),
        ([1, 10**8, 10**8], [1, 10**3, 10**3], "planes of"),
        ([1, 10**17, 1], [1, 1, 1], "planes of"),
        ([3, 4, 5], [0, 4, 5], "chunks|metadata"),
    ],
)
def test_sizes_that_cannot_be_true_are_refused_before_anything_is_made(
    shape: list[int], chunks: list[int], said: str, store: Path
) -> None:
    change(store / "0" / "zarr.json", shape=shape, chunk_grid=_regular(*chunks))
    with pytest.raises(ClipError, match=said):
        read(store)


@pytest.mark.parametrize(
    "shape", [[-3, 4, 5], [3, 4], [3, 4, 5, 6], ["3", 4, 5], [3.5, 4, 5], [0, 4, 5]]
)
def test_shapes_that_are_none_are_refused(shape: list[Any], store: Path) -> None:
    change(store / "0" / "zarr.json", shape=shape)
    with pytest.raises(ClipError) as caught:
        open_clip(store).frame(0)
    assert str(store) in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_damaged_chunk_is_named_with_its_plane(damage: str, store: Path) -> None:
    chunk = store / "0" / "c" / "1" / "0" / "0"
    whole = chunk.read_bytes()
    chunk.write_bytes(
        {"cut": whole[: len(whole) // 2], "noise": b"noise" * 9, "empty": b""}[damage]
    )
    data = read(store).data
    np.testing.assert_array_equal(data[2].compute(), MOVIE[2])
    with pytest.raises(ClipError, match="plane T=1 cannot be read: chunk 'c/1/0/0'") as caught:
        data[1].compute()
    assert str(store) in str(caught.value)


def test_of_several_chunks_the_damaged_one_is_named(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "a.zarr", MOVIE, metadata(), chunks=(1, 2, 5))
    (path / "0" / "c" / "1" / "1" / "0").write_bytes(b"noise")
    with pytest.raises(ClipError, match="chunk 'c/1/1/0'"):
        read(path).data[1].compute()


def test_a_file_that_is_far_larger_than_its_chunk_is_not_unpacked(store: Path) -> None:
    with (store / "0" / "c" / "1" / "0" / "0").open("wb") as file:
        os.truncate(file.fileno(), 10**6)  # for a chunk of 20 bytes
    with pytest.raises(ClipError, match="has 1000000 bytes"):
        read(store).data[1].compute()


def test_metadata_that_are_too_long_are_not_read(store: Path) -> None:
    os.truncate(store / "zarr.json", 2**33)
    with pytest.raises(ClipError, match=r"zarr\.json has 8589934592 bytes"):
        read(store)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_changed_in_a_store_one_error_is_raised_or_it_is_read(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.zarr"
    write_by_hand(path, MOVIE, metadata(), chunks=(1, 4, 5))
    files = sorted(f for f in path.rglob("*") if f.is_file())
    file = data.draw(st.sampled_from(files))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not content:
            break
    file.write_bytes(bytes(content))
    with suppress(ClipError):
        read(path).data[:, :8, :8].compute(scheduler="synchronous")
