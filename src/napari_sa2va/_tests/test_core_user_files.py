"""Files that are kept for the user survive crashes, nonsense and two processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from napari_sa2va.core import user_files
from napari_sa2va.core.file_lock import locked
from napari_sa2va.core.user_files import FOLDER_VARIABLE, change, folder, read


def test_what_was_written_is_read_again() -> None:
    assert read("speeds") is None
    assert change("speeds", lambda before: {"before": before, "words": "µm"})
    assert read("speeds") == {"before": None, "words": "µm"}
    assert change("speeds", lambda before: [before["words"]])
    assert read("speeds") == ["µm"]
    seen = [p.name for p in folder().iterdir() if not p.name.startswith(".")]
    assert seen == ["speeds.json"], "nothing else that shows is left there"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b"[" * 200_000], ids=["empty", "cut", "bytes", "deep"]
)
def test_a_broken_file_is_ignored_and_replaced(content: bytes) -> None:
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / "speeds.json").write_bytes(content)
    assert read("speeds") is None
    assert change("speeds", lambda before: before or "new")
    assert read("speeds") == "new"


def test_the_folder_is_made_where_it_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "a" / "b"))
    assert change("x", lambda before: 1)
    assert (tmp_path / "a" / "b" / "x.json").read_text() == "1"


def test_without_a_name_the_folder_is_where_the_system_keeps_settings(
    monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert folder() == tmp_path / "napari-sa2va"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder() == tmp_path / ".config" / "napari-sa2va"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "Roaming"))
    assert folder() == tmp_path / "Roaming" / "napari-sa2va"


def test_a_folder_that_cannot_be_written_is_no_error(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file"))
    assert not change("x", lambda before: 1)
    assert read("x") is None


def test_changes_of_many_threads_and_processes_all_count(monkeypatch) -> None:
    monkeypatch.setattr(user_files, "_WAIT_S", 60)  # the machine may be busy with other things
    code = (
        "from napari_sa2va.core import user_files\n"
        "from napari_sa2va.core.user_files import change\n"
        "user_files._WAIT_S = 60\n"
        "assert all(change('count', lambda n: (n or 0) + 1) for _ in range(20))"
    )
    other = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ))

    def count() -> None:
        assert all(change("count", lambda n: (n or 0) + 1) for _ in range(20))

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait() == 0
    assert read("count") == 60


def test_a_lock_that_somebody_holds_is_waited_for_and_then_left(monkeypatch) -> None:
    monkeypatch.setattr(user_files, "_WAIT_S", 0.02)
    change("x", lambda before: 1)
    with locked(folder() / "x.json", wait_s=1):
        assert not change("x", lambda before: 2)
        assert read("x") == 1
    assert change("x", lambda before: 2)
    assert read("x") == 2


def test_an_error_on_the_way_leaves_the_file_as_it_was() -> None:
    change("x", lambda before: 1)
    with pytest.raises(TypeError):
        change("x", lambda before: {1, 2})  # no JSON
    assert read("x") == 1
    assert change("x", lambda before: 2), "the lock is free again"
