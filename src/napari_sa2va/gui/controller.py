"""What the dock does, without Qt: one run at a time, its messages in order, stale ones dropped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Protocol

from napari_sa2va.gui.request import Failed, JobRequest, Message, Opened
from napari_sa2va.pipeline.estimate import duration
from napari_sa2va.pipeline.events import (
    Answered,
    Fetching,
    Finished,
    KeyMasks,
    Note,
    Planned,
)
from napari_sa2va.project.job import Drawn


class View(Protocol):
    """What the controller needs of the dock. Every method is called on the GUI's thread."""

    def start_over(self, request: JobRequest) -> None:
        """Forget what the last run said, and list the sentences of this one."""

    def set_running(self, running: bool) -> None:
        """Show that a run is on, or that none is."""

    def show_stage(self, text: str) -> None:
        """Say what is going on, where no frames can be counted."""

    def show_progress(self, done: int, total: int, seconds_left: float | None) -> None:
        """Show how many frames have their masks; None where the time left is not known yet."""

    def show_answer(self, object_id: int, answer: str, found: bool) -> None:
        """Show what the model said to one sentence."""

    def show_note(self, message: str, hint: str) -> None:
        """Show something worth knowing."""

    def show_error(self, message: str, hint: str, details: str) -> None:
        """Show what went wrong and what to do."""

    def show_outcome(self, text: str) -> None:
        """Say how the run ended."""


class Handle(Protocol):
    """A run on its way."""

    def cancel(self) -> None:
        """Ask the run to stop after the frame in work."""


class Sink(Protocol):
    """Where the masks of one run are shown."""

    def take(self, message: Message) -> None:
        """Show what a message carries.

        Raises
        ------
        Sa2vaError
            If the masks cannot be shown any more.
        """

    def end(self) -> None:
        """No more messages come; what came is kept."""


StartRun = Callable[[JobRequest, Callable[[Message], None]], Handle]


