"""What a unit's masks depend on, as short texts that are compared.

A movie is known again by the sizes and times of its files: its pixels are not read, because a study
has terabytes. So a copy with a new time is another movie, which costs time and never a wrong result;
a file that was changed without its size and its time being changed is taken for the old one.

Of several files that belong together, such as a set of OME-TIFF, only the one that was named counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_sa2va.batch.unit import Part
from napari_sa2va.core.errors import ModelError
from napari_sa2va.core.zarr_tree import METADATA, ngff
from napari_sa2va.readers.open import is_url
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings import ModelSettings, RunSettings

ABSENT = "absent"
"""Identity of what is not there, or may not be looked at."""

_DIGITS = 32
# Programs that show folders leave these behind.
_LEFT_BEHIND = ("thumbs.db", "desktop.ini")
# Groups of Zarr 3 are documents of this name; a longer one is no document that somebody wrote.
_GROUP, _LONGEST_BYTES = "zarr.json", 2**28
# The rule by which keys are made: with another one all units are done again.
_RULE = 1


@dataclass(frozen=True)
class Content:
    """What is at a path now.

    Attributes
    ----------
    identity : str
        The same as long as nothing was changed.
    num_bytes : int
        0 if not known.
    """

    identity: str
    num_bytes: int = 0


def identity_of(path: str) -> str:
    """See `content_at`."""
    return content_at(path).identity


def content_at(path: str) -> Content:
    """Look at sizes and times of a movie; opens no file of pixels.

    Parameters
    ----------
    path : str
        A file; a folder, with all that lies in it; a pattern such as "run/ch0_*.png"; an address,
        of which nothing is asked.

    Notes
    -----
    Hidden files do not count. Neither does what is written into an OME-Zarr image when it is given
    labels: its group of labels, and the copies of metadata that groups above keep.
    """
    if is_url(path):
        return Content(f"address {path}")
    try:
        if not os.path.isdir(path):
            return _file(path) if os.path.exists(path) else _sum(_matching(path))
        return _sum(_below(path))
    except OSError:
        return Content(ABSENT)


def _file(path: str) -> Content:
    found = os.stat(path)
    return Content(f"file {found.st_size} {found.st_mtime_ns}", found.st_size)


def _sum(entries: Iterator[tuple[str, int, str]]) -> Content:
    """One text for any number of entries, in whatever order they come, without keeping them."""
    total = count = num_bytes = 0
    for name, size, said in entries:
        entry = f"{name}\0{size}\0{said}".encode(errors="surrogateescape")
        total += int.from_bytes(hashlib.sha256(entry).digest())
        num_bytes += size
        count += 1
    if not count:
        return Content(ABSENT)
    digest = hashlib.sha256(f"{total} {count}".encode()).hexdigest()[:_DIGITS]
    return Content(f"folder {count} {num_bytes} {digest}", num_bytes)


def _matching(pattern: str) -> Iterator[tuple[str, int, str]]:
    folder = Path(pattern).parent
    if not folder.is_dir():
        return
    for file in folder.glob(Path(pattern).name):
        found = file.stat()
        yield file.name, found.st_size, str(found.st_mtime_ns)


def _below(folder: str) -> Iterator[tuple[str, int, str]]:
    """Relative path, size and time of all files in a folder; the content of Zarr's documents."""
    ahead = [("", folder)]
    while ahead:
        relative, here = ahead.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if not _counts(entry.name):
                    continue
                name = f"{relative}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    if not (entry.name == "labels" and _is_image(here)):
                        ahead.append((f"{name}/", entry.path))
                    continue
                try:
                    found = entry.stat()
                except FileNotFoundError:  # renamed since it was listed, or a link to nowhere
                    continue
                said = str(found.st_mtime_ns)
                if entry.name == _GROUP and found.st_size < _LONGEST_BYTES:
                    yield name, 0, _without_copies(entry.path) or said
                else:
                    yield name, found.st_size, said


def _counts(name: str) -> bool:
    is_hidden = name.startswith(".") and name not in METADATA
    return not is_hidden and name.lower() not in _LEFT_BEHIND


def _is_image(folder: str) -> bool:
    """Whether a folder is an image of OME-Zarr, which may be given labels."""
    for name, inner in ((_GROUP, "attributes"), (".zattrs", "")):
        document = _document(os.path.join(folder, name))
        attributes = document.get(inner) if inner else document
        if isinstance(attributes, Mapping) and "multiscales" in ngff(attributes):
            return True
    return False


def _without_copies(file: str) -> str:
    """What a group's document says itself; empty if it cannot be read."""
    document = _document(file)
    own = {name: value for name, value in document.items() if name != "consolidated_metadata"}
    return json.dumps(own, sort_keys=True) if own else ""


def _document(file: str) -> dict[str, object]:
    with suppress(OSError, ValueError, RecursionError), open(file, "rb") as opened:
        document = json.load(opened)
        if isinstance(document, dict):
            return document
    return {}


def content_key(
    *,
    identity: str,
    arguments: OpenArguments,
    sentences: Sequence[str],
    settings: RunSettings,
    weights: Mapping[str, str],
    part: Part | None = None,
) -> str:
    """A text that is the same for two units if the same masks come of both, in the same files.

    Parameters
    ----------
    identity : str
        Of the movie.
    arguments : OpenArguments
        How it is opened; what it is called does not matter.
    sentences : sequence of str
        Their order matters: it numbers the objects.
    settings : RunSettings
        What only decides where the network runs, and how it spends memory, does not matter. Number
        formats do. ``auto`` is a format of its own: which one it becomes is known to the worker.
    weights : mapping of str to str
        Hashes of the weight files, by name. Without any, the name of the model counts instead.
    part : Part, optional
        What is done of the movie.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    choices = settings.model_dump(mode="json")
    del choices["preset"]  # what it stands for is there, field by field
    del choices["model"]["device"]
    choices["memory"] = {"sam2_dtype": settings.memory.sam2_dtype}
    if weights:
        del choices["model"]["name"], choices["model"]["sam2_decoder"]
    said = {
        "rule": _RULE,
        "movie": identity,
        "opened": arguments.model_dump(mode="json", exclude={"name"}, exclude_none=True),
        "sentences": list(sentences),
        "settings": choices,
        "weights": dict(weights),
        "part": None if part is None else part.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def weights_of(model: ModelSettings) -> dict[str, str]:
    """Hashes of the weight files that a model is read from; empty if they are not on this machine.

    Large files are read once, see `models.hashes`.
    """
    from napari_sa2va.models.hashes import weight_hashes
    from napari_sa2va.models.sa2va.checkpoint import weight_files
    from napari_sa2va.models.zoo import find

    try:
        folder = find(model.name).folder
        borrowed = weight_files(Path(model.sam2_decoder)) if model.sam2_decoder else ()
        return {} if folder is None else weight_hashes(folder, borrowed)
    except (ModelError, OSError):  # which is told when it is loaded
        return {}


def decoder_weights_of(path: str) -> dict[str, str]:
    """Hashes of the weight files that a borrowed SAM 2.0 decoder is read from; empty as above."""
    from napari_sa2va.models.hashes import weight_hashes

    try:
        return weight_hashes(Path(path))
    except (ModelError, OSError):
        return {}
