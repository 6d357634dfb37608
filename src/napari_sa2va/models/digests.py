"""What a file should hold, and whether it does: its size, its SHA-256, or git's name for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_sa2va.models.jobs import Job, Meter

_CHUNK = 1 << 20

# Weights, configuration and tokenizer. Nothing that could be run: no *.py, no pickle.
_WANTED = re.compile(
    r"[\w+-][\w.+-]*\.(safetensors|json|jinja)|tokenizer\.model|merges\.txt|vocab\.(txt|json)"
)


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it is read.

    Attributes
    ----------
    name : str
    size : int
        Bytes; -1 if not known.
    sha256, git_sha1 : str
        Hexadecimal; empty if not known. The hub tells the first of large files and the second of
        small ones.
    """

    name: str
    size: int = -1
    sha256: str = ""
    git_sha1: str = ""


class Digests:
    """Hashes of bytes that come in pieces.

    Parameters
    ----------
    expected : Expected
        Git's hash begins with the size, so that is has to be known first.
    """

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._sha256 = hashlib.sha256()
        self._git = None
        if expected.git_sha1 and not expected.sha256:
            self._git = hashlib.sha1(usedforsecurity=False)
            self._git.update(f"blob {expected.size}\0".encode())
        self.size = 0

    def take(self, piece: bytes) -> None:
        """Go on with the next bytes."""
        self._sha256.update(piece)
        if self._git is not None:
            self._git.update(piece)
        self.size += len(piece)

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes so far."""
        return self._sha256.hexdigest()

    def complaint(self) -> str:
        """In which way the bytes so far differ from what was expected; empty if in none."""
        expected = self._expected
        if expected.size not in (-1, self.size):
            return f"it has {self.size} bytes instead of {expected.size}"
        if expected.sha256 and expected.sha256 != self.sha256:
            return f"its SHA-256 is {self.sha256} instead of {expected.sha256}"
        if self._git is not None and expected.git_sha1 != self._git.hexdigest():
            return f"its git hash is {self._git.hexdigest()} instead of {expected.git_sha1}"
        return ""


def is_model_file(name: str) -> bool:
    """Whether a file of a published model is one that is needed, and can do no harm.

    Names with a folder in them are none: a checkpoint lies in one folder.
    """
    return _WANTED.fullmatch(name) is not None


def pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a piece at a time."""
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def digest(path: Path, expected: Expected, meter: Meter, doing: str = "Checking") -> Job[Digests]:
    """Read a file and hash it."""
    digests = Digests(expected)
    yield meter.step(doing, expected.name)
    for piece in pieces(path):
        digests.take(piece)
        yield meter.step(doing, expected.name, len(piece))
    return digests
