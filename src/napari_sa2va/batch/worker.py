"""A worker: takes one unit after the other from a batch folder, until nothing is left.

It does not matter who starts it, or how many there are: see `runs`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic

from napari_sa2va.batch.admission import Admission, Fits
from napari_sa2va.batch.failing import MORE_MEMORY, failure_of
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.heart import Heart
from napari_sa2va.batch.held import Held, Superseded
from napari_sa2va.batch.host import here
from napari_sa2va.batch.logs import WorkerLog
from napari_sa2va.batch.order import longest_first
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.rest import Rest
from napari_sa2va.batch.roster import Card, CardState, Roster
from napari_sa2va.batch.task import Do, Task
from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import BatchError
from napari_sa2va.readers.person import person_at

_log = logging.getLogger(__name__)

# How long a worker that finds nothing to do waits before it looks again, from and to, in s.
_LOOK_S, _MOST_S = 0.2, 5.0
# While others work, their units may become free; but a machine should not be kept for that for long.
_IDLE_S = 300.0
# Others that were started together with this one are there after this time, in s.
_GRACE_S = 10.0
# A card of a worker that waits is put up anew so often, in s.
_CARD_S = 20.0
# A network drive that was away for so long does not come back tonight.
_AWAY_S = 3600.0


class Worker:
    """Takes units and does them.

    Parameters
    ----------
    folder : BatchFolder
    name : str
        Unlike that of any other worker of the batch.
    do : callable, optional
        Does a unit; by default `batch.work.work`.
    fits : callable, optional
        Says whether a unit can run here; by default `batch.fits.why_not`.
    device : str
        The device that the units are to run on; empty for what their settings say.
    stop : CancelToken, optional
        Asks for a polite end: the unit in work is stopped after its frame, and stays to be done.
    idle_s : float
        How long to wait, without anything to do, for units that others have.
    versions : mapping of str to str, optional
        Of the packages, for its card.
    """

    def __init__(
        self,
        folder: BatchFolder,
        name: str,
        *,
        do: Do | None = None,
        fits: Fits | None = None,
        device: str = "",
        stop: CancelToken | None = None,
        idle_s: float = _IDLE_S,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._name = name
        self._do = do or _usual_do()
        self._device = device
        self._stop = stop or CancelToken()
        self._idle_s = idle_s
        self._versions = dict(versions or {})
        self._log = WorkerLog(folder.path, name)
        self._roster = Roster(folder.path / "workers")
        self._shown, self._shown_s = ("", ""), 0.0
        self._rest = Rest()
        self._admission = Admission(folder, name, device=device, fits=fits or _usual_fits())

    def run(self) -> None:
        """Work until nothing is left, or somebody asks for an end.

        Raises
        ------
        BatchError
            If the folder has been away for an hour.
        """
        seen = idle_since = monotonic()
        pause_s = _LOOK_S
        try:
            while not self._stop.cancelled:
                try:
                    went_on = self._go_on(monotonic() - idle_since)
                    seen = monotonic()
                except OSError as error:
                    self._bear(error, monotonic() - seen)
                    went_on = False
                if went_on is None:
                    return
                if went_on:
                    idle_since, pause_s = monotonic(), _LOOK_S
                    self._stop.wait(self._rest.seconds)
                else:
                    self._stop.wait(pause_s)
                    pause_s = min(1.5 * pause_s, _MOST_S)
        finally:
            self._show("left")

    def _go_on(self, idle_s: float) -> bool | None:
        """Whether something was done; None if it is time to leave."""
        folder = self._folder
        if folder.is_cancelled:
            return None
        if folder.is_paused:
            self._show("paused")
            return False
        if self.step():
            return True
        self._show("idle")
        grace_s = min(_GRACE_S, self._idle_s)
        if self._admission.refused and idle_s >= grace_s and not self._has_company():
            return self._give_up_one()
        return False if self._is_worth_waiting(idle_s) else None

    def _bear(self, error: OSError, away_s: float) -> None:
        """Wait for a drive, but not for ever."""
        if away_s > _AWAY_S:
            raise BatchError(
                f"The batch folder {self._folder.path} has been away for an hour ({error}).",
                "When it is back, give the command again; nothing is lost.",
            ) from error
        _log.warning("The batch folder cannot be read or written now: %s", error)

    def step(self) -> bool:
        """Do one unit; False if there is none to be had now.

        Raises
        ------
        OSError
            If the folder is away.
        """
        standings = self._folder.standings()
        units = self._folder.units()
        facts = self._folder.facts()
        self._admission.look(standings.values())
        # Meanwhile one may have been taken out of the batch.
        waiting = [
            u for i, u in units.items() if i in standings and standings[i].state == "waiting"
        ]
        ordered = longest_first(waiting, facts)
        # What has failed comes after all that has not: it may have been a drive that was away.
        ordered.sort(key=lambda unit: standings[unit.unit_id].failed_before)
        for unit in ordered:
            # A network drive may show the line of a whole before those of its parts.
            if not all(part in standings and standings[part].is_at_end for part in unit.parts):
                continue
            generation = standings[unit.unit_id].generation + 1
            held = self._admission.take(unit, generation, facts.get(unit.unit_id))
            if held is not None:
                self._work(unit, held)
                return True
        if self._admission.refused:
            # What this process keeps from its last unit may be what another one lacks.
            from napari_sa2va.pipeline import loaded

            loaded.release()
        return False

    def _give_up_one(self) -> bool:
        """Say of a unit that it fits nowhere, when nobody is there who may have more memory."""
        unit_id, why = next(iter(self._admission.refused.items()))
        unit, standing = self._folder.units().get(unit_id), self._folder.standings().get(unit_id)
        if unit is None or standing is None:  # it was taken out of the batch just now
            return False
        held = self._admission.claim(unit, standing.generation + 1)
        if held is None:
            return False
        unfit = {"state": "unfit", "cause": why, "hint": MORE_MEMORY, **_about(unit, held)}
        self._finish(unit, held, Outcome.model_validate(unfit))
        return True

    def _has_company(self) -> bool:
        """Whether another worker is there, at work or not."""
        standings = self._folder.standings().values()
        return any(s.state == "running" for s in standings) or self._roster.has_idle(self._name)

    def _is_worth_waiting(self, idle_s: float) -> bool:
        if self._folder.is_watching:
            return True
        standings = self._folder.standings().values()
        return idle_s < self._idle_s and any(not s.is_at_end for s in standings)

    def _work(self, unit: Unit, held: Held) -> None:
        self._show("working", unit.unit_id)
        began, clock = datetime.now(UTC), monotonic()
        with Heart(held, self._folder, self._stop) as heart:
            try:
                outcome = self._outcome(unit, held, heart)
            except BaseException:  # Ctrl-C twice: nobody is to wait until the heart is missed
                stopped = {"state": "stopped", **_about(unit, held)}
                self._finish(unit, held, Outcome.model_validate(stopped))
                raise
            measured = {
                "began": began.isoformat(timespec="seconds"),
                "seconds": monotonic() - clock,
                "device": outcome.device or self._device,
            }
            self._finish(unit, held, self._rest.see(unit, outcome).model_copy(update=measured))

    def _outcome(self, unit: Unit, held: Held, heart: Heart) -> Outcome:
        try:
            return self._do(
                Task(
                    unit,
                    self._folder.settings_of(unit, self._device),
                    self._folder,
                    generation=held.generation,
                    cancel=heart.cancel,
                    tell=heart.tell,
                    check=held.check,
                    worker=self._name,
                )
            )
        except Exception as error:  # one bad movie never stops the rest
            _log.exception("%s failed", unit.unit_id)
            failure = failure_of(error, person_at(unit.path)).model_dump()
            return Outcome.model_validate(failure | _about(unit, held))

    def _finish(self, unit: Unit, held: Held, outcome: Outcome) -> None:
        """Write down what came of a unit, as soon as the disk takes it: hours of work may hang on it."""
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        told = {"ended": ended, "worker": self._name, "host": here().name}
        outcome = outcome.model_copy(update=told)
        pause_s = _LOOK_S
        while True:
            try:
                held.finish(outcome)
            except Superseded as error:
                _log.warning("%s", error)
                return
            except OSError as error:
                _log.warning("What came of %s cannot be written now: %s", unit.unit_id, error)
                if self._stop.wait(pause_s):
                    return
                pause_s = min(2 * pause_s, _MOST_S)
            else:
                self._log.add(unit, outcome)
                return

    def _show(self, state: CardState, unit_id: str = "") -> None:
        """Put up the worker's card; while it is idle, from time to time anew."""
        if (state, unit_id) == self._shown and monotonic() - self._shown_s < _CARD_S:
            return
        self._shown, self._shown_s = (state, unit_id), monotonic()
        card = Card(
            name=self._name, host=here(), device=self._device, state=state, unit_id=unit_id,
            versions=self._versions,
        )  # fmt: skip
        self._roster.write(card)


def _about(unit: Unit, held: Held) -> dict[str, object]:
    return {"unit_id": unit.unit_id, "generation": held.generation, "key": unit.key}


def _usual_do() -> Do:
    from napari_sa2va.batch.work import work

    return work


def _usual_fits() -> Fits:
    from napari_sa2va.batch.fits import why_not

    return why_not


def work_through(
    path: str, name: str, *, device: str = "", stop: CancelToken | None = None
) -> None:
    """The whole life of a worker, whatever started it.

    The last one of a batch that has no client writes the table of all objects and the report.

    Parameters
    ----------
    path : str
        The batch folder.
    name : str
        Unlike that of any other worker of the batch.
    device : str
        See `Worker`.
    stop : CancelToken, optional

    Raises
    ------
    BatchError
        If this machine's programs or weights are not those of the batch.
    """
    from napari_sa2va.batch.accounts import write_at_the_end
    from napari_sa2va.batch.check import check_worker

    folder = BatchFolder.open(path)
    versions = check_worker(folder, name, device)
    with WorkerLog(folder.path, name).listening(folder.head.log_level):
        Worker(folder, name, device=device, stop=stop, versions=versions).run()
        write_at_the_end(folder)
