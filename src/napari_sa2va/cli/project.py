"""`napari-sa2va project`: what a project folder holds, and where its movie is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_sa2va.cli.main import DONE
from napari_sa2va.core.errors import ClipError

if TYPE_CHECKING:
    from napari_sa2va.project.folder_reading import Opened

DAMAGED = 1


@click.command(epilog="Exit codes: 0 all can be read, 1 damaged, 2 no project.")
@click.argument("project_path", metavar="PROJECT", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "input_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Look whether this is its movie.",
)
def project(project_path: Path, input_path: Path | None) -> int:
    """Say what is in PROJECT: its movie, its objects, and what was done, step by step.

    Of a damaged project it says which files are damaged, and what can still be read.

    \b
    napari-sa2va project cells.sa2va
    """  # fmt: skip
    from napari_sa2va.project.folder import read_project

    opened = read_project(project_path, rescue=True)
    manifest = opened.manifest
    click.echo(f"Saved {manifest.saved} by {manifest.written_by}")
    _tell_movie(opened, input_path)
    _tell_objects(opened)
    _tell_history(opened)
    for lost in opened.lost:
        click.echo(f"Damaged: {lost}")
    return DAMAGED if opened.lost else DONE


def _tell_movie(opened: Opened, input_path: Path | None) -> None:
    from napari_sa2va.project.find_clip import find_footage

    manifest, state = opened.manifest, opened.project.state
    planes = f" on each of {state.planes} planes" if state.planes > 1 else ""
    size = f"{state.frames_per_plane} frames of {state.shape[1]} × {state.shape[2]} px{planes}"
    clip = manifest.clip
    if clip is None:
        click.echo(f"Movie: none was kept; {size}")
        return
    click.echo(f"Movie: {clip.described.name}, {size}")
    try:
        source = find_footage(opened.folder, video=input_path).first.source
    except ClipError as error:
        click.echo(f"  {error}")
    else:
        click.echo(f"  {source}")


def _tell_objects(opened: Opened) -> None:
    state = opened.project.state
    click.echo(f"Objects: {len(state.cards)}")
    for object_id in sorted(state.cards):
        masklet = state.masklet(object_id)
        facts = [f"on {len(masklet.frames_present)} of {masklet.num_frames} frames"]
        for count, what in (
            (len(state.frames_where(object_id, corrected=True)), "corrected"),
            (len(state.frames_where(object_id, locked=True)), "locked"),
        ):
            if count:
                facts.append(f"{count} {what}")
        if not masklet.found:
            facts.append("the model says it is not there")
        click.echo(f"  {object_id}. {masklet.name}: {', '.join(facts)}")
    if state.reviewed:
        click.echo(f"Reviewed: {len(state.reviewed)} of {state.num_frames} frames")


def _tell_history(opened: Opened) -> None:

    steps = opened.project.steps
    undoable = len(opened.project.history.done)
    click.echo(f"History: {len(steps)} steps, of which the last {undoable} can be undone")
    for number, step in enumerate(steps, 1):
        click.echo(f"  {number}. {step.title}")
    models = sorted({str(r.get("model_name")) for r in opened.project.records if r})
    if models:
        click.echo(f"Models: {', '.join(models)}")
