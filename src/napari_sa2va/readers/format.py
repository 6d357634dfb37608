"""What is said of a format that is read: in messages, in file dialogs and in docs/formats.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FIRST_BYTES = 132


def first_bytes(path: Path) -> bytes:
    """As much of a file as tells its format; less of a file that is shorter."""
    with path.open("rb") as file:
        return file.read(_FIRST_BYTES)


@dataclass(frozen=True)
class ReadFormat:
    """Facts of a reader.

    Attributes
    ----------
    title : str
        What people call it, such as "OME-Zarr 0.4 and 0.5".
    extensions : tuple of str
        Endings of file names in lower case, with their dots, the most usual first; empty for
        folders.
    axes : str
        Axes that may come out, such as "TZCYX".
    facts : str
        What of pixel size, z step, frame interval, names, colours ... the format can tell.
    lazy : str
        What is read for one frame, such as "one plane".
    tested_with : str
        The real files or writers that the tests read it with.
    folders : bool
        Whether a folder can be such a recording.
    extra : str
        The extra of this package that it needs, if any.
    magic : tuple of (int, bytes)
        What stands at which of the first bytes of a file; each alone is enough. Empty where only
        names tell.
    """

    title: str
    extensions: tuple[str, ...]
    axes: str
    facts: str
    lazy: str
    tested_with: str
    folders: bool = False
    extra: str = ""
    magic: tuple[tuple[int, bytes], ...] = ()

    def begins(self, head: bytes) -> bool:
        """Whether the first bytes of a file say that it is of this format."""
        return any(head.startswith(mark, at) for at, mark in self.magic)

    def fits(self, path: Path) -> bool:
        """Whether this is a file whose first bytes or name say that it is of this format."""
        if not path.is_file():
            return False
        return path.name.lower().endswith(self.extensions) or self.begins(first_bytes(path))

    @property
    def said(self) -> str:
        """The title with the usual endings."""
        endings = ", ".join(self.extensions[:6])
        return f"{self.title} ({endings})" if endings else self.title
