"""LSF."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from napari_sa2va.batch.engines.cluster import Cluster, given
from napari_sa2va.batch.engines.jobs import JOB_NAME


class Lsf(Cluster):
    """Jobs of LSF."""

    kind: Literal["lsf"] = "lsf"

    jobqueue = "LSFCluster"
    prefix = "#BSUB"
    submit = "bsub <"
    variables = ("LSB_JOBID", "LSB_JOBINDEX")
    gives_notice = True
    listing = "bjobs -noheader -o 'jobid stat'"

    def jobqueue_options(self) -> dict[str, Any]:
        return {"project": self.account or None, "walltime": self.walltime}

    def resources(self) -> list[str]:
        return [f'-gpu "num={self.gpus}"'] if self.gpus else []

    def array_header(self, logs: Path) -> list[str]:
        return [
            f'-J "{JOB_NAME}[1-{self.jobs}]"',
            *given("-q ", self.queue),
            *given("-P ", self.account),
            f"-n {self.cores}",
            '-R "span[hosts=1]"',
            f"-M {self.memory_gb}GB",
            f'-R "rusage[mem={self.memory_gb}GB]"',
            f"-W {self.walltime}",
            *self.resources(),
            "-wa TERM",
            f"-wt {max(self.notice_s // 60, 1)}",
            f"-o {logs}/lsf-%J_%I.out",
        ]
