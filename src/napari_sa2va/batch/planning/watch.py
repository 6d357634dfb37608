"""Movies that a microscope has finished, in folders to which it writes.

Looking again and again is all that works on every drive: network drives send no events, and whether
another program has a file open cannot be known on all systems, let alone on all machines. So a movie is
finished when nothing in it has changed for a while. Sizes and times are only compared with what they
were before, and never with the clock of this machine, which is not that of the file server; and not with
each other, because a copy may bear the time of its original. Where a format says that all is there, the
next look is enough.

A time lapse that rests for longer than that while whoever writes it thinks about the next frame is taken
too early; it is known again as another movie when it has grown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from napari_sa2va.batch.planning.identity import ABSENT, Content, content_at
from napari_sa2va.batch.planning.inputs import AS_IT_IS, Rows, movies_of
from napari_sa2va.batch.planning.positions import positions_of
from napari_sa2va.batch.planning.row import Row
from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.readers.open import is_url, reader_of
from napari_sa2va.readers.opening import OpenArguments

STABLE_S = 30.0
"""What has not changed for so long is finished."""

STUCK_S = 600.0
"""What has been empty for so long is told of."""

_AT_ONCE = 16
# Movies whose formats are asked in one look: of very many that are there already, most may as well wait.
_MOST_ASKED = 64


@dataclass
class _Seen:
    content: Content
    since: float
    was_asked: bool = False  # whether its format says that all is there, which may take seconds
    is_taken: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.content.num_bytes


class Watch:
    """Looks for movies that were finished since the last look.

    Parameters
    ----------
    inputs : sequence of str
        See `movies_of`. What is not there yet may come. A folder that is named is one of movies; a
        folder in it may be a movie, and is finished when nothing in it changes any more.
    arguments, recursive, every_series
        See `rows_of`.
    leave_out : collection of str
        Absolute paths that are never taken.
    stable_s : float
        What has not changed for so long is finished.
    clock : callable
        Seconds that pass, from any beginning.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        *,
        arguments: OpenArguments = AS_IT_IS,
        recursive: bool = False,
        every_series: bool = False,
        leave_out: Collection[str] = (),
        stable_s: float = STABLE_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._inputs = tuple(inputs)
        self._arguments = arguments
        self._recursive = recursive
        self._every_series = every_series
        self._leave_out = leave_out
        self._stable_s = stable_s
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._given: set[str] = set()
        self._path_of: list[tuple[Row, str]] = []
        self._put_back: set[str] = set()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Paths of movies that were there at the last look, and not finished; an empty file never is."""
        return tuple(p for p, s in self._seen.items() if not s.is_taken and p not in self._put_back)

    @property
    def untaken(self) -> tuple[str, ...]:
        """Paths of those that were finished at the last look, and put back."""
        return tuple(path for path in self._seen if path in self._put_back)

    @property
    def stuck(self) -> tuple[str, ...]:
        """Paths of those that are empty, and have been for so long that nobody may write them any more."""
        now = self._clock()
        return tuple(
            path
            for path, seen in self._seen.items()
            if seen.is_empty and not is_url(path) and now - seen.since >= STUCK_S
        )

    def look(self) -> Rows:
        """The movies that were finished since the last look, and what was left out.

        A movie that has changed after it was given is given again when it is finished anew. One that
        is gone is forgotten.

        Raises
        ------
        RequestError
            If a table that names movies makes no sense.
        """
        self._given, self._path_of = set(), []
        found = movies_of(
            self._inputs,
            arguments=self._arguments,
            recursive=self._recursive,
            leave_out=self._leave_out,
            coming=True,
        )
        finished = self._finished(list({row.path: None for row in found.rows}))
        self._given, self._put_back = finished, set()
        self._path_of = [
            (part, row.path)
            for row in found.rows
            if row.path in finished
            for part in positions_of(row, every_series=self._every_series)
        ]
        return Rows(tuple(part for part, _ in self._path_of), found.notes)

    def put_back(self, rows: Iterable[Row] | None = None) -> None:
        """Let the next look give once more what the last one gave and what could not be taken up.

        Parameters
        ----------
        rows : iterable of Row, optional
            Of the last look; all of them by default. A file is given once more with all its movies.
        """
        back = self._given
        if rows is not None:
            those = {id(row) for row in rows}
            back = {path for part, path in self._path_of if id(part) in those}
        self._put_back |= back
        for path in back:
            self._seen[path].is_taken = self._seen[path].was_asked = False

    def _finished(self, paths: Sequence[str]) -> set[str]:
        """Those of some paths that are to be given now."""
        now = self._clock()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            contents = zip(paths, pool.map(content_at, paths), strict=True)
            self._seen = {
                path: self._noted(path, content, now)
                for path, content in contents
                if is_url(path) or content.identity != ABSENT
            }
            waiting = {
                path: seen
                for path, seen in self._seen.items()
                if not seen.is_taken and (is_url(path) or not seen.is_empty)
            }
            # Of an address nothing more is known.
            rested = {p for p, s in waiting.items() if is_url(p) or now - s.since >= self._stable_s}
            unchanged = [p for p in waiting.keys() - rested if waiting[p].since < now]
            asked = [p for p in unchanged if not waiting[p].was_asked][:_MOST_ASKED]
            whole = {p for p, yes in zip(asked, pool.map(_says_so, asked), strict=True) if yes}
        for path in asked:
            waiting[path].was_asked = True
        for path in rested | whole:
            waiting[path].is_taken = True
        return rested | whole

    def _noted(self, path: str, content: Content, now: float) -> _Seen:
        seen = self._seen.get(path)
        return seen if seen is not None and seen.content == content else _Seen(content, now)


def _says_so(path: str) -> bool:
    """Whether a movie's format says that it was written to its end."""
    try:
        is_complete = getattr(reader_of(path), "is_complete", None)
        return is_complete is not None and bool(is_complete(Path(path)))
    except (Sa2vaError, OSError):
        return False
