"""What a review has done at its desk: errors are shown, and what is being written is known. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import TypeVar

from napari_sa2va.gui.batch.desk import Desk
from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.review.view import View

Said = TypeVar("Said")

_MOMENT_S = 0.01
# So long a window that closes waits for a folder that does not answer.
_PATIENCE_S = 5.0


def _nothing() -> None:
    """Nobody wants to know."""


class Errands:
    """See the module.

    Parameters
    ----------
    desk : Desk
    view : View
        Where errors are shown.
    """

    def __init__(self, desk: Desk, view: View) -> None:
        self._desk = desk
        self._view = view
        self._unwritten = 0

    def ask(
        self,
        work: Callable[[], Said],
        done: Callable[[Said], None],
        ended: Callable[[], None] = _nothing,
    ) -> None:
        """Have something done.

        Parameters
        ----------
        work : callable
            Called on another thread.
        done : callable
            Is given what it returned.
        ended : callable
            Called before that, and also if it failed.
        """

        def heard(answer: Said | Failed) -> None:
            ended()
            if isinstance(answer, Failed):
                self._view.show_error(answer.message, answer.hint, answer.details)
            else:
                done(answer)

        self._desk.ask(work, heard)

    def write(
        self,
        work: Callable[[], Said],
        done: Callable[[Said], None],
        ended: Callable[[], None] = _nothing,
    ) -> None:
        """Have something written; as `ask`."""

        def written() -> None:
            self._unwritten -= 1
            ended()

        self._unwritten += 1
        self.ask(work, done, written)

    def deliver(self) -> None:
        """Take the answers that are there."""
        self._desk.deliver()

    def finish(self, *, is_patient: Callable[[], bool]) -> None:
        """Wait until all is written; not for ever where the folder does not answer.

        Parameters
        ----------
        is_patient : callable
            Whether to wait on, however long that takes.
        """
        while self._unwritten and (is_patient() or self._desk.waiting_s < _PATIENCE_S):
            self._desk.deliver()
            sleep(_MOMENT_S)
