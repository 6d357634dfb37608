"""Gathers what is wrong with rows, so that all is told at once, and what is alike once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from napari_sa2va.batch.planning.row import Row, is_missing, listed
from napari_sa2va.core.errors import RequestError

_MOST_NAMED = 20


class WrongRows:
    """What was wrong with some rows so far; none at first."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], list[str]] = {}

    @contextmanager
    def at(self, row: Row) -> Iterator[None]:
        """Keep a `RequestError` of the block, which is about a row."""
        try:
            yield
        except RequestError as error:
            self._add(row, error.message, error.hint)

    def raise_any(self, rows: Sequence[Row] = ()) -> None:
        """Raise if something is wrong; then it is told as well which of some rows' files are missing.

        Raises
        ------
        RequestError
        """
        if not self._places:
            return
        _, hint = next(iter(self._places))
        for row in rows:
            if is_missing(row.path):
                self._add(row, f"There is no file or folder {row.path}.", "Check the spelling.")
        told = [f"{listed(places)}: {message}" for (message, _), places in self._places.items()]
        shown = "\n  ".join(told[:_MOST_NAMED])
        more = len(told) - _MOST_NAMED
        count = len({place for places in self._places.values() for place in places})
        raise RequestError(
            f"{count} of what was asked for cannot be done:\n  {shown}"
            + (f"\n  ... and {more} more" if more > 0 else ""),
            hint,
        )

    def _add(self, row: Row, message: str, hint: str) -> None:
        self._places.setdefault((message, hint), []).append(row.place or row.path)
