"""Which jobs are submitted and given back, with commands that stand in for a batch system."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from napari_sa2va._tests.batch_hands import until
from napari_sa2va._tests.test_batch_engines_cluster import commands as commands
from napari_sa2va._tests.test_batch_engines_cluster import stand_in
from napari_sa2va.batch.engines import Slurm, jobs
from napari_sa2va.batch.engines.jobs import Jobs
from napari_sa2va.core.errors import BatchError


@dataclass
class System:
    """A batch system whose jobs do nothing.

    Attributes
    ----------
    jobs : Jobs
    folder : Path
        Has a file for each job that has not ended; a file `full` lets all jobs be refused.
    """

    jobs: Jobs
    folder: Path

    @property
    def queue(self) -> set[str]:
        return {path.name for path in self.folder.glob("[0-9]*")}

    def keep(self, wanted: int, busy: set[str] = frozenset()) -> None:
        """Ask for so many jobs, and wait until they are there."""
        self.jobs.keep(wanted, busy)
        until(lambda: len(self.queue) == wanted)


@pytest.fixture
def system(tmp_path: Path, commands: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    monkeypatch.setattr(jobs, "_ASK_S", 0.0)
    monkeypatch.setattr(jobs, "pause_s", lambda failures: 0.0)
    folder = tmp_path / "queue"
    folder.mkdir()
    stand_in(
        commands, "sbatch",
        f"cd {folder}",
        '[ -e full ] && { echo "sbatch: error: too many jobs" >&2; exit 1; }',
        # The number in the worker's name, from 0, is that of the job, from 100.
        "number=$((100 + $(sed -n 's/.*--name napari-sa2va-\\([0-9]*\\).*/\\1/p' $1)))",
        "touch $number; echo Submitted batch job $number",
    )  # fmt: skip
    stand_in(commands, "scancel", f"cd {folder} && rm -f -- $@")
    stand_in(commands, "squeue", f'for n in $(ls {folder}); do echo " $n PENDING Resources"; done')
    with closing(Slurm(gpus=0).cluster(tmp_path)) as cluster:
        yield System(Jobs(cluster, Slurm.listing, tmp_path / "logs"), folder)


def test_a_job_in_the_middle_of_a_unit_is_never_given_back(system: System) -> None:
    system.keep(3)
    names = {f"napari-sa2va-{number}" for number in range(3)}
    until(lambda: looked_at(system, names) == 3)
    system.keep(1, busy={"napari-sa2va-2"})
    assert system.queue == {"102"}


def test_jobs_that_wait_in_the_queue_are_given_back_first(system: System) -> None:
    system.keep(3)
    until(lambda: looked_at(system, {"napari-sa2va-1"}) == 3)
    system.keep(1)
    assert system.queue == {"101"}


def looked_at(system: System, present: set[str]) -> int:
    """How many jobs are known to have been taken, after a look."""
    system.jobs.look(present)
    return sum(job.is_submitted for job in system.jobs._jobs)


def test_a_job_that_has_ended_is_replaced(system: System) -> None:
    system.keep(2)
    until(lambda: looked_at(system, {"napari-sa2va-0", "napari-sa2va-1"}) == 2)
    (system.folder / "101").unlink()
    system.jobs.look({"napari-sa2va-0"})
    system.keep(2)
    assert system.queue == {"100", "102"}


def test_a_job_whose_worker_has_left_ends_by_itself_for_it_may_be_at_its_last_frame(
    system: System,
) -> None:
    system.keep(2)
    until(lambda: looked_at(system, {"napari-sa2va-0", "napari-sa2va-1"}) == 2)
    system.jobs.look({"napari-sa2va-0"})
    system.jobs.keep(1, {"napari-sa2va-0"})
    assert system.queue == {"100", "101"}


def test_a_job_whose_worker_was_lost_is_kept_while_it_is_in_the_queue(system: System) -> None:
    system.keep(1)
    until(lambda: looked_at(system, {"napari-sa2va-0"}) == 1)
    system.jobs.look(set())  # its nanny starts another process
    system.keep(1)
    assert system.queue == {"100"}


def test_a_queue_that_does_not_answer_is_no_end_of_its_jobs(system: System, commands: Path) -> None:
    system.keep(1)
    stand_in(commands, "squeue", "echo 'slurm_load_jobs error' >&2; exit 1")
    until(lambda: looked_at(system, set()) == 1)
    system.keep(1)
    assert system.queue == {"100"}


def test_a_job_that_waits_for_long_is_told_once_with_the_words_of_the_batch_system(
    system: System, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.keep(2)
    with caplog.at_level(logging.WARNING):
        until(lambda: looked_at(system, {"napari-sa2va-0"}) == 2)
        system.jobs.look({"napari-sa2va-0"})
        assert not caplog.messages
        monkeypatch.setattr(jobs, "_WAITED_S", 0.0)
        system.jobs.look({"napari-sa2va-0"})
        system.jobs.look({"napari-sa2va-0"})
    (said,) = caplog.messages
    assert said.endswith("Of job 101 the batch system says: PENDING Resources")


def test_a_refusal_is_an_error_only_if_no_job_was_ever_taken(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    system.keep(1)
    until(lambda: looked_at(system, {"napari-sa2va-0"}) == 1)
    (system.folder / "full").touch()
    with caplog.at_level(logging.WARNING):
        system.jobs.keep(2, ())
        until(lambda: bool(system.jobs.look({"napari-sa2va-0"}) or caplog.text))
    assert "submitted again later: sbatch: error: too many jobs" in caplog.text
    (system.folder / "full").unlink()
    system.keep(2)
    assert system.queue == {"100", "102"}


def test_a_refusal_of_the_first_job_is_told_in_the_words_of_the_batch_system(
    system: System,
) -> None:
    (system.folder / "full").touch()
    system.jobs.keep(1, ())
    with pytest.raises(BatchError) as caught:
        until(lambda: bool(system.jobs.look(())))
    assert caught.value.message == ("A job could not be submitted: sbatch: error: too many jobs")


def test_all_jobs_are_given_back_in_the_end_also_those_just_being_submitted(
    system: System,
) -> None:
    system.jobs.keep(5, ())
    system.jobs.close()
    assert system.queue == set()
