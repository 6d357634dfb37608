"""SHA-256 of weight files, which the run record names."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_SHA256 = re.compile(r"[0-9a-f]{64}")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits.

    Notes
    -----
    In the hub's cache a large file is a link to a blob that is named by its own SHA-256, which the
    hub's client verified; the name is taken then, since reading 30 GB again would take a minute.
    """
    name = path.resolve().name
    if path.is_symlink() and _SHA256.fullmatch(name):
        return name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weight_hashes(folder: Path) -> dict[str, str]:
    """Return file name -> SHA-256 of every safetensors file of a checkpoint folder."""
    return {path.name: sha256_of(path) for path in sorted(folder.glob("*.safetensors"))}
