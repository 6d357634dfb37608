"""What the table of a batch says of one unit, worked out of the batch folder. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_sa2va.core.flag_names import without_flags
from napari_sa2va.pipeline.estimate import about, duration

if TYPE_CHECKING:
    from napari_sa2va.batch.folder import Standing
    from napari_sa2va.batch.history import Claim
    from napari_sa2va.batch.outcome import Outcome
    from napari_sa2va.batch.unit import Facts, Unit

RowState = Literal["planned", "faulty", "waiting", "running", "done", "nothing", "failed", "unfit"]

WORDS: dict[RowState, str] = {
    "planned": "to be added",
    "faulty": "has a problem",
    "waiting": "waiting",
    "running": "working",
    "done": "done",
    "nothing": "nothing found",
    "failed": "failed",
    "unfit": "too large",
}
"""States in the order in which they are listed, and what people read."""

ENDED: tuple[RowState, ...] = ("done", "nothing", "failed", "unfit")


@dataclass(frozen=True)
class MovieRow:
    """One line of the table.

    Attributes
    ----------
    unit_id, movie : str
    state : str
    attempts : int
        How often it was tried.
    done, planned : int
        Frames; 0 planned if that is not known.
    stage : str
        What is being done before frames are counted.
    left_s : float or None
        Time to its end while it is worked on; None where nobody can say.
    found, asked : int
        Objects.
    score : float or None
        Mean over the objects that were found, in [0, 1].
    cause, hint : str
        What is wrong, and what to do; of a unit that waits, what went wrong before.
    details : tuple of (str, str)
        What else is known, as names and values.
    """

    unit_id: str
    movie: str
    state: RowState
    attempts: int = 0
    done: int = 0
    planned: int = 0
    stage: str = ""
    left_s: float | None = None
    found: int = 0
    asked: int = 0
    score: float | None = None
    cause: str = ""
    hint: str = ""
    details: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> str:
        """The state in words.

        Examples
        --------
        >>> MovieRow("1", "a", "failed", attempts=3).words
        'failed (3 ×)'
        """
        if self.state == "running" and self.stage:
            return self.stage
        if self.state == "failed" and self.attempts > 1:
            return f"{WORDS[self.state]} ({self.attempts} ×)"
        if self.state == "waiting" and self.attempts:
            return "waiting again"
        return WORDS[self.state]

    @property
    def share(self) -> float | None:
        """How much of it is done, in [0, 1]; None where that is not known."""
        if self.state == "done":
            return 1.0
        if self.state == "waiting" and not self.done:
            return 0.0
        is_known = self.planned and (self.done or self.state == "running")
        return min(self.done / self.planned, 1.0) if is_known else None

    @property
    def left(self) -> str:
        """The time left in words; empty if nothing is left or nobody can say."""
        return "" if self.left_s is None or self.state in ENDED else about(self.left_s)

    @property
    def objects(self) -> str:
        """How many objects were found of those asked for, and how sure that is.

        Examples
        --------
        >>> MovieRow("1", "a", "done", found=1, asked=2, score=0.913).objects
        '1 of 2 (0.91)'
        """
        if self.state not in ("done", "nothing"):
            return ""
        sure = "" if self.score is None else f" ({self.score:.2f})"
        return f"{self.found} of {self.asked}{sure}"


def row_of(
    unit: Unit,
    standing: Standing,
    facts: Facts | None,
    in_parts: tuple[int, int],
    *,
    left_s: float | None,
    before: MovieRow | None = None,
) -> MovieRow:
    """What is said of a unit.

    Parameters
    ----------
    unit : Unit
    standing : Standing
    facts : Facts or None
        What is known of its movie, if somebody looked.
    in_parts : tuple of int
        Frames of its parts that are done, and all of them; see `batch.wholes`.
    left_s : float or None
        Time to its end.
    before : MovieRow, optional
        What was said of it last: a worker that takes it up knows only after a while how many frames
        have their masks.
    """
    claim, outcome = standing.claim, standing.outcome
    known = 0 if facts is None else facts.num_frames
    if claim is None:
        done = _kept(standing)
        planned = known or done
    else:
        kept = 0 if before is None else before.done
        done, planned = claim.frames_done or kept, claim.frames_planned or known
    if unit.parts and claim is None and not standing.is_at_end:
        done, planned = in_parts
    found = [] if outcome is None else [o for o in outcome.objects if o.found and o.frames_present]
    scores = [o.mean_score for o in found if o.mean_score is not None]
    cause = standing.cause
    hint = outcome.hint if cause and outcome is not None else ""
    if not cause and facts is not None and facts.problem:
        cause, hint = facts.problem, facts.hint
    return MovieRow(
        unit_id=unit.unit_id,
        movie=unit.movie,
        state=standing.state,
        attempts=standing.failed_before,
        done=done,
        planned=planned,
        stage="" if claim is None or claim.frames_done else claim.stage,
        left_s=left_s,
        found=len(found),
        asked=len(unit.sentences) if outcome is None else len(outcome.objects),
        score=sum(scores) / len(scores) if scores else None,
        cause=without_flags(cause),
        hint=without_flags(hint),
        details=tuple(_details(unit, claim, outcome, facts)),
    )


def _kept(standing: Standing) -> int:
    """Frames whose masks count; none of a unit that was done, and is to be done anew."""
    outcome = standing.outcome
    if outcome is None or (standing.is_anew and outcome.is_complete):
        return 0
    return outcome.frames


def _details(
    unit: Unit, claim: Claim | None, outcome: Outcome | None, facts: Facts | None
) -> Iterator[tuple[str, str]]:
    from napari_sa2va.batch.overlaps import flat_formats

    yield "File", unit.path
    yield "Finds", " · ".join(unit.sentences)
    if unit.part is not None:
        yield "Part", f"frames {unit.part.first_frame} to {unit.part.last_frame}"
    if facts is not None and facts.num_frames:
        yield "Movie", f"{facts.num_frames} frames of {facts.height} × {facts.width} px"
    if claim is not None:
        yield "At work", f"{claim.worker} {claim.device}".strip()
    if outcome is None:
        return
    for thing in outcome.objects:
        if thing.found and thing.frames_present:
            sure = "" if thing.mean_score is None else f", score {thing.mean_score:.2f}"
            yield thing.name or thing.sentence, f"on {thing.frames_present} frames{sure}"
        else:
            yield thing.name or thing.sentence, "not found"
    if outcome.is_complete:
        place = " ".join(filter(None, (outcome.host.split("/")[0], outcome.device)))
        yield "Took", duration(outcome.seconds) + (f" on {place}" if place else "")
    for warning in outcome.warnings:
        yield "Note", warning
    if outcome.overlap_frames and (flat := flat_formats(unit)):
        holds = "hold" if len(flat) > 1 else "holds"
        what = f"masks cover each other, and {' and '.join(flat)} {holds} one object per pixel"
        yield "Overlap", f"on {outcome.overlap_frames} frames {what}"
    for path in outcome.outputs:
        yield "Wrote", path
