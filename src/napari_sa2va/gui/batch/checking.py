"""Opening movies of a batch before anything is done, to find what would go wrong. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.gui.batch.draft_rows import rows_of
from napari_sa2va.gui.batch.planning import Planned
from napari_sa2va.gui.batch.problems import in_words
from napari_sa2va.gui.batch.rows import MovieRow

if TYPE_CHECKING:
    from napari_sa2va.batch.outlook import Outlook
    from napari_sa2va.batch.unit import Unit
    from napari_sa2va.core.cancel import CancelToken


@dataclass(frozen=True)
class Checked:
    """What a check has found.

    Attributes
    ----------
    units : mapping of str to Unit
        Those that were looked at, by id.
    rows : tuple of MovieRow
        Theirs, in the same order.
    words : str
        What it will take, or how much is wrong.
    problems : str
        What is wrong; empty if nothing is.
    """

    units: Mapping[str, Unit]
    rows: tuple[MovieRow, ...]
    words: str
    problems: str = ""


class Check:
    """Opens every movie that was planned, but those that are done.

    Parameters
    ----------
    planned : callable
        Gives the units; called on the thread that opens them.

    Attributes
    ----------
    done, total : int
        Movies; for whoever looks from another thread.
    """

    def __init__(self, planned: Callable[[], Planned]) -> None:
        self._planned = planned
        self.done = self.total = 0

    def run(self, cancel: CancelToken) -> Iterator[Checked]:
        """Look at all; on any thread."""
        from napari_sa2va.batch.outlook import outlook

        def tell(done: int, total: int) -> None:
            self.done, self.total = done, total
            if cancel.cancelled:
                raise _StopChecking

        planned = self._planned()
        try:
            found = outlook(planned.units, planned.settings, planned.place, tell=tell)
        except _StopChecking:
            return
        rows = rows_of(planned, found.facts, found.problems)
        yield Checked(planned.units, tuple(rows), *_verdict(found))


class _StopChecking(BaseException):
    """Passes through what takes care of an `Exception` of a single movie."""


def _verdict(found: Outlook) -> tuple[str, str]:
    """What is said of a check."""
    from napari_sa2va.pipeline.estimate import about

    if not found.problems:
        left = found.left
        takes = ""
        if left.seconds is not None:
            takes = f" They will take one worker about {about(left.seconds + left.load_s)}."
        movies = "1 movie" if left.num_left == 1 else f"{left.num_left} movies"
        return f"Nothing is wrong with {movies}.{takes}", ""
    count = len(found.problems)
    words = "1 problem was found." if count == 1 else f"{count} problems were found."
    rest = "; rows with a sign say what is wrong with them"
    return words, in_words(found.problems, rest)
