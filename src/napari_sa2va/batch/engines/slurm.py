"""SLURM."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from napari_sa2va.batch.engines.cluster import Cluster, given
from napari_sa2va.batch.engines.jobs import JOB_NAME


class Slurm(Cluster):
    """Jobs of SLURM."""

    kind: Literal["slurm"] = "slurm"

    jobqueue = "SLURMCluster"
    prefix = "#SBATCH"
    submit = "sbatch"
    variables = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
    gives_notice = True
    listing = "squeue --noheader --user={user} --format='%A %T %r'"

    def jobqueue_options(self) -> dict[str, Any]:
        return {"account": self.account or None}

    def resources(self) -> list[str]:
        return [f"--gres=gpu:{self.gpus}"] if self.gpus else []

    def array_header(self, logs: Path) -> list[str]:
        return [
            f"--job-name={JOB_NAME}",
            f"--array=1-{self.jobs}",
            *given("--partition=", self.queue),
            *given("--account=", self.account),
            f"--cpus-per-task={self.cores}",
            f"--mem={self.memory_gb}G",
            f"--time={self.walltime}:00",
            *self.resources(),
            f"--signal=B:TERM@{self.notice_s}",  # B: to the script, which hands it on
            f"--output={logs}/slurm-%A_%a.out",
        ]
