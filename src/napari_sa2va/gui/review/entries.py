"""The results of a batch that can be looked through, and what was said of each. No Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.core import user_files

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.batch.verdicts import Seen, Verdict, Word

_FILE = "batch_reviews"
# Batch folders whose place is remembered.
_MOST = 50

WORDS: dict[Word, str] = {"accept": "accepted", "redo": "to be done again", "edit": "edited"}


@dataclass(frozen=True)
class Entry:
    """A result.

    Attributes
    ----------
    unit_id, movie : str
    found, asked : int
        Objects.
    verdict : Verdict or None
        What was said of this result, maybe only a note; None if nothing was.
    """

    unit_id: str
    movie: str
    found: int
    asked: int
    verdict: Verdict | None = None

    @property
    def word(self) -> Word | None:
        """Accepted, to be done again, or edited; None as long as nobody has said so."""
        return (self.verdict.verdict or None) if self.verdict is not None else None

    @property
    def note(self) -> str:
        """What was noted of it."""
        return "" if self.verdict is None else self.verdict.note

    @property
    def words(self) -> str:
        """What was found, and what was said of it.

        Examples
        --------
        >>> Entry("1", "a", 0, 2).words
        '0 of 2 objects found; nobody has said yet what it is worth.'
        """
        found = f"{self.found} of {self.asked} objects found"
        if self.verdict is None or self.word is None:
            return f"{found}; nobody has said yet what it is worth."
        who = f" by {self.verdict.who}" if self.verdict.who else ""
        return f"{found}; {WORDS[self.word]}{who}."


def entries_of(folder: BatchFolder) -> list[Entry]:
    """All results that can be looked through, in the order of the batch.

    Parts of a movie are left out: the movie has a result of its own.
    """
    from napari_sa2va.batch.verdicts import Seen, Verdicts

    units, said = folder.units(), Verdicts(folder).read()
    entries = []
    for unit_id, standing in folder.standings().items():
        unit, outcome, verdict = units[unit_id], standing.outcome, said.get(unit_id)
        if standing.state not in ("done", "nothing") or outcome is None or unit.part is not None:
            continue
        if verdict is not None and not verdict.is_about(unit, outcome):
            verdict = None
        entries.append(entry_of(Seen(unit, outcome, verdict)))
    return entries


def entry_of(seen: Seen) -> Entry:
    """What is known of a result."""
    things = seen.outcome.objects
    found = sum(thing.found and thing.frames_present > 0 for thing in things)
    return Entry(seen.unit.unit_id, seen.unit.movie, found, len(things), seen.verdict)


def summary(entries: Sequence[Entry]) -> str:
    """How far the review is.

    Examples
    --------
    >>> summary([Entry("1", "a", 1, 1), Entry("2", "b", 0, 1)])
    '0 of 2 results were judged.'
    """
    counts = Counter(entry.word for entry in entries if entry.word is not None)
    ends = ", ".join(f"{counts[word]} {words}" for word, words in WORDS.items() if counts[word])
    results = "1 result was" if len(entries) == 1 else f"{len(entries)} results were"
    return f"{counts.total()} of {results} judged{f': {ends}' if ends else ''}."


def place_in(folder: Path) -> str:
    """The unit at which the review of a batch was left; empty if there was none."""
    kept = user_files.read(_FILE)
    place = kept.get(str(folder)) if isinstance(kept, dict) else None
    return place if isinstance(place, str) else ""


def keep_place(folder: Path, unit_id: str) -> None:
    """Remember where the review of a batch is, for this person."""

    def with_place(before: object) -> dict[str, object]:
        others = dict(before) if isinstance(before, dict) else {}
        others.pop(str(folder), None)
        return dict([*others.items(), (str(folder), unit_id)][-_MOST:])

    user_files.change(_FILE, with_place)
