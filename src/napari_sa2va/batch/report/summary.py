"""The first part of a report: how it went, what went wrong, and all movies in one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from napari_sa2va.batch.overlaps import Covered
from napari_sa2va.batch.report.entries import THE_MOVIE, Entry, Group, by_cause
from napari_sa2va.batch.report.numbers import THRESHOLDS, Numbers, doubtful_frames
from napari_sa2va.batch.report.page import by, chip, table, text
from napari_sa2va.batch.standing import Where
from napari_sa2va.pipeline.estimate import duration

WORDS: dict[Where, str] = {
    "done": "done",
    "nothing": "nothing found",
    "running": "being worked on",
    "waiting": "waiting",
    "failed": "failed",
    "unfit": "too large for the memory",
}
"""State -> what it is called, in the order in which they are told."""

_VERDICTS = {"accept": "accepted", "redo": "to be done again", "edit": "edited", "": "noted"}
_MOST_NAMED = 40


@dataclass(frozen=True)
class Line:
    """What the table of all movies says of one.

    Attributes
    ----------
    entry : Entry
    lowest_score : float or None
        Of the objects that were found, the score of the one that is the least sure.
    doubtful : int
        Frames that deserve a look.
    anchor : str
        Of the movie's own part of the page; empty if it has none.
    """

    entry: Entry
    lowest_score: float | None
    doubtful: int
    anchor: str

    @classmethod
    def of(cls, entry: Entry, numbers: Numbers, anchor: str) -> Line:
        """Read it off the table of a unit."""
        doubtful = len(doubtful_frames(numbers.doubts))
        return cls(entry, min(numbers.scores.values(), default=None), doubtful, anchor)


def opening(name: str, entries: Sequence[Entry], made: str) -> str:
    """The title, a sentence, and a bar of the states."""
    counts = Counter(entry.standing.state for entry in entries)
    told = [state for state in WORDS if counts[state]]
    now = datetime.now(UTC).isoformat()
    bar = "".join(
        f'<span class="{state}" style="flex:{counts[state]}" title="{counts[state]} '
        f'{WORDS[state]}"></span>'
        for state in told
    )
    legend = "".join(
        f'<span class="item">{chip(state)}{counts[state]} {WORDS[state]}</span>' for state in told
    )
    return (
        f"<h1>{text(name)}</h1>\n<p class=lead>{_sentence(entries, counts)}</p>\n"
        f'<div class="bar" aria-hidden="true">{bar}</div><p class="legend">{legend}</p>\n'
        f'<p class="muted">Begun {text(_when(made))}; this page was written '
        f"{text(_when(now))} and shows how it stood then.</p>\n"
    )


def overlaps(covered: Covered | None) -> str:
    """That outputs do not have all of the masks, where it is so."""
    if covered is None:
        return ""
    return (
        f"<p><b>{text(covered.message)}</b> {text(covered.hint)} The movies say on how many frames "
        "it is so.</p>\n"
    )


def troubles(entries: Sequence[Entry]) -> str:
    """Causes of what failed, each once, with the movies and what to do."""
    groups = by_cause(entry for entry in entries if entry.standing.state in ("failed", "unfit"))
    again = by_cause(entry for entry in entries if entry.standing.state == "waiting")
    if not groups and not again:
        return ""
    parts = ['<h2 id="causes">What went wrong</h2>\n']
    if any(len(group.entries) > 1 for group in (*groups, *again)):
        parts.append(f'<p class="muted">{text(THE_MOVIE)} stands for the path of each movie.</p>')
    parts += [_cause(group) for group in groups]
    if again:
        parts.append("<h3>Went wrong, and will be tried again</h3>")
        parts += [_cause(group) for group in again]
    return "".join(parts)


def all_movies(lines: Sequence[Line]) -> str:
    """A row for each unit."""
    names = dict.fromkeys(name for line in lines for name in line.entry.unit.annotations)
    has_verdicts = any(line.entry.verdict for line in lines)
    columns = [
        "Movie", *(name.removeprefix("meta.") for name in names), "State", "Found", "Frames",
        "Lowest score", "To look at", "Time",
    ]  # fmt: skip
    numbers = {"Found", "Frames", "Lowest score", "To look at", "Time"}
    if has_verdicts:
        columns.append("Verdict")
    rows = (list(_row(line, list(names), has_verdicts)) for line in lines)
    return (
        '<h2 id="movies">All movies</h2>\n'
        '<p class="muted">Found: how many of the objects asked for are on at least one frame. '
        "Lowest score: how sure the model is, where it drew a mask, of the object that it is least "
        "sure of. To look at: "
        f"frames on which a rule finds something odd ({_rules()}). Click on the head of a column to "
        "sort.</p>\n" + table(columns, rows, numbers=numbers, sortable=True)
    )


def what_scores_mean() -> str:
    """How far scores and marks are to be believed."""
    return (
        '<p class="muted"><b>How sure is this?</b> A score is the model\'s own estimate, from 0 to 1, '
        "that the object is there; it was not calibrated on your movies, and a wrong mask can have a "
        f"high one. The rules ({_rules()}) know areas and scores only: a frame that they do not mark "
        "can be wrong, and one that they mark can be right. Judge by the pictures, and review what "
        "matters in napari.</p>\n"
    )


def verdict_words(entry: Entry) -> str:
    """What a person said of a result; empty if nothing."""
    verdict = entry.verdict
    if verdict is None:
        return ""
    who = f" by {verdict.who}" if verdict.who else ""
    note = f": {verdict.note}" if verdict.note else ""
    return entry.private.redact(f"{_VERDICTS[verdict.verdict]}{who}{note}")


def state_words(entry: Entry) -> str:
    """The state with its colour."""
    state = entry.standing.state
    return f"{chip(state)}{WORDS[state]}"


def _sentence(entries: Sequence[Entry], counts: Counter[Where]) -> str:
    number = len(entries)
    if not number:
        return "There is no movie in this batch yet."
    movies = "1 movie" if number == 1 else f"{number} movies"
    if counts["done"] == number:
        return f"{movies}: all done, and something was found" + (" in each." if number > 1 else ".")
    rest = [f"{counts[s]} {WORDS[s]}" for s in WORDS if counts[s]]
    return f"{movies}: {', '.join(rest)}."


def _cause(group: Group) -> str:
    number = len(group.entries)
    named = ", ".join(f"{text(e.movie)} ({text(e.unit_id)})" for e in group.entries[:_MOST_NAMED])
    more = f" and {number - _MOST_NAMED} more" if number > _MOST_NAMED else ""
    alike = "" if group.are_alike else ' <span class="muted">(and alike, with other numbers)</span>'
    attempts = max(entry.standing.attempts for entry in group.entries)
    up_to = "up to " if number > 1 else ""
    tried = f", tried {up_to}{attempts} times" if attempts > 1 else ""
    count = "1 movie" if number == 1 else f"{number} movies"
    return (
        f'<div class="cause"><h3>{text(group.cause)}{alike}</h3>'
        + (f"<p>{text(group.hint)}</p>" if group.hint else "")
        + f'<p class="muted">{count}{tried}: {named}{more}</p></div>\n'
    )


def _row(line: Line, names: Sequence[str], has_verdicts: bool) -> Iterable[str]:
    entry, outcome = line.entry, line.entry.outcome
    name = text(entry.movie)
    yield f'<a href="#{line.anchor}">{name}</a>' if line.anchor else name
    for column in names:
        yield text(entry.private.redact(entry.unit.annotations.get(column, "")))
    yield state_words(entry)
    if outcome is None or not entry.is_complete:
        yield from (by(None, "") for _ in range(4))
    else:
        found = sum(o.frames_present > 0 for o in outcome.objects)
        yield by(found, f"{found} of {len(outcome.objects)}")
        yield by(outcome.frames, str(outcome.frames or "–"))
        score = line.lowest_score
        yield by(score, "" if score is None else f"{score:.2f}")
        yield by(line.doubtful, str(line.doubtful) if line.doubtful else "–")
    yield by(None, "") if outcome is None else by(outcome.seconds, duration(outcome.seconds))
    if has_verdicts:
        yield text(verdict_words(entry))


def _rules() -> str:
    return (
        f"score below {THRESHOLDS.lowest_score:g}, area more than {THRESHOLDS.area_ratio:g} times "
        "larger or smaller than just before, appears, vanishes"
    )


def _when(iso: str) -> str:
    try:
        moment = datetime.fromisoformat(iso).astimezone(UTC)
    except ValueError:
        return iso
    return moment.strftime("%Y-%m-%d %H:%M UTC")
