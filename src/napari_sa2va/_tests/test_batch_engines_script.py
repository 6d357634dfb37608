"""Scripts for those who submit jobs by hand: what they ask for, and that they do what they say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sa2va._tests.batch_hands import has_begun, states, until
from napari_sa2va._tests.made_units import made_folder, made_unit
from napari_sa2va.batch.engines import Lsf, Pbs, Sge, Slurm
from napari_sa2va.batch.engines.cluster import Cluster
from napari_sa2va.batch.engines.script import array_script
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.identity import identity_of
from napari_sa2va.batch.roster import Roster
from napari_sa2va.core.errors import BatchError
from napari_sa2va.plugin.samples import generated_movie

BASH = shutil.which("bash")
NIGHT = Path("/data/night")
ASKED = {
    "jobs": 8, "queue": "gpu", "account": "lab", "cores": 6, "memory_gb": 24, "gpus": 2,
    "walltime": "12:30", "directives": "--one; --two=2", "environment": "module load cuda",
}  # fmt: skip
HEADERS = {
    Slurm: """
#SBATCH --job-name=napari-sa2va
#SBATCH --array=1-8
#SBATCH --partition=gpu
#SBATCH --account=lab
#SBATCH --cpus-per-task=6
#SBATCH --mem=24G
#SBATCH --time=12:30:00
#SBATCH --gres=gpu:2
#SBATCH --signal=B:TERM@120
#SBATCH --output=/data/night/logs/slurm-%A_%a.out
#SBATCH --one
#SBATCH --two=2
""",
    Pbs: """
#PBS -N napari-sa2va
#PBS -J 1-8
#PBS -q gpu
#PBS -A lab
#PBS -l select=1:ncpus=6:mem=24gb:ngpus=2
#PBS -l walltime=12:30:00
#PBS -j oe
#PBS -o /data/night/logs/
#PBS --one
#PBS --two=2
""",
    Lsf: """
#BSUB -J "napari-sa2va[1-8]"
#BSUB -q gpu
#BSUB -P lab
#BSUB -n 6
#BSUB -R "span[hosts=1]"
#BSUB -M 24GB
#BSUB -R "rusage[mem=24GB]"
#BSUB -W 12:30
#BSUB -gpu "num=2"
#BSUB -wa TERM
#BSUB -wt 2
#BSUB -o /data/night/logs/lsf-%J_%I.out
#BSUB --one
#BSUB --two=2
""",
    Sge: """
#$ -N napari-sa2va
#$ -t 1-8
#$ -q gpu
#$ -P lab
#$ -l h_rt=12:30:00
#$ -pe smp 6
#$ -l mem_free=24G
#$ -l gpu=2
#$ -S /bin/bash
#$ -cwd
#$ -j y
#$ -o /data/night/logs/
#$ --one
#$ --two=2
""",
}

pytestmark = pytest.mark.skipif(BASH is None, reason="these scripts are for bash")


@pytest.mark.parametrize("system", HEADERS, ids=lambda system: system.__name__)
def test_the_header_asks_each_system_in_its_own_words(system: type[Cluster]) -> None:
    script = array_script(system(**ASKED), NIGHT)
    shebang, *header = script[: script.index("\n\n")].splitlines()
    assert shebang == "#!/usr/bin/env bash"
    assert header == HEADERS[system].split("\n")[1:-1]
    assert f"#   {system.submit} FILE" in script
    # 6 cores for two GPUs, each with a worker
    assert "export OMP_NUM_THREADS=3\nmodule load cuda\n" in script
    assert "for device in cuda:0 cuda:1; do" in script


@pytest.mark.parametrize("system", HEADERS, ids=lambda system: system.__name__)
def test_a_worker_gets_a_time_limit_where_the_system_does_not_warn_its_job(
    system: type[Cluster],
) -> None:
    script = array_script(system(walltime="0:10"), NIGHT)
    # 10 min are 600 s, of which 120 s are kept for the end.
    assert ("timeout --signal=TERM 480 " in script) == (system in (Pbs, Sge))


@pytest.mark.parametrize("system", HEADERS, ids=lambda system: system.__name__)
def test_bash_can_read_what_little_and_what_much_was_asked_for(system: type[Cluster]) -> None:
    for ask in (system(gpus=0), system(**ASKED)):
        done = subprocess.run([BASH, "-n"], input=array_script(ask, NIGHT), text=True)
        assert done.returncode == 0


def test_an_array_of_one_is_not_asked_of_pbs_which_refuses_it() -> None:
    assert "#PBS -J" not in array_script(Pbs(jobs=1), NIGHT)


@pytest.mark.parametrize("name", ["my night", 'a"b', "100%", "a'b"])
def test_a_path_that_a_header_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(BatchError, match="header"):
        array_script(Slurm(), Path("/data") / name)


def movie_batch(tmp_path: Path, number: int, num_frames: int) -> BatchFolder:
    """Movies in which the shipped model finds something."""
    (pixels, _, _), _ = generated_movie()
    frames = np.resize(pixels, (num_frames, *pixels.shape[1:]))
    units = []
    for n in range(number):
        movie = tmp_path / f"{n}.tif"
        tifffile.imwrite(movie, frames, photometric="rgb", metadata={"axes": "TYXS"})
        more = {"identity": identity_of(str(movie)), "sentences": ("the blue cell",)}
        units.append(made_unit(f"movie-{n}", movie, **more))
    return made_folder(tmp_path / "night", *units)


def test_jobs_of_an_array_do_a_batch_together(tmp_path: Path) -> None:
    folder = movie_batch(tmp_path, 1, 3)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"no TIFF")
    folder.add([made_unit("movie-1", broken, sentences=("the blue cell",))], {})
    script = tmp_path / "submit.sh"
    script.write_text(array_script(Slurm(jobs=2, gpus=0, cores=1), folder.path))
    jobs = [
        subprocess.Popen(
            [str(BASH), str(script)],
            env={**os.environ, "SLURM_ARRAY_JOB_ID": "4711", "SLURM_ARRAY_TASK_ID": str(task)},
        )
        for task in (1, 2)
    ]
    assert [job.wait(timeout=120) for job in jobs] == [0, 0]
    assert states(folder) == {"movie-0": "done", "movie-1": "failed"}
    names = {card.name for card, _ in Roster(folder.path / "workers").read()}
    assert names == {"slurm-4711-1-cpu", "slurm-4711-2-cpu"}


def test_a_job_whose_time_is_up_stops_its_worker_politely_and_says_that_it_was_stopped(
    tmp_path: Path,
) -> None:
    folder = movie_batch(tmp_path, 1, 400)
    script = tmp_path / "submit.sh"
    script.write_text(array_script(Pbs(gpus=0, cores=1), folder.path))
    env = {**os.environ, "PBS_JOBID": "12[].head", "PBS_ARRAY_INDEX": "1"}
    with subprocess.Popen([str(BASH), str(script)], env=env) as job:
        until(lambda: has_begun(folder, "movie-0"))
        job.send_signal(signal.SIGTERM)
        code = job.wait(timeout=60)
    assert code == 130
    standing = folder.standings()["movie-0"]
    assert (standing.state, standing.attempts) == ("waiting", 0)
    assert standing.outcome is not None
    assert (standing.outcome.state, standing.outcome.worker) == ("stopped", "pbs-12-1-cpu")
    assert standing.outcome.frames > 0
