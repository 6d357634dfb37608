"""A place for a worker process: who is there, and what to do when it is found dead."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from time import monotonic

import psutil

from napari_sa2va.batch.engines.engine import card_of, new_name, pause_s
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.host import here
from napari_sa2va.batch.roster import Card, Roster
from napari_sa2va.core.python_command import python_command

KIND = "local"
"""How names of workers begin that a client of the same machine may take over."""

# A worker that died is replaced after a pause that grows from death to death. It is given up after so
# many between which it finished nothing: few if it did not even begin with a unit, and many if it did,
# for some movies in a row may each kill a worker twice.
_STILLBORN, _DEATHS = 3, 10
_SIGKILL = 9
_KILLED = "Was there enough main memory? A system that has none left ends what takes most."


class Post:
    """A place for one worker process after the other.

    Parameters
    ----------
    folder : BatchFolder
    pull : str
        See `Engine`.
    device : str
        Of the worker.
    threads : int
        That it computes with on the CPU, unless the user has set a number.

    Attributes
    ----------
    name : str
        Of the worker that is there, or was there last.
    process : psutil.Process or None
    given_up : str
        Why no other worker is put here; else empty.
    is_dismissed : bool
        Whether the worker was asked to leave, and no other one is to come.
    """

    def __init__(self, folder: BatchFolder, pull: str, device: str, threads: int) -> None:
        self._folder = folder
        self._roster = Roster(folder.path / "workers")
        self._pull = pull
        self._threads = threads
        self.device = device
        self.process: psutil.Process | None = None
        self.given_up = ""
        self.is_dismissed = False
        self.name = ""
        self._was_ended = False
        self._deaths = 0
        self._not_before = 0.0

    @property
    def is_manned(self) -> bool:
        """Whether a worker is there."""
        return self.process is not None

    @property
    def is_vacant(self) -> bool:
        """Whether a worker may be put here now."""
        is_closed = self.is_manned or self.given_up or self.is_dismissed
        return not is_closed and monotonic() >= self._not_before

    def man(self) -> None:
        """Start a worker."""
        self.name = new_name(KIND)
        self._roster.lead(self.name, here())
        self._log.parent.mkdir(exist_ok=True)
        module = "napari_sa2va.batch.engines.process"
        about = [self._pull, str(self._folder.path), self.name, self.device]
        with self._log.open("wb") as said:
            self.process = psutil.Popen(
                python_command("-m", module, *about),
                env={"OMP_NUM_THREADS": str(self._threads), **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the client, which stops its workers politely
            )

    def take_over(self, card: Card) -> None:
        """Look after a worker that another client has started.

        Raises
        ------
        psutil.NoSuchProcess
            If it ended this moment.
        """
        self.process, self.name = psutil.Process(card.host.pid), card.name
        self._roster.lead(self.name, here())

    def dismiss(self) -> None:
        """Ask the worker to leave after the frame in work."""
        self.look()
        self.is_dismissed = True
        if self.process is not None:
            self._roster.dismiss(self.name)

    def end(self) -> None:
        """Kill the worker, which has not left when it was asked to."""
        if self.process is not None:
            self._was_ended = True
            with suppress(psutil.Error):
                self.process.kill()

    def look(self) -> None:
        """See whether the worker has left, and why."""
        if self.process is None:
            return
        try:
            code = self.process.wait(timeout=0)
        except psutil.TimeoutExpired:
            return
        self.process = None
        self._roster.forget(self.name)
        card = card_of(self._folder, self.name)
        if card is not None and card.state == "refused":
            self.given_up = card.why
        elif code == 0 or (code is None and card is not None and card.state == "left"):
            self._deaths = 0
        elif self._was_ended:
            self._folder.runs.note_vanished(self.name, "It was stopped.", state="stopped")
        else:
            self._note_death(_in_words(code), _KILLED if code == -_SIGKILL else "")
        if not self._said:
            self._log.unlink(missing_ok=True)

    def _note_death(self, end: str, hint: str) -> None:
        had_unit = self._folder.runs.note_vanished(self.name, f"Its worker {end}.", hint)
        has_finished = any(
            outcome.worker == self.name and outcome.is_complete
            for history in self._folder.runs.scan().values()
            for outcome in history.outcomes.values()
        )
        self._deaths = 1 if has_finished else self._deaths + 1
        self._not_before = monotonic() + pause_s(self._deaths)
        if self._deaths >= (_DEATHS if had_unit else _STILLBORN):
            last = self._said.splitlines()[-1:]
            words = f' The last one said: "{last[0]}".' if last else ""
            self.given_up = f"{self._deaths} in a row died; the last one {end}.{words}"

    @property
    def _log(self) -> Path:
        """What the worker says that goes into no log of its own: above all, how it crashed."""
        return self._folder.path / "logs" / f"{self.name}.err"

    @property
    def _said(self) -> str:
        try:
            return self._log.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""


def _in_words(code: int | None) -> str:
    if code is None:  # the child of another process
        return "vanished"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
