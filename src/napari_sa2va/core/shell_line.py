"""A command as a line that can be pasted into the shell of this system."""

from __future__ import annotations

import re
import shlex
import sys

COMMAND = "napari-sa2va"


def shell_line(*words: object) -> str:
    """A line that the shell takes apart into these words again.

    Parameters
    ----------
    *words : object
        A program and its arguments; paths and numbers become what `str` says of them.

    Examples
    --------
    >>> shell_line("napari-sa2va", "batch", "/data/day 1")
    "napari-sa2va batch '/data/day 1'"
    """
    said = [str(word) for word in words]
    return " ".join(map(_windows_quoted, said)) if sys.platform == "win32" else shlex.join(said)


def batch_line(*words: object) -> str:
    """The same for a command about batches: its name, and the folder."""
    return shell_line(COMMAND, "batch", *words)


def _windows_quoted(word: str) -> str:
    """A word as the command prompt and a program's own parsing of its line both take it."""
    if re.fullmatch(r"[\w.:\\/,=+@-]+", word):
        return word
    # Backslashes count only before a quotation mark, where each has to be doubled.
    inside = re.sub(r'(\\*)"', r'\1\1\\"', word)
    inside = re.sub(r"(\\+)$", r"\1\1", inside)
    return f'"{inside}"'
