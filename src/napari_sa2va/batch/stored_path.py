"""Paths as the files of a batch keep them: what lies in its folder, relative to it.

So a batch folder can be moved or renamed, and be seen under other paths on other machines, and the work
goes on. All that is in memory has absolute paths.
"""

from __future__ import annotations

import os
from pathlib import Path


def stored_path(path: str, batch: Path) -> str:
    """A path as it is written down in a batch folder.

    Parameters
    ----------
    path : str
        Absolute.
    batch : Path
        The batch folder.

    Examples
    --------
    >>> stored_path("/data/night/results/a.tif", Path("/data/night"))
    'results/a.tif'
    >>> stored_path("/data/a.tif", Path("/data/night"))
    '/data/a.tif'
    """
    inside = f"{os.path.abspath(batch)}{os.sep}"
    return Path(path[len(inside) :]).as_posix() if path.startswith(inside) else path


def absolute_path(stored: str, batch: Path) -> str:
    """The path that `stored_path` was given, in the folder where the batch is now."""
    return os.path.normpath(os.path.join(os.path.abspath(batch), stored))
