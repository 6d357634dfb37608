"""What Ctrl-C does while a command works."""

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

    def on_signal(self, number: int, frame: Any) -> None:
        """Take a Ctrl-C: the first may be polite, another one interrupts at once."""
        if self.token.cancelled or not self.politely:
            raise KeyboardInterrupt
        click.echo("Stopping after this frame; press Ctrl-C again to stop at once.", err=True)
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
