"""Damaged and hostile files of every format: read, or refused with one error of ours.

Nothing else is allowed: no other error, no hang, no crash, no memory beyond a limit, no look at other
files. `scripts/fuzz.py` does the same for as long as one likes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from napari_sa2va._tests.fuzz_bombs import BOMBS
from napari_sa2va._tests.fuzz_edits import KINDS, NUMBERS, Edit, damage_one, damaged, edits_of
from napari_sa2va._tests.fuzz_seeds import SEEDS, copied
from napari_sa2va._tests.fuzz_worker import Verdict, Worker, worker
from napari_sa2va.readers import READERS

MOST_OF_A_BOMB = 2**29

# Cases of scripts/fuzz.py in which a reader did something else once.
FOUND = [
    ("czi", 1355),  # a scene of negative width
    ("hdf5-chunked", 1342),  # a heap that HDF5 walks for ever
    ("frame_folder-tiff", 100),  # struct.error
    ("tiff", 1378),  # a division by zero
    ("tiff-lsm", 5721),  # a strip longer than the file, looked at when it is read
    ("tiff-mmstack", 5011),  # a list of all planes that an index promises
    ("tiff-ndtiff", 6334),
    ("video-mkv", 116),  # a codec that nobody knows
    ("video-mpg", 2009),  # opened anew for ever
    ("video-mpg", 2039),
]

edits = st.lists(
    st.builds(
        Edit,
        st.sampled_from(KINDS),
        # Both ends of a file, where headers and directories are, and all between.
        st.floats(0, 1, exclude_max=True).map(lambda x: x**3)
        | st.floats(0, 1, exclude_max=True).map(lambda x: 0.999999 - x**3 / 1.000002),
        st.integers(0, 2**16 - 1),
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def one() -> Iterator[Worker]:
    """One process opens all files, and is replaced where it crashes or hangs."""
    with worker() as process:
        yield process


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A sound file of a seed, written once."""
    return cache(lambda name: SEEDS[name](tmp_path_factory.mktemp(name)))


def test_every_format_has_seeds_and_bombs() -> None:
    names = {reader.__name__.rpartition(".")[2] for reader in READERS}
    assert {name.partition("-")[0] for name in SEEDS} == names
    assert {name.partition("-")[0] for name in BOMBS} == names


@pytest.mark.parametrize("name", SEEDS)
def test_a_sound_file_is_read(name: str, one: Worker, sound: Callable[[str], Path]) -> None:
    # Or nothing would be learnt from damaged ones.
    assert one.open(sound(name)).outcome == "read"


@pytest.mark.parametrize("name", SEEDS)
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    # Not the smallest damage, which would take long where a reader hangs.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edits=edits, which=st.integers(0, 99))
def test_a_damaged_file_is_read_or_refused(
    name: str,
    edits: list[Edit],
    which: int,
    one: Worker,
    sound: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    path, files = copied(name, sound(name), tmp_path / "damaged")
    done = damage_one(files, edits, which)
    verdict = one.open(path)
    assert verdict.is_right, f"{verdict.outcome} after {done}\n{verdict.said}"


@pytest.mark.parametrize(("name", "case"), FOUND)
def test_what_was_found_once_is_mended(
    name: str, case: int, one: Worker, sound: Callable[[str], Path], tmp_path: Path
) -> None:
    path, files = copied(name, sound(name), tmp_path / "damaged")
    done = damage_one(files, *edits_of(name, case))
    verdict = one.open(path)
    assert verdict.is_right, f"{verdict.outcome} after {done}\n{verdict.said}"


@pytest.mark.parametrize("name", BOMBS)
def test_what_no_machine_can_hold_is_refused_before_memory_is_taken(
    name: str, one: Worker, tmp_path: Path
) -> None:
    verdict = one.open(BOMBS[name](tmp_path))
    assert (verdict.outcome, verdict.peak_bytes < MOST_OF_A_BOMB) == ("refused", True), verdict.said


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Edit("flip", 0.5, 0), b"abcddfgh"),  # e is 0x65, d 0x64
        (Edit("number", 0.0, NUMBERS.index(0xFFFF) + 16), b"\xff\xffcdefgh"),
        (Edit("cut", 0.5, 0), b"abcd"),
        (Edit("zeros", 0.75, 1), b"abcdef\0\0"),
        (Edit("splice", 0.5, 1), b"abcdhfgh"),
        (Edit("insert", 0.5, 1), b"abcdefefgh"),
        (Edit("remove", 0.5, 1), b"abcdgh"),
    ],
)
def test_an_edit_can_be_repeated(edit: Edit, expected: bytes) -> None:
    assert damaged(b"abcdefgh", [edit]) == expected


def test_the_worker_notices_crashes_and_hangs_and_goes_on(sound: Callable[[str], Path]) -> None:
    path = sound("numpy_file")
    with worker() as another:
        assert another.open(path).outcome == "read"
        os.kill(another.pid, signal.SIGSEGV)
        assert another.open(path) == Verdict("crashed", "SIGSEGV")
        assert another.open(path, seconds=0).outcome == "hung"
        assert another.open(path).outcome == "read"


def test_the_worker_tells_what_readers_may_not_do(one: Worker, tmp_path: Path) -> None:
    assert one.open(tmp_path / "not there").outcome == "refused"
    verdicts = [Verdict(outcome) for outcome in ("raised", "memory", "crashed", "hung", "outside")]
    assert not any(verdict.is_right for verdict in verdicts)
