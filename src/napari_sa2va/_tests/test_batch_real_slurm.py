"""Jobs of a real SLURM: a machine with a controller and a node that runs jobs at once.

Any SLURM will do that gives two jobs of a core and a GB each to whoever runs the tests, and whose nodes
see the folder for temporary files. `pytest -s` prints which one it was.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from napari_sa2va._tests.batch_hands import (
    PULL,
    has_begun,
    light_batch,
    states,
    times_done,
    until,
    work_off,
)
from napari_sa2va._tests.test_batch_engines_script import movie_batch
from napari_sa2va.batch.conduct import conduct
from napari_sa2va.batch.engines import Slurm, jobs
from napari_sa2va.batch.engines.script import array_script
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import BatchError


def said_by(*command: str) -> str:
    """What a command of SLURM prints; empty if it fails or is not there."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


pytestmark = pytest.mark.skipif(not said_by("sinfo"), reason="there is no SLURM that answers")

LITTLE = {"gpus": 0, "cores": 1, "memory_gb": 1, "walltime": "0:10"}


class LightSlurm(Slurm):
    pull = PULL


def queued() -> set[str]:
    """The numbers of all jobs of a test that have not ended."""
    name = os.environ["SBATCH_JOB_NAME"]
    return set(said_by("squeue", "--me", "--noheader", "--format=%i", f"--name={name}").split())


@pytest.fixture(scope="module", autouse=True)
def _version() -> None:
    print(said_by("sbatch", "--version"))


@pytest.fixture(autouse=True)
def _leaves_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(
        "SBATCH_JOB_NAME", tmp_path.name
    )  # other jobs of the same user are left alone
    yield
    try:
        until(lambda: not queued(), 60)
    finally:
        for job in queued():
            said_by("scancel", job)


def test_a_cancelled_job_is_replaced_and_its_unit_is_stopped_and_has_not_failed(
    tmp_path: Path,
) -> None:
    folder = light_batch(tmp_path / "night", ["first 60", "sleep 12"], attempts=1)
    cancelled = ""
    begin = monotonic()
    for _ in conduct(folder, LightSlurm(jobs=2, **LITTLE), every_s=0.2):
        assert monotonic() - begin < 180, states(folder)
        if cancelled or not all(has_begun(folder, unit) for unit in ("0000", "0001")):
            continue
        claim = folder.standings()["0000"].claim
        assert claim is not None
        cancelled = job_of(claim.host.pid)
        assert said_by("scancel", "--verbose", cancelled) == ""
    assert times_done(folder) == {"0000": 1, "0001": 1}
    assert folder.runs.scan()["0000"].outcomes[1].state == "stopped"
    assert cancelled


def test_a_client_that_is_stopped_leaves_no_job_and_no_failure(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 60"] * 2, attempts=1)
    cancel = CancelToken()
    for _ in conduct(folder, LightSlurm(jobs=2, **LITTLE), cancel, every_s=0.2):
        if has_begun(folder, "0000"):
            cancel.cancel()
    assert states(folder) == {"0000": "waiting", "0001": "waiting"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"queue": "no-such-partition"}, "partition"), ({"memory_gb": 10**6}, "[Mm]emory")],
    ids=["partition", "memory"],
)
def test_a_job_that_cannot_be_is_refused_in_the_words_of_slurm(
    tmp_path: Path, asked: dict[str, object], said: str
) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    with pytest.raises(BatchError, match=f"^A job could not be submitted: sbatch: .*{said}"):
        work_off(folder, LightSlurm(**{**LITTLE, **asked}))


def test_jobs_that_end_before_they_work_are_told_with_what_they_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_ASK_S", 1.0)
    folder = light_batch(tmp_path / "night", ["sleep 0"] * 3)
    ask = LightSlurm(jobs=3, environment="echo no module torch >&2; exit 1", **LITTLE)
    with pytest.raises(BatchError, match=r'3 jobs in a row ended .* said: "no module torch"'):
        work_off(folder, ask)


def test_an_array_is_cancelled_and_submitted_again_and_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = movie_batch(tmp_path, 2, 400)
    script = tmp_path / "submit.sh"
    script.write_text(array_script(Slurm(jobs=1, **LITTLE), folder.path))
    first = said_by("sbatch", "--parsable", str(script))
    until(lambda: has_begun(folder, "movie-0"))
    assert said_by("scancel", "--verbose", first) == ""
    assert exit_code(first) == 130
    outcome = folder.runs.scan()["movie-0"].outcomes[1]
    assert (outcome.state, outcome.worker) == ("stopped", f"slurm-{first}-1-cpu")
    second = said_by("sbatch", "--parsable", str(script))
    assert exit_code(second) == 0
    assert states(folder) == {"movie-0": "done", "movie-1": "done"}
    outcome = folder.standings()["movie-0"].outcome
    assert outcome is not None
    assert outcome.resumed_at > 0


def exit_code(job: str) -> int:
    """Of the first job of an array, once it has ended."""
    until(lambda: not any(number.startswith(job) for number in queued()))
    said = said_by("scontrol", "show", "job", "--oneliner", f"{job}_1")
    return int(dict(word.split("=", 1) for word in said.split())["ExitCode"].partition(":")[0])


def job_of(pid: int) -> str:
    """The job to which a process of this machine belongs."""
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return next(v.partition("=")[2] for v in variables if v.startswith("SLURM_JOB_ID="))
