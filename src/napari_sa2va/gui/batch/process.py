"""Starts the work on a batch folder as a program of its own, which goes on without napari. No Qt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from napari_sa2va.core.errors import BatchError
from napari_sa2va.core.python_command import python_command
from napari_sa2va.core.shell_line import batch_line

_LOG = "panel.txt"
_TOLD_BYTES = 2000

if sys.platform == "win32":
    _DETACHED = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _DETACHED = 0

_CALL = "from napari_sa2va.cli.main import entry_point; entry_point()"

# Kept as long as napari lives, so that one that has ended is taken note of and leaves no zombie.
_started: list[subprocess.Popen[bytes]] = []


class BatchProcess:
    """The program ``napari-sa2va batch FOLDER``.

    Parameters
    ----------
    folder : Path
        A batch folder. What the program says is added to ``logs/panel.txt`` in it.

    Raises
    ------
    BatchError
        If it cannot be started.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "logs" / _LOG
        command = python_command("-c", _CALL, "batch", str(folder))
        try:
            self._log.parent.mkdir(exist_ok=True)
            with self._log.open("ab") as log:
                self._begins_at = log.tell()
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # It lives on when napari, or the terminal it was started in, is closed.
                    start_new_session=sys.platform != "win32",
                    creationflags=_DETACHED,
                )
        except OSError as error:
            raise BatchError(
                f"The batch cannot be started here ({error.strerror or error}).",
                f"Start it in a terminal: {batch_line(folder)}",
            ) from error
        _started.append(self._process)

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it goes on."""
        code = self._process.poll()
        if code is not None and self._process in _started:
            _started.remove(self._process)
        return code

    def end(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    @property
    def said(self) -> str:
        """The end of what it said."""
        try:
            with self._log.open("rb") as log:
                end = log.seek(0, 2)
                log.seek(max(self._begins_at, end - _TOLD_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""
