"""Where a batch folder is made if nobody says otherwise."""

from __future__ import annotations

from pathlib import Path

from napari_sa2va.batch.planning.pattern import is_pattern
from napari_sa2va.readers.open import is_url
from napari_sa2va.readers.person import stem_of


def place_beside(first: str) -> Path:
    """The batch folder beside an input; absolute. What is said of a patient is not in its name.

    Parameters
    ----------
    first : str
        The first input. Of a pattern, the folder counts in which it begins to look. An address has
        nothing beside it; its folder is in the current one.

    Examples
    --------
    >>> place_beside("/data/mice.csv"), place_beside("/data/day1/*.tif")
    (PosixPath('/data/mice_batch'), PosixPath('/data/day1_batch'))
    """
    if is_url(first):
        return Path.cwd() / f"{stem_of(first)}_batch"
    path = Path(first).expanduser().absolute()
    while is_pattern(str(path)):
        path = path.parent
    return path.parent / f"{stem_of(path)}_batch"
