"""Several texts in one cell of a table of movies: sentences, or names of what is written."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BETWEEN, _PLAIN = "|", r"\|"
_SPLITS = re.compile(r"(?<!\\)\|")


def texts_in(cell: str) -> tuple[str, ...]:
    r"""The texts of a cell.

    Parameters
    ----------
    cell : str
        ``|`` stands between texts, and ``\|`` for a ``|`` within one.

    Examples
    --------
    >>> texts_in("the cell | the blue\\|red cell")
    ('the cell', 'the blue|red cell')
    """
    return tuple(text.replace(_PLAIN, _BETWEEN).strip() for text in _SPLITS.split(cell))


def cell_of(texts: Iterable[str]) -> str:
    r"""The cell that `texts_in` reads as some texts, which begin and end without white space.

    Examples
    --------
    >>> print(cell_of(["the cell", "the blue|red cell"]))
    the cell | the blue\|red cell
    """
    # With a space before it, what stands between is told from a "|" after a backslash.
    return f" {_BETWEEN} ".join(text.replace(_BETWEEN, _PLAIN) for text in texts)
