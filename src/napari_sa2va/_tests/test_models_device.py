"""Where a network runs, in which number format, and how a shortage of memory is told."""

from __future__ import annotations

import pytest
import torch

from napari_sa2va.core.errors import MemoryShortage, ModelError
from napari_sa2va.models import device as devices
from napari_sa2va.models.device import (
    describe_devices,
    memory_errors,
    pick_device,
    pick_dtype,
    require_memory,
)

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_cuda_before_mps_before_cpu(no_gpu, monkeypatch):
    assert pick_device("auto") == CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps", "xpu", "gpu", "", "meta"])
def test_a_device_that_is_not_there_is_refused_with_advice(no_gpu, name):
    with pytest.raises(ModelError) as caught:
        pick_device(name)
    assert "cpu" in caught.value.hint


def test_a_gpu_too_many_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda:0") == torch.device("cuda", 0)
    with pytest.raises(ModelError, match="1 GPUs"):
        pick_device("cuda:1")


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("auto", torch.float32),
        ("float16", torch.float16),
        ("bfloat16", torch.bfloat16),
        (torch.bfloat16, torch.bfloat16),
    ],
)
def test_the_number_format_is_taken_by_name_or_type(name, dtype):
    assert pick_dtype(name, CPU) == dtype


@pytest.mark.parametrize(("capability", "dtype"), [((8, 0), "bfloat16"), ((7, 5), "float32")])
def test_auto_is_bfloat16_where_a_gpu_has_it_in_hardware(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert pick_dtype("auto", torch.device("cuda")) == getattr(torch, dtype)


@pytest.mark.parametrize("name", ["int8", "half", torch.int64])
def test_an_unknown_number_format_is_refused(name):
    with pytest.raises(ModelError, match=r"not supported.*float32, bfloat16, float16"):
        pick_dtype(name, CPU)


def test_a_need_that_is_met_passes_and_one_that_is_not_says_how_much(monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda device: 2_000_000_000)
    require_memory(1_900_000_000, CPU, what="sa2va-1b")
    with pytest.raises(MemoryShortage, match=r"sa2va-1b needs 4\.0 GB to run, but cpu has only 2"):
        require_memory(4_000_000_000, CPU, what="sa2va-1b")


def test_free_memory_of_this_machine_is_a_number_of_bytes():
    assert devices.free_memory(CPU) > 1_000_000


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError(),
    ],
)
def test_every_kind_of_shortage_becomes_ours(error):
    with pytest.raises(MemoryShortage, match="cpu ran out of memory") as caught, memory_errors(CPU):
        raise error
    assert "bfloat16" in caught.value.hint
    assert caught.value.__cause__ is error


def test_a_real_allocation_that_cannot_be_met_becomes_ours():
    with pytest.raises(MemoryShortage), memory_errors(CPU):
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="shape mismatch"), memory_errors(CPU):
        raise RuntimeError("shape mismatch")


def test_devices_are_described_with_the_one_that_auto_takes_first(no_gpu):
    (name, text), *others = describe_devices()
    assert name == "cpu"
    assert "auto takes this" in text
    assert not others
