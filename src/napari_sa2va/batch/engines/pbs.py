"""PBS Professional and OpenPBS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from napari_sa2va.batch.engines.cluster import Cluster, given
from napari_sa2va.batch.engines.jobs import JOB_NAME


class Pbs(Cluster):
    """Jobs of PBS."""

    kind: Literal["pbs"] = "pbs"

    jobqueue = "PBSCluster"
    prefix = "#PBS"
    submit = "qsub"
    variables = ("PBS_JOBID", "PBS_ARRAY_INDEX")
    gives_notice = False
    listing = "qstat -u {user}"

    def jobqueue_options(self) -> dict[str, Any]:
        return {"account": self.account or None, "resource_spec": self._select()}

    def array_header(self, logs: Path) -> list[str]:
        return [
            f"-N {JOB_NAME}",
            *([f"-J 1-{self.jobs}"] if self.jobs > 1 else []),  # it takes no array of one
            *given("-q ", self.queue),
            *given("-A ", self.account),
            f"-l {self._select()}",
            f"-l walltime={self.walltime}:00",
            "-j oe",
            f"-o {logs}/",
        ]

    def _select(self) -> str:
        gpus = f":ngpus={self.gpus}" if self.gpus else ""
        return f"select=1:ncpus={self.cores}:mem={self.memory_gb}gb{gpus}"