class Controller:
    """Starts and stops runs, and tells the view and the sink what they say.

    Parameters
    ----------
    view : View
    start_run : callable
        Starts a request on another thread, see `napari_sa2va.gui.worker.start_run`.
    clock : callable
        Seconds; for the time left.
    """

    def __init__(
        self,
        view: View,
        start_run: StartRun,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._view = view
        self._start_run = start_run
        self._clock = clock
        # Every run has a number; a message of any other run is dropped.
        self._number = 0
        self._run: _Run | None = None

    @property
    def running(self) -> bool:
        """Whether a run is on its way, also one that was asked to stop."""
        return self._run is not None

    def run(self, request: JobRequest, sink: Sink) -> None:
        """Start a run; one that is still on its way is stopped and forgotten.

        Parameters
        ----------
        request : JobRequest
        sink : Sink
            Where its masks go.
        """
        self.stop()
        self._number += 1
        number = self._number
        run = self._run = _Run(request, sink)
        self._view.start_over(request)
        self._view.set_running(True)
        self._view.show_stage("Opening the image …")
        run.handle = self._start_run(request, lambda message: self._take(number, message))

    def cancel(self) -> None:
        """Ask the run to stop after the frame in work; what is done stays."""
        if self._run is not None and self._run.handle is not None:
            self._run.cancelled = True
            self._view.show_stage("Stopping after this frame …")
            self._run.handle.cancel()

    def stop(self) -> None:
        """Stop the run and hear nothing more of it. The view is not touched: it may be gone."""
        run, self._run = self._run, None
        self._number += 1
        if run is None:
            return
        if run.handle is not None:
            run.handle.cancel()
        run.sink.end()

    def _take(self, number: int, message: Message) -> None:
        if number != self._number or self._run is None:
            return
        run = self._run
        try:
            run.sink.take(message)
        except Exception as error:
            # The masks cannot be shown, so nothing of this run is wanted any more.
            with suppress(Exception):  # it would fail in the same way
                self.stop()
            self._fail(Failed.of(error))
            return
        match message:
            case Opened() | Planned() | Fetching() | Answered() | Drawn():
                self._show(run, message)
            case Note():
                # The answer's row says already what a note about a missing object repeats.
                if run.not_found is None or run.not_found not in message.message:
                    self._view.show_note(message.message, message.hint)
            case Failed():
                self._run = None
                self._fail(message)
            case Finished():
                self._run = None
                self._finish(run, message)

    def _show(self, run: _Run, message: Message) -> None:
        match message:
            case Opened():
                self._stage(run, "Checking the settings …")
            case Planned():
                run.planned = message.plan.num_frames
                run.sentences = len(message.plan.spoken)
                run.to_draw = len(message.plan.prompt_frames)
                shown = len(message.plan.key_frames.frames)
                frames = "1 frame" if shown == 1 else f"{shown} frames"
                self._stage(run, f"Loading the model and looking at {frames} …")
            case Fetching():
                self._stage(run, f"{message.progress.words} …")
            case Answered():
                run.answered += 1
                run.not_found = None if message.found else message.text
                self._view.show_answer(message.object_id, message.answer, message.found)
                if run.answered < run.sentences:
                    done = f"{run.answered} of {run.sentences}"
                    self._stage(run, f"Reading the sentences, {done} …")
                else:
                    self._stage(run, "Drawing the first masks …")
            case Drawn() if isinstance(message.event, KeyMasks):
                run.drawn += 1
                self._stage(run, f"Drawing key frame {run.drawn} of {max(run.to_draw, run.drawn)}")
            case Drawn():
                run.count_frame(self._clock())
                if not run.cancelled:
                    left = run.seconds_left()
                    self._view.show_progress(run.done, run.planned, left)

    def _stage(self, run: _Run, text: str) -> None:
        # "Stopping ..." stays until the run has stopped.
        if not run.cancelled:
            self._view.show_stage(text)

    def _fail(self, failed: Failed) -> None:
        self._view.set_running(False)
        self._view.show_error(failed.message, failed.hint, failed.details)

    def _finish(self, run: _Run, message: Finished) -> None:
        self._view.set_running(False)
        if message.reason == "done":
            self._view.show_progress(run.planned, run.planned, None)
        self._view.show_outcome(outcome_of(message, run.planned))


class _Run:
    """What is known of the run on its way."""

    def __init__(self, request: JobRequest, sink: Sink) -> None:
        self.request = request
        self.sink = sink
        self.handle: Handle | None = None
        self.cancelled = False
        self.not_found: str | None = None  # the sentence answered last, if its object is missing
        self.planned = self.done = 0
        self.sentences = self.answered = self.to_draw = self.drawn = 0
        self._first_at: float | None = None
        self._last_at = 0.0

    def count_frame(self, now: float) -> None:
        self.done += 1
        if self._first_at is None:
            self._first_at = now
        self._last_at = now

    def seconds_left(self) -> float | None:
        """Time for the frames to come, from the mean so far; None before the third frame."""
        if self._first_at is None or self.done < 3:
            return None
        per_frame = (self._last_at - self._first_at) / (self.done - 1)
        return per_frame * (self.planned - self.done)


def outcome_of(finished: Finished, planned: int) -> str:
    """How a run ended, in one or two sentences."""
    record = finished.record
    seconds = duration(record.timings_s.get("total", 0.0))
    if finished.reason == "cancelled":
        if not record.frames_done:
            return "Stopped before the first frame."
        return f"Stopped. {record.frames_done} of {planned} frames are done and kept."
    total = len(record.objects)
    found = sum(bool(o.frames_present) for o in record.objects)
    if not found:
        return f"Nothing was found ({seconds})."
    what = "It was found" if total == 1 else f"{found} of {total} objects were found"
    frames = "1 frame" if planned == 1 else f"{planned} frames"
    return f"Done: {frames} in {seconds}. {what}."
