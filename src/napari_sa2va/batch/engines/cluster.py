"""Workers that are jobs of a batch system: what all of these have in common."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from napari_sa2va.batch.engines.dask_crew import DaskCrew
from napari_sa2va.batch.engines.dask_scheduler import connecting
from napari_sa2va.batch.engines.engine import Crew, Engine
from napari_sa2va.batch.engines.jobs import JOB_NAME, Jobs
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.extras import need

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

# A job begins to stop so long before its time is up at most.
_NOTICE_S = 120

# What a directive can hold on all systems.
_PLAIN = re.compile(r"[\w./\-+=@,:~]+")


class Cluster(Engine):
    """Base of the batch systems: jobs that are submitted, and replaced, through dask-jobqueue.

    The jobs end with the process that submitted them, also if it is killed, and all that was done is
    kept. Who wants to leave them alone submits an array, see `script`.

    A system says how it wants to be asked for what a job is to have. What is left empty is taken from
    dask's own configuration, `~/.config/dask/jobqueue.yaml`, in which clusters keep what holds for
    all their users.
    """

    jobs: int = Field(
        1, ge=1, le=10_000, title="Jobs", description="Jobs at the same time, at most."
    )
    queue: str = Field(
        "", title="Queue", description="Queue in which jobs wait; on SLURM the partition."
    )
    account: str = Field(
        "", title="Account", description="Account that pays for jobs; on LSF and SGE the project."
    )
    cores: int = Field(4, ge=1, title="Cores per job", description="Cores of each job.")
    memory_gb: int = Field(
        16, ge=1, title="Memory per job (GB)", description="Main memory of each job, in GB."
    )
    gpus: int = Field(
        1,
        ge=0,
        title="GPUs per job",
        description="GPUs of each job, each with a worker of its own.",
    )
    walltime: str = Field(
        "24:00",
        pattern=r"^\d+:[0-5]\d$",
        title="Longest time of a job",
        description="Longest time of a job, hours:minutes. Jobs that end are replaced.",
    )
    directives: str = Field(
        "",
        title="Other directives",
        description='More lines for the header of a job, after the others and separated by ";": '
        '"--constraint=a100; --exclusive".',
    )
    environment: str = Field(
        "",
        title="Environment",
        description='Shell that a job runs before the work: "module load cuda; ...".',
    )

    jobqueue: ClassVar[str]
    """Class of dask-jobqueue."""
    prefix: ClassVar[str]
    """How directives begin."""
    submit: ClassVar[str]
    """The command that takes a script, for people."""
    variables: ClassVar[tuple[str, str]]
    """Of a job's shell: the job, and its number in an array."""
    gives_notice: ClassVar[bool]
    """Whether a job can be told before its time is up."""
    listing: ClassVar[str]
    """The command that lists jobs, see `Jobs`."""

    def jobqueue_options(self) -> dict[str, Any]:
        """What only this system's class of dask-jobqueue takes."""
        raise NotImplementedError

    def resources(self) -> list[str]:
        """Directives for what dask-jobqueue has no option for."""
        return []

    def array_header(self, logs: Path) -> list[str]:
        """Directives of an array of jobs.

        Parameters
        ----------
        logs : Path
            Where what the jobs say goes.
        """
        raise NotImplementedError

    @property
    def workers_per_job(self) -> int:
        """One per GPU, or one."""
        return max(self.gpus, 1)

    @property
    def threads(self) -> int:
        """That each worker computes with on the CPU."""
        return max(self.cores // self.workers_per_job, 1)

    @property
    def notice_s(self) -> int:
        """How long before its time is up a job begins to stop: for the frame in work, and the safe point."""
        return min(_NOTICE_S, self._walltime_s // 2)

    @property
    def working_s(self) -> int:
        """How long a job works."""
        return self._walltime_s - self.notice_s

    @property
    def _walltime_s(self) -> int:
        hours, minutes = map(int, self.walltime.split(":"))
        return 3600 * hours + 60 * minutes

    @property
    def other_directives(self) -> list[str]:
        """Those that the user gave, one by one."""
        return [line.strip() for line in self.directives.split(";") if line.strip()]

    def check(self, folder: Path) -> None:
        plain(folder)
        need("dask_jobqueue", "batch", "submit jobs to a batch system")
        command = self.submit.split()[0]
        if shutil.which(command) is None:
            raise BatchError(
                f"There is no {command} on this machine, with which jobs are submitted.",
                "Give the command where jobs can be submitted, or write a script for there "
                "(--write-script).",
            )

    @contextmanager
    def crew(self, folder: BatchFolder) -> Iterator[Crew]:
        with closing(self.cluster(folder.path)) as cluster:
            crew = _JobCrew(folder, self, cluster)
            try:
                yield crew
            finally:
                crew.stop()

    def cluster(self, folder: Path) -> JobQueueCluster:
        """A cluster of dask that has no jobs. Its `job_script()` is what is submitted.

        Parameters
        ----------
        folder : Path
            The batch; what jobs say goes to its logs.

        Raises
        ------
        MissingPackage
        BatchError
            If the path cannot stand in a directive.
        """
        module = need("dask_jobqueue", "batch", "submit jobs to a batch system")
        made: type[JobQueueCluster] = getattr(module, self.jobqueue)
        options: dict[str, Any] = {
            "walltime": f"{self.walltime}:00",
            "job_extra_directives": [*self.resources(), *self.other_directives],
        }
        return made(
            cores=self.cores,
            processes=self.workers_per_job,
            memory=f"{self.memory_gb}GiB",
            queue=self.queue or None,
            job_name=JOB_NAME,
            log_directory=str(plain(folder / "logs")),
            job_script_prologue=[f"export OMP_NUM_THREADS={self.threads}", self.environment],
            worker_extra_args=[
                *("--nthreads", "1"),
                # The batch system has its own limit; what fits in it is known to the worker.
                *("--memory-limit", "0"),
                *("--lifetime", f"{self.working_s}s"),
                *(("--resources", "GPU=1") if self.gpus else ()),
            ],
            scheduler_options={"dashboard_address": ":0"},
            silence_logs="critical",  # when it closes, it complains of workers that are still there
            **(options | self.jobqueue_options()),
        )


class _JobCrew(DaskCrew):
    """Pullers in jobs, of which there are as many as find something to do."""

    def __init__(self, folder: BatchFolder, ask: Cluster, cluster: JobQueueCluster) -> None:
        super().__init__(folder, ask.pull, connecting(cluster))
        self._ask = ask
        self._jobs = Jobs(cluster, ask.listing, folder.path / "logs")

    def tend(self) -> None:
        super().tend()
        self._jobs.look(self.names)
        workers = self.size + self.num_missing
        jobs = min(math.ceil(workers / self._ask.workers_per_job), self._ask.jobs)
        self._jobs.keep(jobs, self.busy_names)

    def stop(self) -> None:
        """Stop all workers after the frame in work, and give the jobs back."""
        try:
            super().stop()
        finally:
            self._jobs.close()


def plain(path: Path) -> Path:
    """The same path, if it can stand in a directive.

    Raises
    ------
    BatchError
        If it cannot: each system has its own rules for spaces, quotes and %.
    """
    if not _PLAIN.fullmatch(str(path)):
        raise BatchError(
            f"{path} cannot stand in the header of a job.",
            "Choose a batch folder whose path has only plain letters: no spaces, quotes or %.",
        )
    return path


def given(option: str, value: str) -> list[str]:
    """A directive, if there is a value for it."""
    return [f"{option}{value}"] if value else []
