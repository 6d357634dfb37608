"""Where a unit stands, read off the history of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_sa2va.batch.history import VANISHED, Claim, History, lost
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.unit import Unit

Where = Literal["waiting", "running", "done", "nothing", "failed", "unfit"]
"""waiting: to be done, for the first time or again. running: a worker has it. The others are ends."""

_NEVER = History()


@dataclass(frozen=True)
class Standing:
    """Where a unit stands.

    Attributes
    ----------
    unit_id : str
    state : str
        See `Where`.
    attempts : int
        How often it failed as it is now.
    generation : int
        How often it was taken up.
    claim : Claim or None
        Who has it, and how far it is, while it is running.
    outcome : Outcome or None
        What came of it when it was taken up the last time; of a unit that waits, what went wrong.
    is_anew : bool
        Whether that no longer counts: somebody asked for it to be done again, or has changed it.
    earlier : Outcome or None
        While it is running, what came of it the time before.
    """

    unit_id: str
    state: Where
    attempts: int = 0
    generation: int = 0
    claim: Claim | None = None
    outcome: Outcome | None = None
    is_anew: bool = False
    earlier: Outcome | None = None

    @property
    def is_at_end(self) -> bool:
        """Whether nothing will be done to it any more."""
        return self.state not in ("waiting", "running")

    @property
    def was_stopped(self) -> bool:
        """Whether it waits because it was asked to stop in the middle, and not for another try."""
        return (
            self.state == "waiting"
            and not self.is_anew
            and self.outcome is not None
            and self.outcome.state == "stopped"
        )

    @property
    def failed_before(self) -> int:
        """How often it failed, also for what may pass and did not count, as far as that is known."""
        return self.attempts + (self.outcome is not None and self.outcome.passing)

    @property
    def cause(self) -> str:
        """Why it is not done, if it was tried; else empty."""
        if self.is_anew:
            return ""
        if self.outcome is not None and not self.outcome.is_complete:
            return self.outcome.cause
        if self.outcome is None and self.attempts and self.claim is None:
            return VANISHED
        return ""


def standing_of(unit: Unit, history: History | None, *, attempts: int) -> Standing:
    """Where a unit stands.

    Parameters
    ----------
    unit : Unit
    history : History or None
        None if it was never taken up.
    attempts : int
        After so many failures it is given up.
    """
    history = history or _NEVER
    failures = history.failures(unit.key)
    state = _state(unit, history, failures, attempts)
    return Standing(
        unit.unit_id,
        state,
        failures,
        history.generation,
        history.claim,
        history.outcome,
        is_anew=_is_anew(unit, history),
        earlier=_earlier(unit, history),
    )


def _earlier(unit: Unit, history: History) -> Outcome | None:
    before = history.generation - 1
    if history.claim is None:
        return None
    if before in history.lost:
        return lost(unit.unit_id, before, history.lost[before])
    return history.outcomes.get(before)


def _state(unit: Unit, history: History, failures: int, attempts: int) -> Where:
    if history.claim is not None:
        return "running"
    outcome = history.outcome
    if outcome is None:
        return "failed" if failures >= attempts else "waiting"
    if _is_anew(unit, history):
        return "waiting"
    match outcome.state:
        case "done" | "nothing":
            is_written = all(output.path in outcome.outputs for output in unit.outputs)
            return outcome.state if is_written else "waiting"
        case "unfit":
            return "unfit"
        case "stopped":
            return "waiting"
    return "failed" if outcome.certain or failures >= attempts else "waiting"


def _is_anew(unit: Unit, history: History) -> bool:
    """Whether what came of a unit the last time no longer counts."""
    outcome = history.outcome
    return outcome is not None and (
        outcome.key != unit.key or history.forgiven >= history.generation
    )
