"""Kills processes that write: `python -m napari_sa2va._tests.killed_writers FOLDER`.

For every writer and moment a child process replaces `OTHER` by `SMALL` in FOLDER/kind/moment,
and is killed there. What was in that folder is in FOLDER/kind/moment-before.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from types import ModuleType

from napari_sa2va._tests.every_writer import OTHER, SMALL, observed, write
from napari_sa2va._tests.made_results import of_images
from napari_sa2va.writers import WRITERS
from napari_sa2va.writers.format import WriteFormat


def moments(about: WriteFormat) -> tuple[str, ...]:
    """When a process is killed: at the third frame, or before it renames something.

    A folder takes its place with two renames.
    """
    return ("frame-2", "rename-1", "rename-2") if about.is_folder else ("frame-2", "rename-1")


def main(root: Path) -> None:
    """Write with all writers, and be killed."""
    for writer in WRITERS:
        for moment in moments(writer.FORMAT):
            folder = root / writer.FORMAT.kind / moment
            folder.mkdir(parents=True)
            write(writer, folder, of_images(OTHER))
            shutil.copytree(folder, folder.with_name(f"{moment}-before"))
            child = os.fork()
            if child == 0:
                _write_and_die(writer, folder, moment)
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), f"{writer.FORMAT.kind} was not killed at {moment}"


def _write_and_die(writer: ModuleType, folder: Path, moment: str) -> None:
    what, number = moment.split("-")
    result = of_images(SMALL)
    if what == "frame":
        result = observed(result, lambda f: _die() if f == int(number) else None)
    else:
        left = [int(number)]

        def hook(event: str, _: object) -> None:
            if event == "os.rename":  # of which Python tells before it is done
                left[0] -= 1
                if left[0] == 0:
                    _die()

        sys.addaudithook(hook)
    try:
        write(writer, folder, result, overwrite=True)
    finally:
        os._exit(1)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
