"""What is told of a batch on a terminal: counts, what went wrong, and how much is left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from napari_sa2va.batch.problem import Problem, gathered
from napari_sa2va.cli.main import DONE, FAILED, INTERRUPTED, NOTHING_FOUND
from napari_sa2va.pipeline.estimate import about

if TYPE_CHECKING:
    from napari_sa2va.batch.forecast import Forecast
    from napari_sa2va.batch.standing import Standing

STATES = ("done", "nothing", "running", "waiting", "failed", "unfit")
"""All states of a unit, in the order in which they are told."""

_SAID = {"nothing": "found nothing", "unfit": "without enough memory"}
_BASES = {
    "this batch": "from the units that are done",
    "measured": "from earlier runs on this machine",
    "guessed": "a guess; known after the first units",
}
_MOST_NAMED = 5


def counted(standings: Mapping[str, Standing]) -> dict[str, int]:
    """How many units there are of each state."""
    counts = dict.fromkeys(STATES, 0)
    for standing in standings.values():
        counts[standing.state] += 1
    return counts


def counts_in_words(counts: Mapping[str, int]) -> str:
    """The same for people, without what there is none of.

    Examples
    --------
    >>> counts_in_words({"done": 12, "nothing": 1, "failed": 0})
    '12 done, 1 found nothing'
    """
    said = [f"{count} {_SAID.get(state, state)}" for state, count in counts.items() if count]
    return ", ".join(said) or "no units"


def exit_code(standings: Mapping[str, Standing]) -> int:
    """0 all done, 1 some found nothing, 3 some failed, 130 some are still to be done.

    Parameters
    ----------
    standings : mapping of str to Standing
        Of movies, see `wholes`: a part in which there is nothing is no movie in which nothing was found.
    """
    counts = counted(standings)
    if counts["waiting"] or counts["running"]:
        return INTERRUPTED
    if counts["failed"] or counts["unfit"]:
        return FAILED
    return NOTHING_FOUND if counts["nothing"] else DONE


def causes_of(standings: Mapping[str, Standing]) -> list[Problem]:
    """Why units are not done, each cause once; of those that wait for another try, too."""
    return gathered(
        Problem(standing.cause, standing.outcome.hint if standing.outcome else "", (unit_id,))
        for unit_id, standing in standings.items()
        if standing.cause and standing.state != "running" and not standing.was_stopped
    )


def time_left(left: Forecast, workers: int) -> str:
    """How long it will still take some workers, or one if there is none; empty if nothing is known."""
    seconds = left.seconds_with(max(workers, 1))
    return f"about {about(seconds)}" if seconds is not None and left.num_left else ""


def basis_of(left: Forecast, workers: int) -> str:
    """What that rests on."""
    return f"with {number_of(max(workers, 1), 'worker')}; {_BASES[left.basis]}"


def number_of(count: int, noun: str) -> str:
    """A number with its noun.

    Examples
    --------
    >>> number_of(1, "unit"), number_of(0, "unit")
    ('1 unit', '0 units')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def named(unit_ids: Sequence[str]) -> str:
    """The first of some units.

    Examples
    --------
    >>> named(["a", "b"]), named(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = len(unit_ids) - _MOST_NAMED
    return ", ".join(unit_ids[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def print_problems(problems: Iterable[Problem], *, err: bool = False) -> None:
    """Say what is wrong, what to do, and with which units; lines stay whole, for paths are in them."""
    for number, problem in enumerate(problems, start=1):
        click.echo(f"{number:>3}. {problem.message}", err=err)
        if problem.hint:
            click.echo(f"     What to do: {problem.hint}", err=err)
        if problem.unit_ids:
            click.echo(f"     Units: {named(problem.unit_ids)}", err=err)


def print_json(said: Mapping[str, object]) -> None:
    """For other programs."""
    click.echo(json.dumps(said, indent=1, ensure_ascii=False))


def in_json(problem: Problem) -> dict[str, object]:
    """A problem in JSON types."""
    return {"message": problem.message, "hint": problem.hint, "units": list(problem.unit_ids)}
