"""Who may be named by the path of a file that somebody else has opened, such as another plugin."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from napari_sa2va.core.errors import Sa2vaError
from napari_sa2va.core.privacy import NOBODY, Private
from napari_sa2va.readers import dicom
from napari_sa2va.readers.dicom.file import read_file
from napari_sa2va.readers.dicom.folder import first_below
from napari_sa2va.readers.dicom.person import private_of


def person_at(path: str | Path) -> Private:
    """What a DICOM file, or the first one of a folder, says of a person; reads its header.

    Parameters
    ----------
    path : path

    Returns
    -------
    Private
        `NOBODY` for other formats, and for what cannot be read.
    """
    try:
        path = Path(path).expanduser().absolute()
        stat = path.stat()
    except (OSError, ValueError, RuntimeError):  # no path, or a home that nobody has
        return NOBODY
    return _person_at(path, stat.st_mtime_ns, stat.st_size)


def stem_of(path: str | Path, person: Private | None = None) -> str:
    """The name of a movie without its ending, to begin the name of a new file with.

    Parameters
    ----------
    path : str or Path
        A text with "://" is an address.
    person : Private, optional
        Who may be named in it; by default the file is asked. A name of a patient in a path must not
        come back as the name of a new file.

    Examples
    --------
    >>> stem_of("/data/cells.ome.tif"), stem_of("https://server/plate.zarr/")
    ('cells', 'plate')
    """
    name = Path(str(path).rstrip("/").rpartition("/")[2]) if "://" in str(path) else Path(path)
    person = person_at(path) if person is None else person
    stem = person.redact(name.stem).removesuffix(".zarr")  # of an archive
    return stem.removesuffix(".ome") or "clip"


@lru_cache(maxsize=64)
def _person_at(path: Path, changed_ns: int, num_bytes: int) -> Private:
    try:
        if not dicom.accepts(path):
            return NOBODY
        file = first_below(path) if path.is_dir() else path
        return NOBODY if file is None else private_of(read_file(file).header)
    except (Sa2vaError, OSError):
        return NOBODY
