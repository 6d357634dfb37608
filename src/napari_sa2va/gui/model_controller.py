"""What the window of models does, without Qt: one task at a time, and what can be done next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Protocol

from napari_sa2va.gui.controller import Handle
from napari_sa2va.gui.model_tasks import (
    Damaged,
    Listed,
    ModelMessage,
    ModelRow,
    ModelTask,
    Moved,
    Refused,
    Told,
)
from napari_sa2va.gui.request import Failed
from napari_sa2va.models.jobs import Progress
from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.pipeline.estimate import duration
from napari_sa2va.settings import RunSettings


class ModelView(Protocol):
    """What the controller needs of the window. Every method is called on the GUI's thread."""

    def show_models(self, listed: Listed) -> None:
        """Show all models."""

    def set_busy(self, busy: bool) -> None:
        """Show that a task is on its way, or that none is."""

    def show_progress(self, text: str, share: float | None) -> None:
        """Show how far a task is, from 0 to 1; None if that is not known."""

    def show_outcome(self, text: str) -> None:
        """Say what came of a task; it may be nothing."""

    def show_error(self, message: str, hint: str, details: str) -> None:
        """Show what went wrong and what to do."""


StartTask = Callable[[ModelTask, Callable[[ModelMessage], None]], Handle]


class ModelController:
    """Starts tasks, one at a time, and tells the view what they say.

    Parameters
    ----------
    view : ModelView
    start : callable
        Starts a task on another thread.
    on_models : callable
        Called with the name of a model that has come, or with an empty one if one has gone.
    clock : callable
        Seconds; for the time left.
    """

    def __init__(
        self,
        view: ModelView,
        start: StartTask,
        on_models: Callable[[str], None] = lambda name: None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._view = view
        self._start = start
        self._on_models = on_models
        self._clock = clock
        self._number = 0  # a message of any other task is dropped
        self._handle: Handle | None = None
        self._task: ModelTask | None = None
        self._pace, self._outcome = _Pace(), ""
        self._settings, self._ask = RunSettings(), Ask()
        self._damaged: set[str] = set()
        self.endpoint = ""

    @property
    def busy(self) -> bool:
        """Whether a task is on its way."""
        return self._task is not None

    def look(self, settings: RunSettings, ask: Ask) -> None:
        """List the models, with the memory that a run needs; after a task that is on its way."""
        self._settings, self._ask = settings, ask
        if not self.busy:
            self._do(ModelTask("list"))

    def download(self, name: str) -> None:
        """Download a model, or the rest of one, or what is wrong with one."""
        self._do(ModelTask("download", name=name, again=name in self._damaged))

    def verify(self, name: str) -> None:
        """Read every file of a model."""
        self._do(ModelTask("verify", name=name))

    def remove(self, name: str) -> None:
        """Delete a model."""
        self._damaged.discard(name)
        self._do(ModelTask("remove", name=name))

    def import_folder(self, folder: Path) -> None:
        """Take a folder in."""
        self._do(ModelTask("import", folder=folder))

    def cancel(self) -> None:
        """Stop the task on its way; what has arrived of a download is kept."""
        if self._handle is not None:
            self._handle.cancel()
            self._view.show_progress("Stopping …", None)

    def stop(self) -> None:
        """Stop the task and hear nothing more of it. The view is not touched: it may be gone."""
        handle, self._handle, self._task = self._handle, None, None
        self._number += 1
        if handle is not None:
            handle.cancel()

    def can_download(self, row: ModelRow, listed: Listed) -> bool:
        """Whether a model can be downloaded, and is not here as it should be."""
        lacks = row.entry.folder is None or row.complaint or row.entry.name in self._damaged
        return bool(lacks and listed.hub and row.entry.hub_id)

    def _do(self, task: ModelTask) -> None:
        if not self.busy:
            self._outcome = ""
            self._begin(task)

    def _begin(self, task: ModelTask) -> None:
        self._number += 1
        number = self._number
        task = replace(task, settings=self._settings, ask=self._ask, endpoint=self.endpoint.strip())
        is_one_more = self.busy
        self._task, self._pace = task, _Pace()
        if not is_one_more:  # which would take away what was said of an error
            self._view.set_busy(True)
        self._view.show_progress(_BEGINNINGS[task.action], None)
        self._handle = self._start(task, lambda message: self._take(number, message))

    def _take(self, number: int, message: ModelMessage) -> None:
        if number != self._number or self._task is None:
            return
        match message:
            case Moved(progress):
                left = self._pace.seconds_left(progress, self._clock())
                share = progress.done / progress.total if progress.total else None
                words = progress.words + (f", {duration(left)} left" if left is not None else "")
                self._view.show_progress(words, share)
            case Told():
                if message.model:
                    self._damaged.discard(message.model)
                self._outcome = message.text
                if message.model or self._task.action == "remove":
                    self._on_models(message.model)
            case Damaged():
                if message.can_mend:
                    self._damaged.add(message.name)
                hint = (
                    "Download it again; only what is wrong is fetched." if message.can_mend else ""
                )
                self._view.show_error(message.message, hint, "")
            case Refused():
                self._view.show_error(message.message, message.hint, "")
            case Failed():
                self._view.show_error(message.message, message.hint, message.details)
                self._end(self._task)
            case Listed():
                if self._is_for_this_run(self._task):
                    self._view.show_models(message)
                self._end(self._task)

    def _is_for_this_run(self, task: ModelTask) -> bool:
        return (task.settings, task.ask) == (self._settings, self._ask)

    def _end(self, task: ModelTask) -> None:
        if not self._is_for_this_run(task):
            self._begin(ModelTask("list"))
            return
        self._handle = self._task = None
        self._view.set_busy(False)
        self._view.show_outcome(self._outcome)


class _Pace:
    """How fast bytes go by while the same thing is done to them."""

    def __init__(self) -> None:
        self._doing = ""
        self._since = self._from = 0.0

    def seconds_left(self, progress: Progress, now: float) -> float | None:
        """Time for the bytes to come; None in the first two seconds."""
        if progress.doing != self._doing:
            self._doing, self._since, self._from = progress.doing, now, progress.done
        passed, came = now - self._since, progress.done - self._from
        if passed < 2 or came <= 0:
            return None
        return (progress.total - progress.done) * passed / came


_BEGINNINGS = {
    "list": "Looking what is here …",
    "download": "Asking what there is …",
    "verify": "Reading …",
    "remove": "Deleting …",
    "import": "Looking into the folder …",
}
