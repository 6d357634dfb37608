"""Jobs of batch systems through dask-jobqueue: what is submitted, and that workers come of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from napari_sa2va._tests.batch_hands import PULL, light_batch, times_done, work_off, workers_of
from napari_sa2va.batch.engines import Lsf, Pbs, Sge, Slurm
from napari_sa2va.batch.engines.cluster import Cluster
from napari_sa2va.core.errors import BatchError

BASH = shutil.which("bash")
ASKED = {
    "queue": "gpu", "account": "lab", "cores": 6, "memory_gb": 24, "gpus": 2,
    "walltime": "12:30", "directives": "--one; --two=2", "environment": "module load cuda",
}  # fmt: skip
# The lines about what a job is to have, in the words of each system.
SAID = {
    Slurm: """
#SBATCH -p gpu
#SBATCH -A lab
#SBATCH --cpus-per-task=6
#SBATCH --mem=24G
#SBATCH -t 12:30:00
#SBATCH --gres=gpu:2
#SBATCH --one
#SBATCH --two=2
""",
    Pbs: """
#PBS -q gpu
#PBS -A lab
#PBS -l select=1:ncpus=6:mem=24gb:ngpus=2
#PBS -l walltime=12:30:00
#PBS --one
#PBS --two=2
""",
    Lsf: """
#BSUB -q gpu
#BSUB -P "lab"
#BSUB -n 6
#BSUB -W 12:30
#BSUB -gpu "num=2"
#BSUB --one
#BSUB --two=2
""",
    Sge: """
#$ -q gpu
#$ -P lab
#$ -l h_rt=12:30:00
#$ -pe smp 6
#$ -l mem_free=24G
#$ -l gpu=2
#$ -S /bin/bash
#$ --one
#$ --two=2
""",
}

pytestmark = pytest.mark.skipif(BASH is None, reason="jobs are scripts for bash")


def script_of(ask: Cluster, folder: Path) -> str:
    with ask.cluster(folder) as cluster:
        return str(cluster.job_script())


@pytest.mark.parametrize("system", SAID, ids=lambda system: system.__name__)
def test_a_job_is_asked_for_in_the_words_of_its_system(
    tmp_path: Path, system: type[Cluster]
) -> None:
    script = script_of(system(**ASKED), tmp_path)
    lines = script.splitlines()
    wanted = SAID[system].strip().splitlines()
    assert [line for line in lines if line in wanted] == wanted
    logs = [
        line for line in lines if line.startswith((f"{system.prefix} -o", f"{system.prefix} -e"))
    ]
    assert len(logs) == 2
    assert all(f"{tmp_path}/logs/" in line for line in logs)
    # 6 cores for two GPUs, each with a worker of one thread for tasks and three to compute with
    assert "export OMP_NUM_THREADS=3\nmodule load cuda\n" in script
    assert "--nworkers 2 " in script
    # 12 h 30 min are 45000 s, of which 120 s are kept for the end.
    assert script.rstrip().endswith(
        "--nthreads 1 --memory-limit 0 --lifetime 44880s --resources GPU=1"
    )
    assert subprocess.run([str(BASH), "-n"], input=script, text=True).returncode == 0


@pytest.mark.parametrize("system", SAID, ids=lambda system: system.__name__)
def test_without_a_gpu_none_is_asked_for(tmp_path: Path, system: type[Cluster]) -> None:
    script = script_of(system(gpus=0), tmp_path)
    assert "gpu" not in script.replace(str(tmp_path), "").lower()
    assert "--nworkers" not in script


def stand_in(folder: Path, name: str, *lines: str) -> None:
    """A command of a batch system, as a script that does the same at once and here."""
    path = folder / name
    path.write_text("\n".join(["#!/usr/bin/env bash", *lines, ""]))
    path.chmod(0o755)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for commands that goes before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


class LightSlurm(Slurm):
    pull = PULL


def test_jobs_are_submitted_work_and_are_taken_back(tmp_path: Path, commands: Path) -> None:
    stand_in(
        commands, "sbatch",
        'cp "$1" "$1.kept"',  # it is deleted when it has been submitted
        'setsid bash "$1.kept" > /dev/null 2>&1 &',
        'echo "$!" >> ' + str(tmp_path / "submitted"),
        'echo "Submitted batch job $!"',
    )  # fmt: skip
    stand_in(commands, "scancel", 'kill -- "-$1"')
    folder = light_batch(tmp_path / "night", ["sleep 2"] * 3)
    work_off(folder, LightSlurm(jobs=2, gpus=0, cores=1, memory_gb=1))
    assert times_done(folder) == dict.fromkeys(folder.units(), 1)
    jobs = [int(line) for line in (tmp_path / "submitted").read_text().split()]
    assert len(jobs) == 2
    assert len(workers_of(folder)) == 2


def test_a_job_that_is_refused_is_told_in_the_words_of_the_batch_system(
    tmp_path: Path, commands: Path
) -> None:
    stand_in(commands, "sbatch", "echo 'error: Invalid account' >&2", "exit 1")
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    with pytest.raises(BatchError, match="Invalid account"):
        work_off(folder, LightSlurm(gpus=0))


def test_a_machine_from_which_nothing_can_be_submitted_is_told(tmp_path: Path) -> None:
    assert shutil.which("bsub") is None
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    with pytest.raises(BatchError, match="bsub"):
        work_off(folder, Lsf(gpus=0))
