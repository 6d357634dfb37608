"""Tables on standard output."""

from __future__ import annotations

import sys

from rich.console import Console


def console() -> Console:
    """Where tables are printed; into a file or a pipe, 120 characters wide."""
    # No markup: names of folders and channels may have brackets.
    return Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)
