"""Small JSON files that are kept for the user between sessions: preferences, prompts, speeds.

None of them is needed: what is broken, unreadable or not there counts as empty and is replaced.
Several processes may change one file at the same time; each change is made to what is there then.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_sa2va.core.file_lock import locked

FOLDER_VARIABLE = "NAPARI_SA2VA_CONFIG"
"""Environment variable that names another folder."""

_NAME = "napari-sa2va"
# A change takes some milliseconds. Who waits longer for its turn goes without.
_WAIT_S = 0.5


def folder() -> Path:
    """The folder of the files; it need not exist."""
    value = os.environ.get(FOLDER_VARIABLE)
    if value:
        return Path(value).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / _NAME
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / _NAME
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / _NAME


def read(name: str) -> Any:
    """What a file holds, parsed; None if it is not there or broken.

    Parameters
    ----------
    name : str
        Name of the file without its ending.
    """
    try:
        return json.loads(_path(name).read_text(encoding="utf-8"))
    # RecursionError: brackets in brackets, a hundred thousand deep.
    except (OSError, ValueError, RecursionError):
        return None


def change(name: str, changed: Callable[[Any], Any]) -> bool:
    """Replace what a file holds, at once, while nobody else changes it.

    Parameters
    ----------
    name : str
    changed : callable
        From what the file holds, None if nothing that makes sense, to what it is to hold.

    Returns
    -------
    bool
        False if the file cannot be written, or others kept it for half a second.
    """
    path = _path(name)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path, wait_s=_WAIT_S) as is_ours:
            if not is_ours:
                return False
            text = json.dumps(changed(read(name)), ensure_ascii=False, indent=1)
            new.write_text(text, encoding="utf-8")
            new.replace(path)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
    return True


def _path(name: str) -> Path:
    return folder() / f"{name}.json"
