"""What the batch panel does with a batch folder: looks at it, and asks its workers. No Qt.

The folder is all there is. Nothing here has to be told to whoever works, nothing is lost when the
panel is closed, and it makes no difference who started the work, or where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from napari_sa2va.gui.batch.desk import Desk
from napari_sa2va.gui.batch.process import BatchProcess
from napari_sa2va.gui.batch.reader import FolderReader, Seen
from napari_sa2va.gui.batch.requests import (
    Account,
    account,
    open_reader,
    reader_of,
    retry,
    take_out,
)
from napari_sa2va.gui.batch.view import Offers, View, offers_of
from napari_sa2va.gui.request import Failed

if TYPE_CHECKING:
    from napari_sa2va.batch.folder import BatchFolder

# At most two looks a second; where one takes long, as on a network drive, four times as long passes.
_EVERY_S, _SHARE = 0.5, 4.0
SILENT_S = 10.0
"""A folder that has not answered for so long is said to be silent."""

Said = TypeVar("Said")


class BatchController:
    """One batch folder at a time.

    Parameters
    ----------
    view : View
    desk : Desk
        What touches the folder, on another thread.
    clock : callable
        Seconds, always rising.
    """

    def __init__(self, view: View, desk: Desk, clock: Callable[[], float] = monotonic) -> None:
        self._view = view
        self._desk = desk
        self._clock = clock
        self._reader: FolderReader | None = None
        self._process: BatchProcess | None = None
        self._is_starting = self._is_looking = False
        self._look_at = 0.0
        self._watched = ""  # the unit whose picture is shown
        self.seen: Seen | None = None

    @property
    def path(self) -> Path | None:
        """The folder that is looked at."""
        return None if self._reader is None else self._reader.folder.path

    @property
    def is_here(self) -> bool:
        """Whether a program that was started here is on its way, at work, or about to end."""
        return self._is_starting or self._process is not None

    @property
    def is_starting(self) -> bool:
        """Whether a program was started here, and nobody has begun to work."""
        seen = self.seen
        if seen is None or not self.is_here or seen.workers:
            return False
        return seen.ended < seen.total and not (seen.is_cancelled or seen.is_paused)

    @property
    def silent_s(self) -> float:
        """For how long the folder has not answered; 0 if that is not long."""
        return self._desk.waiting_s if self._desk.waiting_s > SILENT_S else 0.0

    # Looking

    def open(self, path: Path) -> None:
        """Look at a batch folder from now on, whoever works on it."""

        def opened(reader: FolderReader | Failed) -> None:
            if isinstance(reader, Failed):
                self._view.show_error(reader.message, reader.hint, reader.details)
            else:
                self.attach(reader)

        self._desk.ask(partial(open_reader, path), opened)

    def attach(self, reader: FolderReader) -> None:
        """Look at a folder that is open already."""
        self.detach()
        self._reader = reader
        self._view.start_over(reader.folder.path)
        self.look()

    def detach(self) -> None:
        """Look at no folder; its work goes on."""
        self._reader = self._process = self.seen = None
        self._is_looking = self._is_starting = False
        self._watched = ""
        self._view.start_over(None)
        self._offer()

    def tick(self) -> None:
        """Take what the desk has to say, and have it look again; called some times a second."""
        self._desk.deliver()
        if not self._is_looking and self._clock() >= self._look_at:
            self.look()

    def look(self) -> None:
        """Look now, if nobody is looking."""
        reader, process = self._reader, self._process
        if reader is None or self._is_looking:
            return
        self._is_looking = True
        begin = self._clock()

        def work() -> tuple[Seen, int | None, str]:
            # First, so that what is seen is what it has left.
            code = None if process is None else process.exit_code
            said = process.said if process is not None and code is not None else ""
            return reader.look(), code, said

        def looked(answer: tuple[Seen, int | None, str] | Failed) -> None:
            if reader is not self._reader:
                return
            self._is_looking = False
            took_s = self._clock() - begin
            self._look_at = self._clock() + max(_EVERY_S, _SHARE * took_s)
            if isinstance(answer, Failed):
                self._view.show_error(answer.message, answer.hint, answer.details)
                return
            self.seen, code, said = answer
            if code is not None and process is self._process:
                self._process = None
                if not self._is_over(self.seen):
                    self._view.show_error("The program that was started here has ended.", said)
            self._view.show_seen(self.seen)
            self._offer()
            self.watch(self._watched)

        self._desk.ask(work, looked)

    @staticmethod
    def _is_over(seen: Seen) -> bool:
        """Whether a program may end: nothing is left, or nothing is to be done, or others do it."""
        return seen.ended == seen.total or seen.is_cancelled or bool(seen.workers)

    def watch(self, unit_id: str) -> None:
        """Show the last mask of a unit from now on; of none if it is empty."""
        reader, self._watched = self._reader, unit_id
        if reader is None or not unit_id:
            return

        def shown(png: bytes | Failed) -> None:
            if unit_id == self._watched and isinstance(png, bytes):
                self._view.show_picture(unit_id, png)

        self._desk.ask(lambda: reader.picture(unit_id), shown)

    # What people ask of the workers

    def start(self) -> None:
        """Start working on the folder here, in a program of its own; takes a pause back."""
        reader = self._reader
        if reader is None or self._is_starting or self._process is not None:
            return

        def work() -> BatchProcess:
            reader.folder.resume()
            return BatchProcess(reader.folder.path)

        def started(process: BatchProcess) -> None:
            if reader.folder.path != self.path:  # it works on one that is not on show any more
                return
            self._is_starting = False
            self._process = process
            if self.seen is not None:
                self.seen = replace(self.seen, is_paused=False, is_cancelled=False)

        def failed() -> None:
            if reader.folder.path == self.path:
                self._is_starting = False

        self._is_starting = True
        self.ask(work, started, failed)
        self._offer()

    def put_in(self, work: Callable[[], BatchFolder], over: Callable[[bool], None]) -> None:
        """Have movies put into a folder, look at it, and see to it that somebody works on it.

        Parameters
        ----------
        work : callable
            Makes the folder if need be.
        over : callable
            Told whether that was done, when the folder is looked at, or it has failed.
        """

        def added(reader: FolderReader) -> None:
            if reader.folder.path != self.path:
                self.attach(reader)
            over(True)
            if self._process is None and not (self.seen is not None and self.seen.workers):
                self.start()

        self.ask(lambda: reader_of(work()), added, lambda: over(False))

    def pause(self) -> None:
        """Let all workers stop after the frame in work and wait, or go on if they wait."""
        if self._reader is None:
            return
        folder = self._reader.folder
        is_paused = self.seen is not None and self.seen.is_paused
        self.ask(folder.resume if is_paused else folder.pause)

    def cancel(self) -> None:
        """Let all workers stop after the frame in work and leave; what is done is kept."""
        if self._reader is None:
            return
        folder = self._reader.folder
        starting = self._process if self.is_starting else None

        def work() -> None:
            if starting is not None:  # it would take the mark back when it begins
                starting.end()
            folder.cancel()

        self.ask(work)

    def retry(self, unit_ids: Sequence[str] = ()) -> None:
        """Let units be done again; without any, all that have failed."""
        if self._reader is None:
            return

        def done(asked: list[str]) -> None:
            if not asked:
                self._view.tell("There is nothing to be done again.")
                return
            nobody = self.seen is not None and not self.seen.workers
            hint = "Nobody is at work: press Start." if nobody else ""
            self._view.tell(f"{_movies(len(asked))} will be done again.", hint)

        self.ask(partial(retry, self._reader.folder, unit_ids), done)

    def take_out(self, unit_ids: Sequence[str]) -> None:
        """Take units out of the batch, but for those that somebody works on."""
        if self._reader is None:
            return

        def done(number: int) -> None:
            if number < len(unit_ids):
                left = _movies(len(unit_ids) - number)
                self._view.tell(
                    f"{left} cannot be removed while somebody works on it.", "Pause, and try again."
                )

        self.ask(partial(take_out, self._reader.folder, unit_ids), done)

    def show(self, which: Account) -> None:
        """Show the report or the table of all objects, as the batch stands now."""
        if self._reader is None:
            return

        def done(path: Path) -> None:
            self._view.show_errand("")
            self._view.show_file(path)

        self._view.show_errand(f"Writing the {which} …")
        self.ask(partial(account, self._reader.folder, which), done)

    def close(self) -> None:
        """The panel is gone; what was asked for is still done, and the batch goes on."""
        self._reader = None
        self._desk.close()

    def ask(
        self,
        work: Callable[[], Said],
        done: Callable[[Said], None] | None = None,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Have something done at the desk, look at what came of it, and show errors.

        Parameters
        ----------
        work : callable
            Called on the other thread.
        done : callable, optional
            Is given what it returned.
        failed : callable, optional
            Called if it failed, before that is shown.
        """

        def heard(answer: Said | Failed) -> None:
            if isinstance(answer, Failed):
                if failed is not None:
                    failed()
                self._view.show_errand("")
                self._view.show_error(answer.message, answer.hint, answer.details)
            elif done is not None:
                done(answer)
            self._look_at = 0.0  # to see at once what came of it
            self._offer()

        self._desk.ask(work, heard)

    def _offer(self) -> None:
        seen = self.seen
        can_end = self._process is not None
        self._view.show_offers(
            Offers() if seen is None else offers_of(seen, is_here=self.is_here, can_end=can_end)
        )


def _movies(number: int) -> str:
    return "1 movie" if number == 1 else f"{number} movies"
