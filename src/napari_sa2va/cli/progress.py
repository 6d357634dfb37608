"""Progress on a terminal: frames or bytes done, time left, and what the model said."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from napari_sa2va.models import jobs
from napari_sa2va.pipeline.events import (
    Answered,
    Event,
    Fetching,
    FrameMasks,
    KeyMasks,
    Note,
    Planned,
)

if TYPE_CHECKING:
    from napari_sa2va.models.sa2va.model import Sa2VA
    from napari_sa2va.settings import ModelSettings

T = TypeVar("T")


class RunProgress:
    """Shows the events of a run on standard error, as a context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("frames"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task("Loading the model", total=None)

    def __enter__(self) -> RunProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Planned():
                keys = ", ".join(str(t) for t in event.plan.key_frames.frames) or "none"
                self._console.print(f"Key frames: {keys} ({event.plan.key_frames.reason})")
                self._progress.update(self._task, total=event.plan.num_frames)
            case Fetching():
                is_done = event.progress.done == event.progress.total
                words = "Loading the model" if is_done else event.progress.words
                self._progress.update(self._task, description=words)
            case Answered():
                self._console.print(
                    f"{event.object_id}. {event.text}: {event.answer}", markup=False
                )
            case KeyMasks():
                self._progress.update(self._task, description=f"Key frame {event.frame}")
            case FrameMasks():
                self._progress.update(self._task, description="Tracking", advance=1)
            case Note():
                self._console.print(f"Note: {event.message} {event.hint}".rstrip(), markup=False)


def run_job(job: jobs.Job[T], *, quiet: bool = False) -> T:
    """Run a job on a model's files, with a bar on standard error.

    Parameters
    ----------
    job : generator of napari_sa2va.models.jobs.Progress
    quiet : bool
        Whether to show no bar.

    Returns
    -------
    object
        What the job returns.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True, quiet=quiet, highlight=False),
        transient=True,  # what came of it is told in words
    )
    task = bar.add_task("", total=None)

    def show(step: jobs.Progress) -> None:
        bar.start()  # only now: most models are here, and nothing has to be shown
        described = f"{step.doing} {step.file}"
        bar.update(task, description=described, completed=step.done, total=step.total)

    try:
        return jobs.outcome(job, show)
    finally:
        bar.stop()


def fetch_model(settings: ModelSettings, *, quiet: bool = False) -> None:
    """Download the network of the settings, with a bar, if it is not on this machine."""
    from napari_sa2va.pipeline import loaded

    run_job(loaded.fetch(settings.name), quiet=quiet)


def load_model(settings: ModelSettings, *, quiet: bool = False) -> Sa2VA:
    """Load the network of the settings, downloading it with a bar if it is not on this machine."""
    from napari_sa2va.pipeline import loaded

    fetch_model(settings, quiet=quiet)
    return loaded.load(settings)
