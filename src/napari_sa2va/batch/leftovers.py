"""What earlier workers on a unit have begun to write, and not put in its place, is deleted.

They were killed, and what they left would stay; or they were only taken for dead. Such a one may wake up
between the moment in which it saw that the unit was its own (`Task.check`, asked when a file is whole)
and the rename. As the next generation has deleted the file by then, there is nothing to rename: so
nobody ever replaces what a later generation wrote.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from napari_sa2va.batch.discard import discard
from napari_sa2va.batch.output_log import outputs_of
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.work_files import WORK_FILES
from napari_sa2va.core.errors import RequestError
from napari_sa2va.writers.paths import clear_begun
from napari_sa2va.writers.write import clear_begun_result


def clear_leftovers(task: Task) -> None:
    """Delete what earlier generations of a unit have begun; to be called before anything is written.

    Raises
    ------
    Superseded
        If another worker has taken the unit: what was begun may be of that one.
    """
    task.check()
    if task.generation == 1:
        return
    for name in WORK_FILES:
        clear_begun(task.work / name)
    noted = {(output.path, output.kind) for output in outputs_of(task.work)}
    for path, kind in noted | {(output.path, output.kind) for output in task.unit.outputs}:
        with suppress(RequestError):  # a format that this version does not know is told of later
            clear_begun_result(Path(path), kind)


def clear_outdated(task: Task) -> list[str]:
    """Delete the unit's outputs of what it was before it changed, where it writes them anew.

    They are of another movie, or of other settings, and would stay under the unit's names if the work
    failed now.

    Returns
    -------
    list of str
        Their paths.
    """
    task.check()
    last = {output.path: output for output in outputs_of(task.work)}
    outdated = [
        last[output.path]
        for output in task.unit.outputs
        if output.path in last and last[output.path].key != task.unit.key
    ]
    return discard(task.folder, task.unit, outdated)
