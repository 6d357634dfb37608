"""What Ctrl-C does while a command works, and what the end of a batch job does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from napari_sa2va.core.cancel import CancelToken


@dataclass
class Stop:
    """How Ctrl-C stops a run: politely once there is something to keep."""

    token: CancelToken
    politely: bool = False
    said: str = "Stopping after this frame; press Ctrl-C again to stop at once."

    def on_signal(self, number: int, frame: Any) -> None:
        """Take a Ctrl-C: the first may be polite, another one interrupts at once."""
        if self.token.cancelled or not self.politely:
            raise KeyboardInterrupt
        click.echo(self.said, err=True)
        self.token.cancel()

    def on_end(self, number: int, frame: Any) -> None:
        """Take a SIGTERM, with which a batch system says that the time of a job is up."""
        self.token.cancel()


@contextmanager
def ctrl_c_cancels() -> Iterator[Stop]:
    """Take Ctrl-C over while a run and the writing of its results last."""
    stop = Stop(CancelToken())
    before = signal.signal(signal.SIGINT, stop.on_signal)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def signals_cancel(said: str = Stop.said) -> Iterator[CancelToken]:
    """Take Ctrl-C and SIGTERM over; both are polite from the beginning, since all work is kept.

    Parameters
    ----------
    said : str
        What a person is told at the first Ctrl-C.
    """
    with ctrl_c_cancels() as stop:
        stop.politely, stop.said = True, said
        before = signal.signal(signal.SIGTERM, stop.on_end)
        try:
            yield stop.token
        finally:
            signal.signal(signal.SIGTERM, before)
