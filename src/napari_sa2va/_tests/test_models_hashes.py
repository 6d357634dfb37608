"""Weight files are named by what they hold; a large one that did not change is read once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from napari_sa2va.models import hashes

FIRST, SECOND = b"first", b"other"  # of equal length


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache file of its own, in which the smallest file is worth keeping."""
    path = tmp_path / "cache" / "hashes.json"
    monkeypatch.setattr(hashes, "_cache_file", lambda: path)
    monkeypatch.setattr(hashes, "_SMALL", 0)
    return path


@pytest.fixture
def weights(tmp_path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(FIRST)
    return path


def replace(path: Path, data: bytes, *, same_time: bool) -> None:
    before = path.stat().st_mtime_ns
    path.write_bytes(data)
    after = before if same_time else before + 1
    os.utime(path, ns=(after, after))


def test_a_file_of_the_same_size_and_time_is_not_read_again(cache, weights):
    assert hashes.sha256_of(weights) == sha256(FIRST)
    assert cache.is_file()
    replace(weights, SECOND, same_time=True)  # which nobody can see from outside
    assert hashes.sha256_of(weights) == sha256(FIRST)


def test_a_file_of_another_time_is_read_again(cache, weights):
    hashes.sha256_of(weights)
    replace(weights, SECOND, same_time=False)
    assert hashes.sha256_of(weights) == sha256(SECOND)


def test_a_file_of_another_size_is_read_again(cache, weights):
    hashes.sha256_of(weights)
    replace(weights, b"longer", same_time=True)
    assert hashes.sha256_of(weights) == sha256(b"longer")


def test_files_of_the_same_name_are_kept_apart(cache, tmp_path, weights):
    other = tmp_path / "other" / weights.name
    other.parent.mkdir()
    other.write_bytes(SECOND)
    os.utime(other, ns=(weights.stat().st_mtime_ns,) * 2)
    assert hashes.sha256_of(weights) == sha256(FIRST)
    assert hashes.sha256_of(other) == sha256(SECOND)


def test_a_small_file_is_read_and_not_kept(cache, weights, monkeypatch):
    monkeypatch.setattr(hashes, "_SMALL", 1000)
    assert hashes.sha256_of(weights) == sha256(FIRST)
    assert not cache.exists()


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "null", '{"PATH": 3}', '{"PATH": [SIZE, TIME, "0"]}', "\xff"]
)
def test_a_damaged_cache_is_replaced(cache, weights, damage):
    status = weights.stat()
    text = damage.replace("SIZE", str(status.st_size)).replace("TIME", str(status.st_mtime_ns))
    cache.parent.mkdir()
    cache.write_bytes(text.replace("PATH", str(weights.resolve())).encode("latin-1"))
    assert hashes.sha256_of(weights) == sha256(FIRST)
    replace(weights, SECOND, same_time=True)
    assert hashes.sha256_of(weights) == sha256(FIRST)  # from the cache that took its place


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, cache, weights):
    cache.parent.write_bytes(b"a file where the folder should be")
    assert hashes.sha256_of(weights) == sha256(FIRST)
    replace(weights, SECOND, same_time=True)
    assert hashes.sha256_of(weights) == sha256(SECOND)


def test_a_user_without_a_home_has_no_cache(weights, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(hashes, "_SMALL", 0)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert hashes.sha256_of(weights) == sha256(FIRST)


def test_the_cache_keeps_the_latest_only(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(hashes, "_KEPT", 2)
    paths = [tmp_path / f"{k}.safetensors" for k in range(3)]
    for path in paths:
        path.write_bytes(FIRST)
        hashes.sha256_of(path)
        replace(path, SECOND, same_time=True)
    assert [hashes.sha256_of(path) for path in paths[1:]] == [sha256(FIRST)] * 2
    assert hashes.sha256_of(paths[0]) == sha256(SECOND)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_blob_of_the_hub_is_taken_at_its_name(cache, tmp_path):
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(FIRST)
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert hashes.sha256_of(link) == "ab" * 32
    assert not cache.exists()
