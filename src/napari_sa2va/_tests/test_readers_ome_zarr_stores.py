"""Stores that are zipped, far away, growing, or used by several processes at once."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import dask
import numpy as np
import pytest
import zarr

from napari_sa2va._tests.movies import open_files
from napari_sa2va._tests.ngff_stores import metadata, served, write_by_hand, write_ngff, zipped
from napari_sa2va.core import zarr_tree
from napari_sa2va.core.errors import ClipError, MissingPackage, SeriesError
from napari_sa2va.core.recording import Recording
from napari_sa2va.readers.ome_zarr import accepts, accepts_url, read, read_url, recent
from napari_sa2va.readers.open import open_clip, read_recording

RNG = np.random.default_rng(7)
MOVIE = RNG.integers(0, 200, (6, 8, 10)).astype(np.uint8)


@pytest.mark.parametrize("name", ["a.zarr.zip", "a.ozx", "a.zip"])
@pytest.mark.parametrize("prefix", ["", "image.ome.zarr/"])
def test_a_zipped_store_is_read_without_unpacking_it(
    name: str, prefix: str, tmp_path: Path
) -> None:
    path = zipped(write_ngff(tmp_path / "whole", MOVIE), tmp_path / name, prefix)
    assert accepts(path)
    before = sorted(tmp_path.rglob("*"))
    recording = read(path)
    assert (recording.name, recording.axes) == ("a", "TYX")
    np.testing.assert_array_equal(recording.data.compute(scheduler="threads"), MOVIE)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_is_closed_when_the_recording_is_gone(tmp_path: Path) -> None:
    path = zipped(write_ngff(tmp_path / "whole", MOVIE), tmp_path / "a.ozx")
    recording = read(path)
    assert open_files(tmp_path) == []  # not even open yet
    recording.data[0].compute()
    del recording
    gc.collect()
    assert open_files(tmp_path) == []


def test_a_zip_archive_of_something_else_is_not_accepted(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "notes.txt").write_text("notes")
    assert not accepts(zipped(tmp_path / "whole", tmp_path / "a.zip"))
    with pytest.raises(ClipError, match="holds no Zarr store"):
        read(zipped(tmp_path / "whole", tmp_path / "a.ozx"))


def _frame_sum(pickled: bytes, t: int) -> int:
    return int(pickle.loads(pickled)[t].compute(scheduler="synchronous").sum())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_other_processes_open_the_store_for_themselves(tmp_path: Path) -> None:
    path = zipped(write_ngff(tmp_path / "whole", MOVIE), tmp_path / "a.ozx")
    data = read(path).data
    data[0].compute()  # open here, too
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pickled = pickle.dumps(data)
        sums = pool.starmap(_frame_sum, [(pickled, t) for t in range(6)])
    assert sums == MOVIE.sum(axis=(1, 2)).tolist()


def test_a_store_on_a_server_is_read_as_one_on_disk(tmp_path: Path) -> None:
    write_ngff(tmp_path / "my image.ome.zarr", MOVIE, levels=2, scale={"t": 0.5, "y": 2, "x": 3})
    with served(tmp_path) as address:
        url = f"{address}/{quote('my image.ome.zarr')}"
        recording = read_recording(url)
        assert recording.source == url
        assert recording.axes == "TYX"
        assert recording.pixel_size_um == (2.0, 3.0)
        assert len(recording.pyramid) == 1
        np.testing.assert_array_equal(recording.data.compute(scheduler="threads"), MOVIE)
        again = pickle.loads(pickle.dumps(recording.data))
        np.testing.assert_array_equal(again[3].compute(), MOVIE[3])
        np.testing.assert_array_equal(open_clip(url + "/").frame(2), MOVIE[2])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_series_on_a_server_are_asked_for(version: str, tmp_path: Path) -> None:
    format_ = 3 if version == "0.5" else 2
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=format_)
    layout = {"bioformats2raw.layout": 3}
    root.attrs.update({"ome": {"version": "0.5", **layout}} if version == "0.5" else layout)
    for series in ("0", "1"):
        write_ngff(tmp_path / "a.zarr" / series, MOVIE, version=version)
    with served(tmp_path) as address:
        with pytest.raises(SeriesError) as caught:
            read_url(f"{address}/a.zarr")
        assert [key for key, _ in caught.value.choices] == ["0", "1"]
        data = read_url(f"{address}/a.zarr", series=1).data
        np.testing.assert_array_equal(data[5].compute(), MOVIE[5])


@pytest.mark.parametrize("name", ["a.zarr.zip", "a.ozx"])
def test_a_zipped_store_on_a_server_is_read_in_parts(name: str, tmp_path: Path) -> None:
    zipped(write_ngff(tmp_path / "whole", MOVIE), tmp_path / name)
    with served(tmp_path) as address:
        recording = read_recording(f"{address}/{name}")
        assert recording.name == "a"
        np.testing.assert_array_equal(recording.data.compute(scheduler="threads"), MOVIE)
    with pytest.raises(ClipError, match="cannot be read"):
        read_url(f"{address}/{name}")


def test_parts_of_shards_on_a_server_are_read(tmp_path: Path) -> None:
    write_by_hand(tmp_path / "a.zarr", MOVIE, metadata(), chunks=(1, 4, 5), shards=(6, 8, 10))
    with served(tmp_path) as address:
        data = read_url(f"{address}/a.zarr").data
        np.testing.assert_array_equal(data.compute(), MOVIE)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_server_may_call_absent_metadata_forbidden_but_not_chunks(
    version: str, tmp_path: Path
) -> None:
    write_ngff(tmp_path / "a.zarr", MOVIE, version=version)
    chunk = next(f for f in (tmp_path / "a.zarr").rglob("*") if "2" in f.parts[-3:] and f.is_file())
    chunk.unlink()
    with served(tmp_path, is_secretive=True) as address:
        data = read_url(f"{address}/a.zarr").data
        np.testing.assert_array_equal(data[1].compute(), MOVIE[1])
        with pytest.raises(ClipError, match=r"plane T=2 cannot be read.*403"):
            data[2].compute()
        with pytest.raises(ClipError, match="that you may read"):
            read_url(f"{address}/b.zarr")


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zarr_tree, "_PATIENCE_S", 0.2)
    server = socket.create_server(("127.0.0.1", 0))  # takes calls and says nothing
    with server, pytest.raises(ClipError, match="cannot be read"):
        read_url(f"http://127.0.0.1:{server.getsockname()[1]}/a.zarr")


def test_a_store_in_any_file_system_of_fsspec_is_read(tmp_path: Path) -> None:
    import fsspec

    write_ngff(tmp_path / "a.zarr", MOVIE)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "a.zarr"), "/some/a.zarr", recursive=True)
    np.testing.assert_array_equal(read_url("memory://some/a.zarr").data.compute(), MOVIE)


def test_what_is_not_on_the_server_is_said_with_its_address(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        with pytest.raises(ClipError, match="no Zarr group or array") as caught:
            read_url(f"{address}/gone.zarr")
        assert f"{address}/gone.zarr" in str(caught.value)
    with pytest.raises(ClipError, match="cannot be read") as caught:
        read_url(f"{address}/gone.zarr")  # nobody listens there any more
    assert address in str(caught.value)


def test_a_server_that_goes_away_is_told_with_the_plane(tmp_path: Path) -> None:
    write_ngff(tmp_path / "a.zarr", MOVIE)
    with served(tmp_path) as address:
        data = read_url(f"{address}/a.zarr").data
        np.testing.assert_array_equal(data[1].compute(), MOVIE[1])
    with pytest.raises(ClipError, match="plane T=2 cannot be read"):
        data[2].compute()


@pytest.mark.parametrize("url", ["nonsense://host/a.zarr", "gs://bucket/a.zarr"])
def test_an_address_of_another_kind_says_what_is_needed(url: str) -> None:
    with pytest.raises((ClipError, MissingPackage)) as caught:
        read_url(url)
    assert url in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_accepted"),
    [
        ("https://a.b/c/image.ome.zarr", True), ("https://a.b/c/plate.zarr/B/3/0", True),
        ("s3://bucket/c/v0.4/6001240", True), ("https://a.b/image.zarr.zip", True),
        ("https://a.b/movie.mp4", False), ("https://a.b/stack.ome.tif?download=1", False),
    ],
)  # fmt: skip
def test_addresses_of_other_files_are_left_to_others(url: str, is_accepted: bool) -> None:
    assert accepts_url(url) == is_accepted


def test_a_store_that_grows_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    group = zarr.open_group(str(path), mode="w")
    group.attrs.update(metadata())
    array = group.create_array("0", shape=(2, 8, 10), chunks=(1, 8, 10), dtype="u1")
    array[:1] = MOVIE[:1]
    first = read(path)
    assert first.data[1].compute().max() == 0  # not there yet
    array[1] = MOVIE[1]
    np.testing.assert_array_equal(first.data[1].compute(), MOVIE[1])
    array.resize((6, 8, 10))
    array[2:] = MOVIE[2:]
    np.testing.assert_array_equal(read(path).data.compute(), MOVIE)
    assert read(path).data.name != first.data.name  # nobody's cache takes one for the other


def test_a_store_that_shrank_before_it_was_read_is_told(tmp_path: Path) -> None:
    data = read(write_by_hand(tmp_path / "a.zarr", MOVIE, metadata())).data
    zarr.open_array(str(tmp_path / "a.zarr" / "0"), mode="a").resize((1, 8, 10))
    with pytest.raises(ClipError, match="smaller since"):
        data[1].compute()


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """Three planes in a chunk."""
    return write_by_hand(tmp_path / "a.zarr", MOVIE, metadata(), chunks=(3, 8, 10))


def test_planes_of_one_chunk_are_decoded_once(deep: Path) -> None:
    data = read(deep).data
    np.testing.assert_array_equal(data[0].compute(), MOVIE[0])
    (deep / "0" / "c" / "0" / "0" / "0").unlink()
    np.testing.assert_array_equal(data[2].compute(), MOVIE[2])
    np.testing.assert_array_equal(data[3].compute(), MOVIE[3])


def test_what_was_decoded_is_not_kept_for_long(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "_FRESH_S", 0.0)
    data = read(deep).data
    data[0].compute()
    zarr.open_array(str(deep / "0"), mode="a")[1] = 9
    assert data[1].compute().tolist() == np.full((8, 10), 9).tolist()


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "_MOST_BYTES", 250)
    kept = recent.RecentBlocks()
    for key in range(3):
        kept.put((key,), np.full(100, key, np.uint8))
    assert [kept.get((key,)) is not None for key in range(3)] == [False, True, True]
    assert not kept.fits((slice(0, 251),), np.dtype("u1"))


def test_many_threads_read_what_one_reads(deep: Path) -> None:
    data = read(deep).data
    found: dict[int, np.ndarray] = {}

    def look(t: int) -> None:
        found[t] = data[t].compute(scheduler="synchronous")

    threads = [threading.Thread(target=look, args=(t,)) for t in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal([found[t] for t in range(6)], MOVIE)


def test_a_movie_of_a_hundred_gigabytes_is_a_handful_of_tasks(tmp_path: Path) -> None:
    """Opening must not depend on the number of chunks, which is that of the tasks dask would make."""

    def opened(num_frames: int) -> Recording:
        path = tmp_path / f"{num_frames}.zarr"
        shape = (num_frames, 1000, 1000)
        zarr.create_array(str(path), shape=shape, chunks=(1, 1000, 1000), dtype="u1")
        return read(path)

    long = opened(100_000).data
    assert long.nbytes == 10**11
    assert long.numblocks == (100_000, 1, 1)
    assert not any(layer.is_materialized() for layer in long.dask.layers.values())
    (frame,) = dask.optimize(long[77_777])
    assert len(dict(frame.dask)) <= 2
    assert frame.compute(scheduler="synchronous").shape == (1000, 1000)


def test_a_petabyte_opens_without_room_for_it(tmp_path: Path) -> None:
    shape = (1_000_000, 32_768, 32_768)
    zarr.create_array(str(tmp_path / "a.zarr"), shape=shape, chunks=(1, 1024, 1024), dtype="u1")
    data = read(tmp_path / "a.zarr").data
    assert data.nbytes > 1e15
    assert data[999_999, :10, :10].compute(scheduler="synchronous").sum() == 0
