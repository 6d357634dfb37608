"""The part of a report that shows each movie: frames with masks, areas over time, and the objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from napari_sa2va.batch.outcome import ObjectOutcome
from napari_sa2va.batch.report.entries import Entry
from napari_sa2va.batch.report.numbers import Numbers, doubtful_frames
from napari_sa2va.batch.report.page import chip, color_class, table, text
from napari_sa2va.batch.report.plots import MOST_CURVES, area_plot
from napari_sa2va.batch.report.summary import state_words, verdict_words
from napari_sa2va.batch.work_files import SHEET
from napari_sa2va.pipeline.estimate import duration

MOST_MOVIES = 500
"""So many movies have a part of their own."""

_MOST_FRAMES = 6
_MOST_WARNINGS = 10


def words_of_movie(entry: Entry, numbers: Numbers, anchor: str) -> tuple[str, str]:
    """What is before the picture of a movie, and what is behind it.

    Parameters
    ----------
    entry : Entry
        Of a unit that is complete.
    numbers : Numbers
    anchor : str
    """
    outcome = entry.outcome
    assert outcome is not None  # it is complete
    facts = [state_words(entry), text(entry.unit_id)]
    frames = f"{outcome.frames} frames in " if outcome.frames else ""
    facts.append(frames + duration(outcome.seconds))
    if outcome.resumed_at:
        facts.append(f"gone on with after {outcome.resumed_at} frames")
    if outcome.overlap_frames:
        facts.append(f"masks cover each other on {outcome.overlap_frames} frames")
    if verdict := verdict_words(entry):
        facts.append(f"<b>{text(verdict)}</b>")
    before = (
        f'<article id="{anchor}"><header><h3>{text(entry.movie)}</h3>'
        f'<div class="muted">{" · ".join(facts)}</div></header>\n<div>'
    )
    plotted = any(lane.present.any() for lane in numbers.lanes)
    shown = area_plot(numbers, f"Area over time in {entry.movie}") if plotted else ""
    more = len(numbers.lanes) - MOST_CURVES
    caption = (
        f"<p class=muted>The first {MOST_CURVES} objects are drawn; there are {more} more.</p>"
    )
    behind = (
        f"</div>\n<div>{shown}{caption if plotted and more > 0 else ''}"
        f"{_objects(entry, numbers)}{_warnings(entry)}</div></article>\n"
    )
    return before, behind


def picture(address: str, entry: Entry, *, is_there: bool) -> str:
    """The contact sheet, with a way to the large one beside the page; or why there is none."""
    # The id is a safe name for a file, but it is made of that of the movie.
    has_names = entry.unit_id != entry.unit.unit_id
    link = f"work/{entry.unit_id}/{SHEET}"
    if address:
        said = text(f"Frames of {entry.movie} with the masks that were found")
        shown = f'<img src="{address}" alt="{said}" loading="lazy" decoding="async">'
        return shown if has_names else f'<a href="{link}">{shown}</a>'
    if is_there:
        where = "" if has_names else f': <a href="{link}">{link}</a>'
        return f'<p class="muted">Left out for the size of this page{where}</p>'
    return '<p class="muted">There is no picture.</p>'


def _objects(entry: Entry, numbers: Numbers) -> str:
    assert entry.outcome is not None
    objects = entry.outcome.objects
    shown = objects[: 2 * MOST_CURVES]
    scores = numbers.scores
    rows = [
        list(_object(entry, one, scores.get(one.object_id), _doubts(numbers, one.object_id)))
        for one in shown
    ]
    columns = ["Object", "On frames", "Score there", "To look at"]
    listed = table(columns, rows, numbers=("On frames", "Score there"))
    more = len(objects) - len(shown)
    return listed + (f'<p class="muted">and {more} more objects</p>' if more > 0 else "")


def _object(entry: Entry, one: ObjectOutcome, score: float | None, doubts: str) -> Iterator[str]:
    assert entry.outcome is not None
    redact = entry.private.redact
    named = one.name and one.name != one.sentence
    sentence = text(redact(one.sentence)) if named and one.sentence else ""
    yield (
        f"{chip(color_class(one.object_id))}{text(redact(one.name or one.sentence))}"
        + (f'<br><span class="muted">{sentence}</span>' if sentence else "")
    )
    if one.frames_present:
        yield f"{one.frames_present} of {entry.outcome.frames}"
        yield "" if score is None else f"{score:.2f}"
    else:
        yield "not found"
        yield ""
    yield text(doubts)


def _doubts(numbers: Numbers, object_id: int) -> str:
    """Reasons with their number, and the first frames."""
    reasons = Counter(d.reason for d in numbers.doubts if d.object_id == object_id)
    if not reasons:
        return "–"
    frames = doubtful_frames(numbers.doubts, object_id)
    listed = ", ".join(map(str, frames[:_MOST_FRAMES]))
    rest = f" and {len(frames) - _MOST_FRAMES} more" if len(frames) > _MOST_FRAMES else ""
    said = ", ".join(f"{reason} {count}×" for reason, count in reasons.most_common())
    return f"{said}; frame {listed}{rest}"


def _warnings(entry: Entry) -> str:
    assert entry.outcome is not None
    told = [entry.private.redact(w) for w in entry.outcome.warnings]
    if len(told) > _MOST_WARNINGS:
        told[_MOST_WARNINGS:] = [f"and {len(told) - _MOST_WARNINGS} more; see the log"]
    said = "".join(f"<li>{text(words)}</li>" for words in told)
    return f'<ul class="muted">{said}</ul>' if said else ""
