"""A script for those who submit by hand: an array of jobs, each of which pulls units.

Nothing else runs while they wait in the queue, and no machine has to reach another one: all that the
jobs share is the batch folder. Any number of them may be submitted, again, and beside others.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from napari_sa2va.batch.engines.cluster import Cluster, plain


def array_script(ask: Cluster, folder: Path) -> str:
    """A script that is submitted once and does a whole batch.

    Parameters
    ----------
    ask : Cluster
        The batch system, and what each job is to have; `jobs` is their number.
    folder : Path
        The batch, at a path that all machines of the cluster have.

    Returns
    -------
    str
        For bash, with the directives of the batch system.

    Raises
    ------
    BatchError
        If the path cannot stand in a directive.
    """
    folder = plain(folder.absolute())
    directives = (*ask.array_header(folder / "logs"), *ask.other_directives)
    header = "\n".join(f"{ask.prefix} {directive}" for directive in directives)
    job, task = ask.variables
    devices = " ".join(f"cuda:{n}" for n in range(ask.gpus)) or "cpu"
    return f"""\
#!/usr/bin/env bash
{header}

# {ask.jobs} x {ask.workers_per_job} workers for {folder}
# Each takes what is next in the folder until nothing is left. Submit this with:
#   {ask.submit} FILE

export OMP_NUM_THREADS={ask.threads}
{ask.environment}

job=${{{job}:-$$}}
name={ask.kind}-${{job%%[!0-9]*}}-${{{task}:-1}}
workers=()
for device in {devices}; do
    {_worker(ask)} batch work {shlex.quote(str(folder))} \\
        --device "$device" --name "$name-${{device/:/}}" &
    workers+=($!)
done

# Asked to stop, they do so after the frame in work, and let go of their movies.
trap 'kill -TERM "${{workers[@]}}" 2> /dev/null' TERM INT
worst=0
for worker in "${{workers[@]}}"; do
    while :; do
        wait "$worker"
        code=$?
        kill -0 "$worker" 2> /dev/null || break  # else it was a signal that ended the wait
    done
    ((code > worst)) && worst=$code
done
exit "$worst"
"""


def _worker(ask: Cluster) -> str:
    """The command of a worker, which has a time limit of its own where a job is given no notice."""
    beside = Path(sys.executable).with_name("napari-sa2va")
    program = shlex.quote(str(beside)) if shutil.which(beside) else "napari-sa2va"
    if ask.gives_notice:
        return program
    return f"timeout --signal=TERM {ask.working_s} {program}"
