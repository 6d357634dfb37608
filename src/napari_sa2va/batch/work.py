"""The work on one unit: from its movie and sentences to masks, outputs and tables.

Masks go to the journal frame by frame, and the run keeps safe points beside it. So whatever ends the
process, the next one goes on inside the movie; and a unit whose masks are all there, of which only an
output is missing, needs no network.
"""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_sa2va.batch.deliver import Delivered, Delivery
from napari_sa2va.batch.failing import MORE_MEMORY, failure_of
from napari_sa2va.batch.fits import why_not
from napari_sa2va.batch.found import Found, masks_of
from napari_sa2va.batch.history import History
from napari_sa2va.batch.journal import NAME, About, Journal
from napari_sa2va.batch.leftovers import clear_leftovers, clear_outdated
from napari_sa2va.batch.merge import Merging
from napari_sa2va.batch.object_outcomes import drawn_of
from napari_sa2va.batch.outcome import Outcome, State
from napari_sa2va.batch.outgrown import outgrown
from napari_sa2va.batch.part import open_part, open_whole, settings_of_part
from napari_sa2va.batch.planning.identity import ABSENT, identity_of
from napari_sa2va.batch.segment import segments_in
from napari_sa2va.batch.stream import Account, stream
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.unit import Facts, Unit
from napari_sa2va.batch.unwanted import unwanted
from napari_sa2va.batch.work_files import RECORD, SAFE_POINT
from napari_sa2va.core.errors import BatchError, MemoryShortage, RequestError, Sa2vaError
from napari_sa2va.core.privacy import NOBODY, Private
from napari_sa2va.core.prompt import PromptSet
from napari_sa2va.readers.open import is_url, open_clip
from napari_sa2va.readers.person import person_at
from napari_sa2va.writers.record import write_record
from napari_sa2va.writers.result import Subject

if TYPE_CHECKING:
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.settings import RunSettings

_log = logging.getLogger(__name__)


def work(task: Task) -> Outcome:
    """Do a unit, or go on with it; what was done stays done, however it ends.

    Parameters
    ----------
    task : Task

    Returns
    -------
    Outcome
        Of any `Exception` too.
    """
    return _Work(task).do()


