"""`napari-sa2va replay`: everything that was done to a project, again, without a window."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import click

from napari_sa2va.cli.interrupt import ctrl_c_cancels
from napari_sa2va.cli.main import DONE, INTERRUPTED
from napari_sa2va.cli.outputs import FORMAT_HELP, outputs_of, overwrite_flag, write_outputs
from napari_sa2va.core.errors import OutputError

if TYPE_CHECKING:
    from napari_sa2va.cli.progress import RunProgress
    from napari_sa2va.pipeline.events import Event
    from napari_sa2va.project.replay import Replayed
    from napari_sa2va.project.steps import Step

DIFFERS = 1
_MOST_FRAMES_SAID = 12


@click.command(
    epilog="Exit codes: 0 the same masks, 1 other masks, 2 bad request, 3 failed, 130 stopped by "
    "Ctrl-C with what was done kept."
)
@click.argument("project_path", metavar="PROJECT", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "input_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The movie, if it is not where it was and not beside the project. It is checked to be the "
    "same movie.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Write the masks that come out; the ending says the format, .ome.tif where there is none. "
    "May be repeated.",
)
@click.option("--format", "kind", metavar="KIND", help=FORMAT_HELP)
@click.option(
    "--save",
    "save_path",
    metavar="NEWPROJECT",
    type=click.Path(path_type=Path),
    help="Keep what comes out as a project of its own.",
)
@click.option("--device", help="Another device than the runs were made on: auto, cpu, cuda, mps.")
@click.option("--model", help="Another model than the runs were made with.")
@overwrite_flag
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def replay(
    project_path: Path,
    input_path: Path | None,
    outputs: tuple[Path, ...],
    kind: str | None,
    save_path: Path | None,
    device: str | None,
    model: str | None,
    overwrite: bool,
    quiet: bool,
) -> int:
    """Do everything again that was done to PROJECT, and compare the masks.

    PROJECT is a folder that was saved by the dock. Its runs, clicks and corrections are done anew in
    their order on its movie; nothing in it is changed. A table says for every object whether its
    masks came out the same, and if not, on which frames they differ and by how much (J, the overlap
    of both masks over their union). On the device that made them they are the same; another device
    rounds differently, and pixels at edges may differ.

    \b
    napari-sa2va replay cells.sa2va
    napari-sa2va replay cells.sa2va --input /data/movie.tif -o again.ome.tif
    """  # fmt: skip
    from napari_sa2va.pipeline.events import Answered, FrameMasks
    from napari_sa2va.project.find_clip import find_footage
    from napari_sa2va.project.folder import read_project, save
    from napari_sa2va.project.replay import replay as replay_project
    from napari_sa2va.project.result import result_of

    files = outputs_of(outputs, kind)
    opened = read_project(project_path)
    project = opened.project
    project.footage = find_footage(opened.folder, video=input_path)
    source = project.clip.source
    for output in files:
        output.check(overwrite=overwrite, source=None if source is None else Path(source))
    _check(save_path, opened.folder, overwrite=overwrite)
    with ctrl_c_cancels() as stop, _Show(len(project.steps), quiet=quiet) as show:

        def on_step(number: int, step: Step) -> None:
            show.step(number, step)
            # Before the first step is done there is nothing to keep: Ctrl-C stops at once.
            stop.politely = number > 1

        def on_event(event: Event) -> None:
            show.event(event)
            stop.politely = stop.politely or isinstance(event, Answered | FrameMasks)

        replayed = replay_project(
            project, model=model, device=device, cancel=stop.token, on_event=on_event,
            on_step=on_step,
        )  # fmt: skip
        show.close()
        stop.politely = True
        if files:
            write_outputs(files, result_of(replayed.project), overwrite=overwrite)
        if save_path is not None:
            for note in save(replayed.project, save_path).notes:
                click.echo(f"Note: {note}", err=True)
            click.echo(f"Saved {save_path}")
    _tell(replayed)
    if not replayed.complete:
        click.echo(
            f"Stopped after {replayed.steps_done} of {replayed.num_steps} steps; "
            "what was done is kept where that was asked for.",
            err=True,
        )
        return INTERRUPTED
    return DONE if replayed.same else DIFFERS


class _Show:
    """Steps and their progress on standard error, as a context manager."""

    def __init__(self, num_steps: int, *, quiet: bool) -> None:
        self._num_steps = num_steps
        self._quiet = quiet
        self._stack = ExitStack()
        self._progress: RunProgress | None = None

    def __enter__(self) -> _Show:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def step(self, number: int, step: Step) -> None:
        """Say which step is done now; one that needs the network gets a bar."""
        from napari_sa2va.cli.progress import RunProgress
        from napari_sa2va.project.steps import ModelStep

        self.close()
        if self._quiet:
            return
        click.echo(f"Step {number} of {self._num_steps}: {step.title}", err=True)
        if isinstance(step, ModelStep):
            self._progress = self._stack.enter_context(RunProgress())

    def event(self, event: Event) -> None:
        """Show one event of the pipeline."""
        if self._progress is not None:
            self._progress.show(event)

    def close(self) -> None:
        """Take the bar away."""
        self._progress = None
        self._stack.close()


def _check(save_path: Path | None, folder: Path, *, overwrite: bool) -> None:
    """Find out now, and not after the replay, whether the new project can be written."""
    from napari_sa2va.project.folder import check_place

    if save_path is None:
        return
    target = check_place(save_path)
    if target == folder:
        raise OutputError(f"{save_path} is the project that is replayed.", "Choose another name.")
    if (target / "project.json").exists() and not overwrite:
        raise OutputError(
            f"{save_path} is there already.",
            "Choose another name, or allow it to be overwritten (--overwrite).",
        )


def _tell(replayed: Replayed) -> None:
    """A row per object, and the steps that could not be done."""
    for number, why in replayed.refused:
        click.echo(f"Step {number} could not be done: {why}")
    if not replayed.objects:
        click.echo("There are no objects.")
        return
    click.echo(f"{'object':<34}{'frames':>8}{'the same':>10}{'mean J':>8}  differs on")
    for match in replayed.objects:
        name = shorten(f"{match.object_id}. {match.name}", 33, placeholder="…")
        same = match.num_frames - len(match.frames_differ)
        click.echo(
            f"{name:<34}{match.num_frames:>8}{same:>10}{match.mean_jaccard:>8.3f}  "
            f"{_frames(match.frames_differ)}".rstrip()
        )
    if replayed.complete:
        click.echo("The same masks." if replayed.same else "The masks are not the same.")


def _frames(frames: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, frames[:_MOST_FRAMES_SAID]))
    more = len(frames) - _MOST_FRAMES_SAID
    return f"{shown} and {more} more" if more > 0 else shown
