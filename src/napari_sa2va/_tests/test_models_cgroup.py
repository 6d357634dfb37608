"""What a container may still take, from the files in which the kernel says so."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from napari_sa2va.models import cgroup
from napari_sa2va.models import device as devices

GB = 10**9


class Machine:
    """A /proc/self/cgroup and a tree of control groups."""

    def __init__(self, folder: Path) -> None:
        self.process, self.mount = folder / "cgroup", folder / "mount"
        self.mount.mkdir()

    def group(self, path: str, **files: object) -> None:
        folder = self.mount / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / f"memory.{name}").write_text(f"{content}\n")

    def free(self, lines: str) -> int | None:
        self.process.write_text(lines)
        return cgroup.free_bytes(self.process, self.mount)


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


def test_a_container_sees_its_limit_at_the_root(machine):
    machine.group("", max=8 * GB, current=3 * GB)
    assert machine.free("0::/\n") == 5 * GB


def test_no_limit_is_no_answer(machine):
    assert machine.free("0::/user.slice\n") is None
    machine.group("user.slice", max="max", current=3 * GB)
    assert machine.free("0::/user.slice\n") is None


def test_the_tightest_of_the_groups_above_counts(machine):
    """As SLURM sets them: the limit stands on the job, the process is in a task of a step."""
    machine.group("slurm/job_1/step_0/task_0", max="max", current=1 * GB)
    machine.group("slurm/job_1/step_0", max=9 * GB, current=1 * GB)
    machine.group("slurm/job_1", max=8 * GB, current=6 * GB)
    assert machine.free("0::/slurm/job_1/step_0/task_0\n") == 2 * GB


def test_files_that_the_kernel_keeps_in_memory_can_be_dropped(machine):
    """10 GB of weights, just read, must not look like 10 GB that are taken."""
    stat = f"anon {GB}\ninactive_file {6 * GB}\nactive_file {4 * GB}\nfile {11 * GB}"
    machine.group("", max=16 * GB, current=12 * GB, stat=stat)
    assert machine.free("0::/\n") == 14 * GB


def test_the_older_kind_of_groups_is_read_too(machine):
    machine.group(
        "memory/docker/1",
        limit_in_bytes=8 * GB,
        usage_in_bytes=5 * GB,
        stat=f"inactive_file 7\ntotal_inactive_file {GB}\ntotal_active_file {GB}",
    )
    machine.group("memory", limit_in_bytes=9223372036854771712, usage_in_bytes=50 * GB)
    lines = "9:name=systemd:/\n4:memory:/docker/1\n1:cpu,cpuacct:/docker/1\n0::/\n"
    assert machine.free(lines) == 5 * GB


def test_a_path_of_the_host_is_taken_as_the_root_of_the_container(machine):
    machine.group("memory", limit_in_bytes=8 * GB, usage_in_bytes=5 * GB)
    assert machine.free("4:memory:/docker/not/seen/from/here\n") == 3 * GB
    assert machine.free("4:memory:/../outside\n") == 3 * GB


def test_a_group_beyond_its_limit_has_nothing_left(machine):
    machine.group("", max=GB, current=2 * GB)
    assert machine.free("0::/\n") == 0


@pytest.mark.parametrize("content", ["", "much", "-"])
def test_what_cannot_be_understood_is_no_answer(machine, content):
    machine.group("", max=content, current=content)
    assert machine.free("0::/\nnonsense\n") is None


def test_a_machine_without_control_groups_gives_no_answer(tmp_path):
    assert cgroup.free_bytes(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize(("allowed", "free"), [(None, 7 * GB), (2 * GB, 2 * GB), (9 * GB, 7 * GB)])
def test_free_memory_is_what_both_machine_and_container_leave(monkeypatch, allowed, free):
    class Memory:
        available = 7 * GB

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    monkeypatch.setattr(cgroup, "free_bytes", lambda: allowed)
    assert devices.free_memory(torch.device("cpu")) == free
