"""One at a time changes a file, whatever the clocks say, and whoever is killed leaves no lock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.file_lock import alone, locked

HOLD = """
import sys
from pathlib import Path
from napari_sa2va.core.file_lock import locked
with locked(Path(sys.argv[1]), wait_s=60) as is_ours:
    print(is_ours, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers.txt"


@pytest.fixture
def holder(path: Path):
    """Another process that keeps `path` until its input ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], **pipes) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def is_free(path: Path, wait_s: float = 0.05) -> bool:
    with locked(path, wait_s=wait_s) as is_ours:
        return is_ours


def test_a_lock_that_another_process_holds_is_waited_for_and_then_left(path, holder) -> None:
    assert not is_free(path)
    holder.communicate()
    assert is_free(path)


def test_a_lock_is_held_however_old_its_file_looks(path: Path, holder) -> None:
    """The clock of the file server may be behind that of this machine, or somebody sets either."""
    for lock in path.parent.iterdir():
        os.utime(lock, (0, 0))
    assert not is_free(path)


def test_who_is_killed_holds_nothing_any_more(path: Path, holder) -> None:
    holder.kill()
    holder.wait()
    assert is_free(path)


def test_threads_wait_for_each_other(path: Path) -> None:
    seen = []
    with locked(path, wait_s=1) as is_ours:
        assert is_ours
        thread = Thread(target=lambda: seen.append(is_free(path)))
        thread.start()
        thread.join()
    assert seen == [False]
    assert is_free(path)


def test_an_error_on_the_way_frees_the_lock(path: Path) -> None:
    with pytest.raises(KeyError), locked(path, wait_s=1):
        raise KeyError
    assert is_free(path)


def test_what_is_left_is_hidden_and_empty_and_may_be_locked_by_everybody(path: Path) -> None:
    before = os.umask(0o077)
    try:
        assert is_free(path)
    finally:
        os.umask(before)
    for left in path.parent.iterdir():
        assert left.name.startswith(".")
        assert left.stat().st_size == 0
        assert os.name == "nt" or left.stat().st_mode & 0o777 == 0o666


def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("µ" * 127)  # of two bytes each; a name has 255
    path.touch()
    assert is_free(path)


def test_where_no_lock_can_be_made_that_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(FileNotFoundError, match="gone"), locked(gone / "numbers", wait_s=1):
        pytest.fail("there is no such folder")
    assert not gone.exists()


def test_what_cannot_do_without_says_which_file_is_kept(path, holder, monkeypatch) -> None:
    monkeypatch.setattr("napari_sa2va.core.file_lock._PATIENCE_S", 0.05)
    with pytest.raises(BatchError, match=r"keeps .*\.numbers\.txt\.lock"), alone(path, BatchError):
        pytest.fail("it is not ours")
