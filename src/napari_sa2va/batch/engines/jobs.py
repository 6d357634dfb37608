"""The jobs that a client has in a batch system: submitted, found to have ended, and given back.

dask-jobqueue knows how each system wants to be asked. When to ask is decided here and not by its
cluster, which gives back the latest jobs, even those in the middle of a unit, and never learns that a
job has ended before a worker came of it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
import subprocess
from collections.abc import Collection, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from getpass import getuser
from itertools import count
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from napari_sa2va.batch.engines.engine import pause_s
from napari_sa2va.core.errors import BatchError

if TYPE_CHECKING:
    from dask_jobqueue.core import Job, JobQueueCluster

_log = logging.getLogger(__name__)

JOB_NAME = "napari-sa2va"

# How often the batch system is asked at most, and how long an answer may take, in s.
_ASK_S, _ANSWER_S = 15.0, 30.0
# Jobs that are submitted at the same time.
_AT_ONCE = 8
# A job that waits is spoken of after this time, and again later, in s: it may never begin.
_WAITED_S, _STILL_S = 300.0, 3600.0
# So many jobs from which no worker came, and none ever did, and it is given up.
_STILLBORN = 3


@dataclass(eq=False)
class _Job:
    """A job, with the names that its workers have in the dask cluster."""

    job: Job
    workers: frozenset[str]
    submission: Future[None]
    since: float = field(default_factory=monotonic)
    has_come: bool = False
    is_present: bool = False

    @property
    def is_submitted(self) -> bool:
        return self.submission.done()

    @property
    def is_leaving(self) -> bool:
        """Whether its workers have left the dask cluster; they may still be at their last frame."""
        return self.has_come and not self.is_present


class Jobs:
    """All jobs of a client that are in the queue or at work, as far as is known.

    Parameters
    ----------
    cluster : JobQueueCluster
        Has the scheduler to which workers go, and says what a job is to have. Its own jobs stay none.
    listing : str
        The command that lists a user's jobs that have not ended, a line each that begins with the
        number and goes on with what people want to know; `{user}` stands for the user.
    logs : Path
        Where jobs write what they say.
    """

    def __init__(self, cluster: JobQueueCluster, listing: str, logs: Path) -> None:
        self._cluster = cluster
        self._loop: asyncio.AbstractEventLoop = cluster.sync(_running_loop)
        self._listing = shlex.split(listing.format(user=shlex.quote(getuser())))
        self._logs = logs
        self._jobs: list[_Job] = []
        self._numbers = count()
        self._was_taken = self._has_come = False
        self._refusals = self._stillborn = 0
        self._not_before = self._ask_at = self._tell_at = 0.0

    def look(self, present: Collection[str]) -> None:
        """Find out which jobs there still are.

        Parameters
        ----------
        present : collection of str
            Names of the workers that are in the dask cluster now.

        Raises
        ------
        BatchError
            If no job was ever taken, or no worker ever came of one.
        """
        for job in [job for job in self._jobs if job.is_submitted]:
            error = job.submission.exception()
            if error is not None:
                self._jobs.remove(job)
                self._note_refusal(error)
                continue
            self._was_taken = True
            job.is_present = not job.workers.isdisjoint(present)
            if job.is_present:
                job.has_come = self._has_come = True
                self._refusals = self._stillborn = 0
        now = monotonic()
        unseen = [
            job
            for job in self._jobs
            if job.is_submitted and not job.is_present and now - job.since > _ASK_S
        ]
        if unseen and now >= self._ask_at:
            there = self._listed()
            self._ask_at = monotonic() + _ASK_S
            if there is None:
                return
            for job in unseen:
                if _number(job) not in there:
                    self._jobs.remove(job)
                    self._note_end(job)
            self._tell_of_waiting(there)

    def keep(self, wanted: int, busy: Collection[str]) -> None:
        """Submit jobs, or give some back that nobody needs: first those that still wait in the queue.

        Parameters
        ----------
        wanted : int
            How many there should be.
        busy : collection of str
            Names of workers that are at work; their jobs are never given back.
        """
        more = wanted - len(self._jobs)
        if more > 0 and monotonic() >= self._not_before:
            in_flight = sum(not job.is_submitted for job in self._jobs)
            for _ in range(min(more, _AT_ONCE - in_flight)):
                self._submit()
        elif more < 0:
            spare = [
                job
                for job in self._jobs
                if job.is_submitted and not job.is_leaving and job.workers.isdisjoint(busy)
            ]
            self._give_back(sorted(spare, key=lambda job: job.has_come)[:-more])

    def close(self) -> None:
        """Give all jobs back."""
        wait([job.submission for job in self._jobs], timeout=_ANSWER_S)
        self._give_back(list(self._jobs))

    def _submit(self) -> None:
        spec = self._cluster.new_spec
        name = f"{JOB_NAME}-{next(self._numbers)}"
        job = spec["cls"](self._cluster.scheduler_address, name=name, **spec["options"])
        self._jobs.append(
            _Job(
                job,
                frozenset(f"{name}{end}" for end in spec.get("group", ("",))),
                asyncio.run_coroutine_threadsafe(job.start(), self._loop),
            )
        )

    def _give_back(self, jobs: list[_Job]) -> None:
        numbers = [job.job.job_id for job in jobs if job.job.job_id]
        self._jobs = [job for job in self._jobs if job not in jobs]
        if numbers:
            self._run([*shlex.split(self._cluster.new_spec["cls"].cancel_command), *numbers])

    def _note_refusal(self, error: BaseException) -> None:
        # Of what dask-jobqueue says, the batch system's own words are the last ones.
        words = " ".join((str(error).rpartition("stderr:\n")[2].strip() or str(error)).split())
        self._refusals += 1
        if not self._was_taken and not self._jobs:
            raise BatchError(
                f"A job could not be submitted: {words}",
                "Can jobs be submitted from this machine, and are queue, account and limits right?",
            ) from error
        _log.warning("A job could not be submitted, and is submitted again later: %s", words)
        self._not_before = monotonic() + pause_s(self._refusals)

    def _note_end(self, job: _Job) -> None:
        if job.has_come:
            _log.info("Job %s has ended.", job.job.job_id)
            return
        self._stillborn += 1
        said = self._last_words(_number(job))
        words = f' The last one said: "{said}".' if said else ""
        if self._stillborn >= _STILLBORN and not self._has_come:
            raise BatchError(
                f"{self._stillborn} jobs in a row ended before a worker came of them.{words}",
                "Is napari-sa2va there where jobs run (--environment), and can these machines reach "
                f"this one over the network? What jobs said stands in {self._logs}.",
            )
        _log.warning("Job %s ended before a worker came of it.%s", job.job.job_id, words)
        self._not_before = monotonic() + pause_s(self._stillborn)

    def _tell_of_waiting(self, there: Mapping[str, str]) -> None:
        """Say that jobs wait, and what the batch system says of that: some can never begin."""
        now = monotonic()
        waiting = [job for job in self._jobs if not job.has_come and _number(job) in there]
        waited_s = max((now - job.since for job in waiting), default=0.0)
        if waited_s < _WAITED_S or now < self._tell_at:
            return
        self._tell_at = now + _STILL_S
        first = _number(waiting[0])
        _log.warning(
            "%d jobs wait in the queue, the first of them for %.0f min. Of job %s the batch system "
            "says: %s",
            len(waiting),
            waited_s / 60,
            first,
            there[first] or "nothing",
        )

    def _last_words(self, number: str) -> str:
        """The last line that a job wrote into a log, of which each system has its own names."""
        its_own = re.compile(rf"(.*\D)?{number}(\D.*)?(?<!\.txt)(?<!\.jsonl)")  # those are workers'
        for log in sorted(p for p in self._logs.glob("*") if its_own.fullmatch(p.name)):
            lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
            if said := [line.strip() for line in lines if line.strip()]:
                return said[-1]
        return ""

    def _listed(self) -> dict[str, str] | None:
        """The user's jobs that have not ended by number, with what is said of each; None if there is no
        answer."""
        said = self._run(self._listing)
        if said is None:
            return None
        lines = re.findall(r"^\s*(\d+)(.*)$", said, re.MULTILINE)
        return {number: " ".join(words.split()) for number, words in lines}

    def _run(self, command: list[str]) -> str | None:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_ANSWER_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            _log.info("%s: %s", command[0], error)
            return None
        return done.stdout


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _number(job: _Job) -> str:
    """Of a job, without the name of the server that some systems put behind it."""
    return re.split(r"\D", str(job.job.job_id), maxsplit=1)[0]
