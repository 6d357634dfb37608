"""SHA-256 of weight files, which the run record names.

Reading 30 GB takes a minute, so the hash of a large file is kept in the user's cache folder and
taken from there as long as the file has the same size and time of change.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from napari_sa2va.models.sa2va.checkpoint import weight_files

_SHA256 = re.compile(r"[0-9a-f]{64}")
# Smaller files (bytes) are read in a blink; not to keep them keeps the cache short.
_SMALL = 50_000_000
_KEPT = 500
# Resolved path -> size in bytes, time of change in ns, SHA-256.
_Kept = dict[str, tuple[int, int, str]]


def weight_hashes(folder: Path, decoder_files: Iterable[Path] = ()) -> dict[str, str]:
    """SHA-256 of the weight files of a network.

    Parameters
    ----------
    folder : Path
        A checkpoint.
    decoder_files : iterable of Path
        What a borrowed SAM 2.0 decoder was read from.

    Returns
    -------
    dict of str to str
        File name -> SHA-256. A decoder's file of a name that the checkpoint has too is called
        `<name> (sam2_decoder)`.
    """
    found = {path.name: sha256_of(path) for path in weight_files(folder)}
    for path in sorted(decoder_files):
        name = path.name if path.name not in found else f"{path.name} (sam2_decoder)"
        found[name] = sha256_of(path)
    return found


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits.

    Notes
    -----
    In the hub's cache a large file is a link to a blob that is named by its own SHA-256, which the
    hub's client verified; the name is taken then.
    """
    real = path.resolve()
    if path.is_symlink() and _SHA256.fullmatch(real.name):
        return real.name
    before = _size_and_time(real)
    if before[0] < _SMALL:
        return _read(real)
    kept = _load()
    if kept.get(str(real), ())[:2] == before:
        return kept[str(real)][2]
    found = _read(real)
    if _size_and_time(real) == before:  # else it was written to while it was read
        remember(real, found)
    return found


def remember(path: Path, sha256: str) -> None:
    """Keep the SHA-256 of a large file that was just read, so that a run does not read it again."""
    real = path.resolve()
    now = _size_and_time(real)
    if now[0] >= _SMALL:
        kept = _load()
        kept.pop(str(real), None)
        _save(kept | {str(real): (*now, sha256)})


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size_and_time(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _load() -> _Kept:
    """What is kept, oldest first; entries that make no sense are left out."""
    try:
        entries = json.loads(_cache_file().read_text(encoding="utf-8"))
        return {
            path: (size, time, sha256)
            for path, (size, time, sha256) in entries.items()
            if _SHA256.fullmatch(sha256)
        }
    # No file, no home, not JSON, or JSON of another shape: all mean that the weights are read.
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError):
        return {}


def _save(kept: _Kept) -> None:
    """Replace the cache file at once, so that no other process reads half of one."""
    with suppress(OSError, RuntimeError):  # without a cache, the next process reads the weights
        file = _cache_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            new.write_text(json.dumps(dict(list(kept.items())[-_KEPT:])), encoding="utf-8")
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)


def _cache_file() -> Path:
    """Where the user's programs keep what they can make again."""
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "napari-sa2va" / "weight_hashes.json"
