"""The main of a worker process: `python -m napari_sa2va.batch.engines.process PULL FOLDER NAME DEVICE`.

It stops after the frame in work when its client asks for that, through the batch folder, or somebody
else by a signal.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from threading import Thread
from time import sleep

from napari_sa2va.batch.roster import Roster
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import Sa2vaError

# How often to look whether the client asks for an end, in s.
_LOOK_S = 0.5


@contextmanager
def stopped_by_signals() -> Iterator[CancelToken]:
    """A token that SIGTERM and SIGINT cancel, however often they come.

    A batch system may send one to the whole job, and the job's script another one.
    """
    token = CancelToken()
    before = {
        number: signal.signal(number, lambda *_: token.cancel())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(pull: str, path: str, name: str, device: str) -> int:
    """Work until nothing is left; the exit code is that of the error that ended it, or 0."""
    faulthandler.enable()
    with stopped_by_signals() as stop:
        Thread(target=_listen, args=(path, name, stop), daemon=True).start()
        try:
            resolve_name(pull)(path, name, device=device, stop=stop)
        except Sa2vaError as error:
            print(error, file=sys.stderr)
            return error.exit_code
    return 0


def _listen(path: str, name: str, stop: CancelToken) -> None:
    """Wait until the client asks for an end."""
    roster = Roster(Path(path) / "workers")
    while not roster.is_dismissed(name):
        sleep(_LOOK_S)
    stop.cancel()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
