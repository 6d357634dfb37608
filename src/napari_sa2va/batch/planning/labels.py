"""What people call the movies of a batch: short, and no two alike.

The name is that of the file, or what a table says, with the series after it. Where two would be
called the same, the folder stands before it, or else the ending of the file behind it, and then a
number. Who has been called something keeps it, whatever is added later: results bear these names.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from itertools import chain, count
from pathlib import Path

from napari_sa2va.batch.planning.folder_of_movies import reader_of_file
from napari_sa2va.batch.planning.row import Row
from napari_sa2va.core.privacy import NOBODY, Private
from napari_sa2va.readers import dicom
from napari_sa2va.readers.open import is_url
from napari_sa2va.readers.person import person_at, stem_of

# No system takes these in the name of a file.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]+')
# Names that Windows keeps for devices.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_MOST_BYTES = 120


def labels_of(
    rows: Sequence[Row], known: Sequence[str] = (), taken: Collection[str] = ()
) -> list[str]:
    """What each of some rows is called.

    Parameters
    ----------
    rows : sequence of Row
    known : sequence of str
        What each of them was called before, empty for new ones. It is kept where it still fits, and
        no other is called so.
    taken : collection of str
        What others are called.

    Returns
    -------
    list of str
        One per row. As names of files they differ, on systems too to which case is all the same.
        What a DICOM file says of a person is not in them.
    """
    names = [(base := _base(row), _with_folder(row, base), _with_ending(row, base)) for row in rows]
    labels = [""] * len(rows)
    used = set(map(_key, taken))
    for i, label in enumerate(known):
        fits = any(re.fullmatch(rf"{re.escape(name)}(-\d+)?", label) for name in names[i])
        if fits and _key(label) not in used:
            labels[i] = label
            used.add(_key(label))
    for choice in (0, 1, 2):
        new = [i for i, label in enumerate(labels) if not label]
        times = Counter(_key(names[i][choice]) for i in new)
        for i in new:
            key = _key(names[i][choice])
            if times[key] == 1 and key not in used:
                labels[i] = names[i][choice]
                used.add(key)
    alike = defaultdict(list)
    for row, (base, *_) in zip(rows, names, strict=True):
        alike[_key(base)].append(row.path)
    for i in [i for i, label in enumerate(labels) if not label]:
        base, longer, _ = names[i]
        # Of one movie that was asked for twice, the folder tells nothing.
        paths = alike[_key(base)]
        name = base if len(paths) > 1 and len(set(paths)) == 1 else longer
        numbered = chain([name], (f"{name}-{number}" for number in count(2)))
        labels[i] = next(label for label in numbered if _key(label) not in used)
        used.add(_key(labels[i]))
    return labels


def stem(row: Row) -> str:
    """The name of the file, without its ending and without the words of a patient."""
    return stem_of(row.store, _person_in(row))


def _base(row: Row) -> str:
    """The name, and the series."""
    if row.name:
        return row.name
    series = row.arguments.series
    if row.field:
        return f"{stem(row)}-{row.field.replace('/', '-')}"
    if series is None:
        return stem(row)
    return f"{stem(row)}-series{series}" if isinstance(series, int) else f"{stem(row)}-{series}"


def _with_folder(row: Row, base: str) -> str:
    *_, folder, _ = ["", *re.split(r"[/\\]", row.store.rstrip("/"))]
    return f"{_person_in(row).redact(folder)}-{base}" if folder else base


def _with_ending(row: Row, base: str) -> str:
    ending = _person_in(row).redact(Path(row.store).name.removeprefix(stem(row)))
    return f"{base}{ending.replace('.', '-')}" if ending.startswith(".") else base


def _person_in(row: Row) -> Private:
    """Who may be named by the path of a row. A file whose name says another format is not opened."""
    if is_url(row.path):
        return NOBODY
    path = Path(row.store)
    if path.is_dir():
        return person_at(path) if dicom.accepts(path) else NOBODY
    reader = reader_of_file(path)
    return person_at(path) if reader in (dicom, None) else NOBODY


def _key(label: str) -> str:
    return safe(label).casefold()


def safe(text: str) -> str:
    """A text as the name of a file, or a part of one, on every system.

    Examples
    --------
    >>> safe('A/1: "left"'), safe("nul"), safe(" ... ")
    ('A-1- -left-', 'nul_', 'movie')
    """
    name = _FORBIDDEN.sub("-", text).strip(" .")
    name = name.encode()[:_MOST_BYTES].decode(errors="ignore").strip(" .")
    return f"{name}_" if _DEVICES.fullmatch(name) else name or "movie"
