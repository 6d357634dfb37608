"""Gathers what is wrong with rows, so that all is told at once, and what is alike once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from napari_sa2va.batch.planning.row import Row, is_missing, listed
from napari_sa2va.core.errors import RequestError

_MOST_NAMED = 20


class RowsError(RequestError):
    """Some rows cannot be done.

    Parameters
    ----------
    message, hint : str
    reasons : sequence of (Row, str)
        Each of these rows, and why.
    """

    def __init__(
        self, message: str, hint: str = "", reasons: Sequence[tuple[Row, str]] = ()
    ) -> None:
        super().__init__(message, hint)
        self.reasons = tuple(reasons)

    def __reduce__(self) -> tuple[type[RowsError], tuple[object, ...]]:
        return type(self), (self.message, self.hint, self.reasons)


class WrongRows:
    """What was wrong with some rows so far; none at first."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[Row]] = {}

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
        RowsError
        """
        if not self._rows:
            return
        _, hint = next(iter(self._rows))
        for row in rows:
            if is_missing(row.path):
                self._add(row, f"There is no file or folder {row.path}.", "Check the spelling.")
        told = [f"{listed(_places(of))}: {message}" for (message, _), of in self._rows.items()]
        shown = "\n  ".join(told[:_MOST_NAMED])
        more = len(told) - _MOST_NAMED
        count = len({place for of in self._rows.values() for place in _places(of)})
        raise RowsError(
            f"{count} of what was asked for cannot be done:\n  {shown}"
            + (f"\n  ... and {more} more" if more > 0 else ""),
            hint,
            [
                (r, f"{message} {why}".rstrip())
                for (message, why), of in self._rows.items()
                for r in of
            ],
        )

    def _add(self, row: Row, message: str, hint: str) -> None:
        self._rows.setdefault((message, hint), []).append(row)


def _places(rows: Sequence[Row]) -> list[str]:
    return [row.place or row.path for row in rows]
