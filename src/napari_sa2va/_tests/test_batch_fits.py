"""A unit does not start where the memory does not suffice, promises to others included."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import torch

from napari_sa2va.batch.fits import room, why_not
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.history import Claim
from napari_sa2va.batch.host import Host, here
from napari_sa2va.batch.unit import Facts
from napari_sa2va.models.device import free_memory

CPU = torch.device("cpu")
# Other programs of the machine take and free memory while the tests run.
SLACK = 300_000_000


def unit_of(need_bytes: int) -> Facts:
    return Facts(unit_id="0001-movie", key="k", need_bytes=need_bytes)


@contextmanager
def holding(num_bytes: int) -> Iterator[Host]:
    """A process that holds so much memory."""
    code = f"import sys; kept = b'x' * {num_bytes}; print('there', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        started_s = psutil.Process(process.pid).create_time()
        yield Host(name=here().name, pid=process.pid, started_s=started_s)


def test_what_is_not_known_fits_and_so_does_what_is_small() -> None:
    assert why_not(unit_of(0), "no such device", []) == ""
    assert why_not(unit_of(1_000_000), "", []) == ""
    assert why_not(unit_of(1_000_000), "cpu", []) == ""


def test_a_device_that_is_not_there_holds_no_unit_back_for_that_is_told_when_it_is_taken_up() -> (
    None
):
    assert why_not(unit_of(1_000_000), "cuda:99", []) == ""


def test_what_is_too_large_is_told_with_what_it_needs_and_what_there_is() -> None:
    why = why_not(unit_of(10**15), "cpu", [])
    assert why.startswith("It needs 1000000.0 GB, and on cpu of ")
    assert why.endswith(" GB.")


def test_what_others_have_claimed_and_not_taken_yet_is_not_free() -> None:
    with holding(400_000_000) as host:
        claim = claim_here("other", need_bytes=2_000_000_000).model_copy(update={"host": host})
        free, left = room(CPU, []), room(CPU, [claim])
    assert free is not None
    # It holds 0.4 GB of its 2 GB, which are gone already; 1.6 GB are to come.
    assert left == pytest.approx(free - 1_600_000_000, abs=SLACK)


def test_a_unit_that_would_fit_alone_waits_beside_one_that_was_promised_the_rest() -> None:
    free = room(CPU, [])
    assert free is not None
    half = unit_of(int(0.6 * free))
    gone = Host(name=here().name, pid=2**22 + 1, started_s=0.0)
    promised = Claim(worker="other", host=gone, need_bytes=half.need_bytes)
    assert why_not(half, "cpu", []) == ""
    assert "beside 1 others" in why_not(half, "cpu", [promised])


def test_what_this_process_holds_counts_as_room() -> None:
    def held() -> int:
        with_own, free = room(CPU, []), free_memory(CPU)
        assert with_own is not None
        assert free is not None
        return with_own - free

    before = held()
    kept = torch.ones(250_000_000)
    assert kept.nbytes == 1_000_000_000
    assert held() - before == pytest.approx(1_000_000_000, abs=SLACK)
