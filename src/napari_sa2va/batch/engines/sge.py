"""Sun Grid Engine and its successors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from napari_sa2va.batch.engines.cluster import Cluster, given
from napari_sa2va.batch.engines.jobs import JOB_NAME


class Sge(Cluster):
    """Jobs of SGE.

    How resources are called is up to each site. Taken are the most common names; others go into the
    other directives.
    """

    kind: Literal["sge"] = "sge"

    jobqueue = "SGECluster"
    prefix = "#$"
    submit = "qsub"
    variables = ("JOB_ID", "SGE_TASK_ID")
    gives_notice = False
    listing = "qstat -u {user}"

    def jobqueue_options(self) -> dict[str, Any]:
        return {"project": self.account or None}

    def resources(self) -> list[str]:
        cores = [f"-pe smp {self.cores}"] if self.cores > 1 else []
        gpus = [f"-l gpu={self.gpus}"] if self.gpus else []
        # Without -S the queue's shell reads the job, whatever its first line says: often it is csh.
        return [*cores, f"-l mem_free={self.memory_gb}G", *gpus, "-S /bin/bash"]

    def array_header(self, logs: Path) -> list[str]:
        return [
            f"-N {JOB_NAME}",
            f"-t 1-{self.jobs}",
            *given("-q ", self.queue),
            *given("-P ", self.account),
            f"-l h_rt={self.walltime}:00",
            *self.resources(),
            "-cwd",
            "-j y",
            f"-o {logs}/",
        ]