class _Work:
    """What is known of a unit while it is done, for the account that is given of it at the end."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._unit = task.unit
        self._clip: Clip | None = None
        self._after = 0
        self._found = Found(About(key=task.unit.key))
        self._account = Account()
        self._delivered = Delivered()

    def do(self) -> Outcome:
        try:
            is_done = self._do()
            if self._delivered.error is not None:
                raise self._delivered.error
        except Exception as error:  # one bad movie never stops the rest
            failure = failure_of(error, self._private, is_as_planned=self._is_as_planned)
            if not isinstance(error, Sa2vaError):
                calls = self._private.redact(traceback.format_exc())
                _log.error("%s failed:\n%s", self._unit.unit_id, calls)
            return self._outcome(failure.state).model_copy(update=failure.model_dump())
        return self._outcome("done" if is_done else "stopped")

    def _do(self) -> bool:
        """Whether it came to its end, and was not stopped before."""
        task, unit = self._task, self._unit
        task.tell("opening", 0, 0)
        clear_leftovers(task)
        for path in clear_outdated(task):
            _log.warning("%s was of %s before it changed, and is deleted.", path, unit.unit_id)
        history = task.folder.runs.scan().get(unit.unit_id, History())
        self._after = unwanted(unit, history, before=task.generation)
        self._found = self._look()
        clip, settings = self._open()
        if (of_less := outgrown(task, clip)) > self._after:
            self._after = of_less
            self._found = self._look()
        delivery = Delivery(task, clip, after=self._after)
        delivery.check()
        if self._found.is_complete:
            self._account.resumed_at = len(self._found.frames_done)
            self._write_record()
        else:
            self._draw(clip, settings)
            if self._found.is_complete:
                self._check_unchanged()
        if not self._found.is_complete:
            return False
        task.check()
        # Large, and of no use any more.
        (task.work / SAFE_POINT).unlink(missing_ok=True)
        if unit.part is None:
            number = len(self._found.frames_done)
            task.tell("writing", number, number)
            self._delivered = delivery.write(self._found)
        return not self._delivered.is_cut_short

    def _open(self) -> tuple[Clip, RunSettings]:
        """The movie that was planned, or the unit's part of it, and the settings for that."""
        unit, settings = self._unit, self._task.settings
        self._check_identity()
        if unit.parts:
            self._clip = open_whole(self._task.folder.units()[unit.parts[0]])
        elif unit.part is not None:
            self._clip = open_part(unit)
            settings = settings_of_part(unit, settings, self._clip.num_frames)
        else:
            self._clip = open_clip(unit.path, **unit.arguments.as_keywords())
        return self._clip, settings

    def _check_identity(self) -> None:
        unit, now = self._unit, self._changed_to()
        if now:
            raise RequestError(
                f"{unit.movie} is not the movie that was planned: {unit.identity!r} then, {now!r} "
                "now.",
                "Give the command again; it plans movies anew that have changed.",
            )

    def _check_unchanged(self) -> None:
        """Refuse masks of a movie that somebody wrote to while they were drawn, and delete them.

        They would count again if the movie were put back as it was.
        """
        unit, now = self._unit, self._changed_to()
        if not now:
            return
        self._task.check()
        for path in (*segments_in(self._task.work, NAME), self._task.work / SAFE_POINT):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self._found = self._look()
        raise BatchError(
            f"{unit.movie} was changed while it was worked on: {unit.identity!r} before, {now!r} now.",
            "Its masks are deleted. Give the command again when nobody writes to it any more; of a "
            "movie that is being recorded say so (--growing).",
        )

    def _changed_to(self) -> str:
        """The identity of the movie as it is now, if it is not what was planned; else empty."""
        unit = self._unit
        # One that is still being written is meant to change.
        if not unit.identity or unit.arguments.growing:
            return ""
        now = identity_of(unit.path)
        # What is not there at all may come back; opening it says more.
        return "" if now in (unit.identity, ABSENT) else now

    def _draw(self, clip: Clip, settings: RunSettings) -> None:
        """Bring the masks that are missing to the disk, or as many as can be."""
        try:
            if self._unit.parts:
                self._merge(clip)
            else:
                self._run(clip, settings)
        finally:
            # What came before an error, or a second Ctrl-C, is not lost.
            self._found = self._look()
            self._write_record()

    def _look(self) -> Found:
        """What is on the disk."""
        return masks_of(self._task.work, self._unit.key, after=self._after)

    def _merge(self, clip: Clip) -> None:
        merging = Merging(self._task, clip)
        with Journal(self._task.work, self._task.generation, merging.about) as journal:
            self._account.record = merging.write(journal)

    def _run(self, clip: Clip, settings: RunSettings) -> None:
        task, unit, there = self._task, self._unit, frozenset(self._found.places)
        prompts = PromptSet.from_texts(unit.sentences)
        self._check_memory(clip, prompts, settings)
        with Journal(task.work, task.generation, _about(unit, clip, prompts)) as journal:
            stream(task, clip, prompts, settings, journal, self._account, frames_there=there)

    def _check_memory(self, clip: Clip, prompts: PromptSet, settings: RunSettings) -> None:
        """Refuse what cannot fit: the system would end a process that takes too much."""
        from napari_sa2va.pipeline.estimate import estimate
        from napari_sa2va.pipeline.rates import Counts
        from napari_sa2va.pipeline.resolve import resolve

        counts = Counts.of(resolve(clip, prompts, settings), clip.height, clip.width)
        told = estimate(settings, counts, height=clip.height, width=clip.width)
        facts = Facts(unit_id=self._unit.unit_id, key=self._unit.key, need_bytes=told.num_bytes)
        why = why_not(facts, settings.model.device, ())
        if why:
            raise MemoryShortage(why, MORE_MEMORY)

    def _write_record(self) -> None:
        """Write what is known of the run, if it had begun; of a whole one the journal knows it."""
        said, record = self._found.record, self._account.record
        if said is None and record is not None:
            said = record.model_dump(mode="json")
        if said is not None:
            write_record(self._task.work / RECORD, said, overwrite=True, ready=self._task.check)

    def _outcome(self, state: State) -> Outcome:
        found, record = self._found, self._account.record
        drawn = drawn_of(found)
        if state == "done" and not any(entry.frames_present for entry in drawn.objects):
            state = "nothing"
        device = str((found.record or {}).get("device", "")) if record is None else record.device
        notes = (found.record or {}).get("notes", ()) if record is None else record.notes
        return Outcome(
            unit_id=self._unit.unit_id,
            generation=self._task.generation,
            state=state,
            key=self._unit.key,
            frames=len(found.frames_done),
            resumed_at=self._account.resumed_at,
            objects=drawn.objects,
            overlap_frames=drawn.overlap_frames,
            outputs=self._delivered.outputs,
            warnings=(*notes, *self._delivered.warnings),
            device=device,
            peak_bytes=_peak_bytes(device),
        )

    @property
    def _is_as_planned(self) -> bool:
        """Whether the movie is there, and nothing has changed since it was planned."""
        planned = self._unit.identity
        is_known = planned != ABSENT and not is_url(self._unit.path)
        return is_known and identity_of(self._unit.path) == planned

    @property
    def _private(self) -> Private:
        """Words that may not be written."""
        if self._task.settings.output.patient_data:
            return NOBODY
        return person_at(self._unit.path) if self._clip is None else self._clip.private


def _about(unit: Unit, clip: Clip, prompts: PromptSet) -> About:
    return About(
        key=unit.key,
        num_frames=clip.num_frames,
        height=clip.height,
        width=clip.width,
        subjects=tuple(Subject(p.object_id, p.name, p.text) for p in prompts.objects),
    )


def _peak_bytes(device: str) -> int:
    """The most memory that this process has held on a device; 0 where the system does not tell."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
