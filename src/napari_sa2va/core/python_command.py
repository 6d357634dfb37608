"""The command that starts a program of this package with the Python that runs now."""

from __future__ import annotations

import sys


def python_command(*arguments: str) -> list[str]:
    """A command for `subprocess`.

    Modules are not looked for in the folder in which it is given: a ``random.py`` that lies beside
    somebody's movies would be taken for that of Python, and be run.

    Parameters
    ----------
    *arguments : str
        Of the interpreter, such as "-m" and the name of a module.
    """
    return [sys.executable, "-P", *arguments]
