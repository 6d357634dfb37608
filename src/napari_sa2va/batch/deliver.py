"""What a unit leaves behind once all its masks are there: outputs, record, table and picture."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.batch.found import Found
from napari_sa2va.batch.held import Superseded
from napari_sa2va.batch.output_log import OutputLog, Writing, outputs_of, paths_written
from napari_sa2va.batch.preview import write_sheet
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.unit_table import write_objects
from napari_sa2va.batch.work_files import SHEET, TABLE
from napari_sa2va.core.errors import RequestError
from napari_sa2va.writers import ome_zarr_labels
from napari_sa2va.writers.result import Result, of_masklets
from napari_sa2va.writers.write import (
    check_apart,
    check_place,
    check_result,
    write_result,
    writer_of,
)

if TYPE_CHECKING:
    from napari_sa2va.batch.unit import Output
    from napari_sa2va.core.clip import Clip


@dataclass(frozen=True)
class Delivered:
    """What came of it.

    Attributes
    ----------
    outputs : tuple of str
        Those that are there and whole.
    warnings : tuple of str
        What formats could not say.
    error : Exception or None
        Of the first file that could not be written.
    is_cut_short : bool
        Whether it was cancelled before all was written.
    """

    outputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: Exception | None = None
    is_cut_short: bool = False


class Delivery:
    """Writes the outputs of one unit.

    An output that is there is replaced only if this unit wrote it, or was about to when its worker
    was killed, or if the batch may overwrite files of others. One that was written whole for the same
    masks stays as it is: somebody may have put it right by hand.

    Parameters
    ----------
    task : Task
    clip : Clip
    after : int
        Outputs of this and earlier generations are to be written anew.
    """

    def __init__(self, task: Task, clip: Clip, *, after: int) -> None:
        self._task = task
        self._clip = clip
        self._own = paths_written(task.work)
        last = {output.path: output for output in outputs_of(task.work, after=after)}
        self._whole = {
            output.path
            for output in task.unit.outputs
            if last.get(output.path) == self._whole_of(output) and Path(output.path).exists()
        }
        self._warnings: dict[str, None] = {}

    def check(self) -> None:
        """Find out whether the outputs can be written, before any work is done for them.

        Raises
        ------
        RequestError, OutputError, MissingPackage
            If one of them cannot.
        """
        self._check_alone()
        nothing = of_masklets(self._clip, [])
        for output in self._missing:
            about = writer_of(Path(output.path), output.kind).FORMAT
            check_result(about, nothing)
            if not about.in_place:
                check_apart(Path(output.path), about, self._clip.source)
            if not about.in_place or ome_zarr_labels.is_alone(Path(output.path)):
                # What is wrong with the folder is said next.
                with suppress(OSError):
                    Path(output.path).parent.mkdir(parents=True, exist_ok=True)
            self._check_place(output)

    def _check_alone(self) -> None:
        """Refuse what another unit is about to write as well: it would depend on who is faster."""
        unit, folder = self._task.unit, self._task.folder
        paths = {output.path for output in unit.outputs}
        standings = folder.standings()
        for other in folder.units().values():
            standing = standings.get(other.unit_id)
            if other.unit_id == unit.unit_id or standing is None:
                continue
            is_written = standing.state in ("done", "nothing")
            if not is_written and (same := paths & {output.path for output in other.outputs}):
                raise RequestError(
                    f"{min(same)} would be written for {other.unit_id} as well.",
                    "Put what tells them apart into the name pattern: {movie}, {set} or {number}.",
                )

    def write(self, found: Found) -> Delivered:
        """Write all that is missing, and the files in the unit's work folder.

        What cannot be written does not keep the rest from it. Between two files it is looked whether
        the task was cancelled.

        Parameters
        ----------
        found : Found
            With all masks.

        Returns
        -------
        Delivered

        Raises
        ------
        Superseded
            If another worker has taken the unit.
        """
        task, clip = self._task, self._clip
        overlap = task.settings.output.overlap
        result = found.result(clip, overlap)
        failed: Exception | None = None
        with OutputLog(task.work, task.generation) as log:
            steps: list[Callable[[], None]] = [
                partial(self._write_output, output, result, log) for output in self._missing
            ]
            steps += [
                partial(write_objects, task.work / TABLE, found, clip, task.check),
                partial(write_sheet, task.work / SHEET, found, clip, overlap, task.check),
            ]
            for step in steps:
                if task.cancel.cancelled:
                    return Delivered(self._written, (*self._warnings,), failed, is_cut_short=True)
                try:
                    step()
                except Superseded:
                    raise
                except Exception as error:  # one bad file does not stop the rest
                    failed = failed or error
        return Delivered(self._written, (*self._warnings,), failed)

    @property
    def _written(self) -> tuple[str, ...]:
        return tuple(o.path for o in self._task.unit.outputs if o.path in self._whole)

    @property
    def _missing(self) -> list[Output]:
        return [o for o in self._task.unit.outputs if o.path not in self._whole]

    def _whole_of(self, output: Output) -> Writing:
        return Writing(
            path=output.path,
            kind=output.kind,
            key=self._task.unit.key,
            choices=self._task.settings.output.model_dump_json(),
            is_whole=True,
        )

    def _write_output(self, output: Output, result: Result, log: OutputLog) -> None:
        whole, overwrite = self._whole_of(output), self._may_replace(output)

        def ready() -> None:
            self._task.check()
            # Who comes after a kill is to know that what lies there is this unit's. Not noted before
            # the place was found free: what others put there meanwhile is theirs.
            log.note(whole.model_copy(update={"is_whole": False}))

        written = write_result(output.path, result, output.kind, overwrite=overwrite, ready=ready)
        log.note(whole)
        self._whole.add(output.path)
        self._warnings |= dict.fromkeys(written.warnings)

    def _check_place(self, output: Output) -> None:
        about = writer_of(Path(output.path), output.kind).FORMAT
        check_place(Path(output.path), about, overwrite=self._may_replace(output))

    def _may_replace(self, output: Output) -> bool:
        return self._task.folder.head.overwrite or output.path in self._own
