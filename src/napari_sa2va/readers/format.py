"""What is said of a format that is read: in messages, in file dialogs and in docs/formats.md."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    title: str
    extensions: tuple[str, ...]
    axes: str
    facts: str
    lazy: str
    tested_with: str
    folders: bool = False
    extra: str = ""

    @property
    def said(self) -> str:
        """The title with the usual endings."""
        endings = ", ".join(self.extensions[:6])
        return f"{self.title} ({endings})" if endings else self.title
