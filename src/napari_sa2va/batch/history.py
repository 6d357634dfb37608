"""What is known of the runs of a unit: who took it up, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ConfigDict

from napari_sa2va.batch.host import Host
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.core.params import Params


class Progress(Params):
    """How far the work on a unit is.

    Attributes
    ----------
    stage : str
        What is being done: "loading", "answering", "tracking" ...
    frames_done, frames_planned : int
        0 as long as that is not known.
    """

    model_config = ConfigDict(extra="ignore")  # what newer versions say beyond that

    stage: str = ""
    frames_done: int = 0
    frames_planned: int = 0


class Claim(Progress):
    """What a worker says of the unit that it has.

    Attributes
    ----------
    worker : str
        Its name.
    host : Host
        Its process.
    device : str
        Of the worker; empty for what the settings of the unit say.
    key : str
        Of the unit.
    need_bytes : int
        Most memory that the unit takes at any time; 0 if not known.
    since : float
        Unix time at which it was made, by the worker's clock.
    """

    worker: str
    host: Host
    device: str = ""
    key: str = ""
    need_bytes: int = 0
    since: float = 0.0


VANISHED = "Its worker vanished: it was killed, or its machine ended."
"""What is known of a worker that is not heard of any more."""


def lost(unit_id: str, generation: int, claim: Claim, **more: object) -> Outcome:
    """What came of a unit whose worker has ended without a word.

    Parameters
    ----------
    unit_id : str
    generation : int
    claim : Claim
        What it had said last.
    **more
        Fields of `Outcome` that are known better.
    """
    said = {
        "state": "lost",
        "key": claim.key,
        "cause": VANISHED,
        "frames": claim.frames_done,
        "worker": claim.worker,
        "host": claim.host.name,
        "device": claim.device,
    }
    return Outcome.model_validate({"unit_id": unit_id, "generation": generation} | said | more)


@dataclass
class History:
    """The runs of a unit, by generation.

    Attributes
    ----------
    claims : dict of int to Claim
        Of the latest generation, while it is worked on.
    lost : dict of int to Claim
        What workers that vanished had said last.
    outcomes : dict of int to Outcome
    asked : set of int
        A person asked for the unit again when it had come so far.
    """

    claims: dict[int, Claim] = field(default_factory=dict)
    lost: dict[int, Claim] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)

    @property
    def generation(self) -> int:
        """The latest one; 0 if the unit was never taken up."""
        return max((*self.claims, *self.outcomes, *self.lost), default=0)

    @property
    def mark(self) -> tuple[int, ...]:
        """Changes with everything but the progress of a claim."""
        return len(self.claims), len(self.lost), len(self.outcomes), len(self.asked)

    @property
    def forgiven(self) -> int:
        """Failures up to this generation do not count."""
        return max(self.asked, default=0)

    @property
    def outcome(self) -> Outcome | None:
        """Of the latest generation; None while it is worked on, and if its worker vanished."""
        return self.outcomes.get(self.generation)

    @property
    def claim(self) -> Claim | None:
        """Of the latest generation, while it is worked on."""
        return self.claims.get(self.generation)

    def failures(self, key: str) -> int:
        """How often the unit failed as it is now: errors, and workers that vanished.

        A worker that vanished after it came further than those before it is no failure of the unit:
        machines are switched off and jobs have a limit. One that a movie kills comes no further.
        What lay in the surroundings, such as a full disk, is none either as long as it may pass.
        """
        count, furthest = 0, 0
        for n in sorted({*self.lost, *self.outcomes}):
            if n <= self.forgiven:
                continue
            outcome = self.outcomes.get(n)
            about = self.lost[n] if outcome is None else outcome
            if about.key not in (key, ""):  # a claim that could not be read says nothing
                continue
            if outcome is not None and outcome.state == "failed":
                count += not outcome.passing
            elif outcome is None or outcome.state == "lost":
                done = self.lost[n].frames_done if outcome is None else outcome.frames
                count += done <= furthest
                furthest = max(furthest, done)
        return count
