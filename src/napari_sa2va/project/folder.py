"""A project as a folder, which opens again on another machine.

::

    project.json      what it is about: sizes, the clip, the objects, the frames that were reviewed
    steps.jsonl       everything that was done, one step per line
    records/0001.json the record of each run, in order
    masklets/3.npz    the masks of object 3 (see `cells_file`)
    history.json, .npz, removed/5.npz    what is needed to undo the last changes
    clip.ome.tif      the pixels, if no other file has them

Everything is JSON or plain arrays; nothing in it is ever run.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from napari_sa2va import __version__
from napari_sa2va.core.errors import ClipError, OutputError, ProjectError, RequestError
from napari_sa2va.core.folder_swap import replacing_folder, settle
from napari_sa2va.core.masklet import Overlap
from napari_sa2va.core.privacy import NOBODY, Private
from napari_sa2va.project import embedding, folder_reading
from napari_sa2va.project.cells_file import ORIGINS, pack, write_arrays
from napari_sa2va.project.clip_entry import ClipEntry
from napari_sa2va.project.clip_keeping import carry_over, keep
from napari_sa2va.project.find_clip import find_footage
from napari_sa2va.project.folder_reading import Manifest, Opened, read_manifest
from napari_sa2va.project.history_file import kept_changes, objects_of, pack_changes
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.base import ModelStep
from napari_sa2va.settings import OutputSettings

EMBED_UP_TO = 2 * 2**30
"""Bytes of pixels that are put into a project unless told otherwise."""

_OURS = re.compile(
    r"project\.json|steps\.jsonl|history\.(json|npz)"
    r"|records/\d+\.json|(masklets|removed)/\d+\.npz"
)

# Of a project that was opened: its folder, and what that says of the clip.
_opened_from: WeakKeyDictionary[Project, tuple[Path, ClipEntry | None]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Saved:
    """What `save` did.

    Attributes
    ----------
    folder : Path
        Absolute.
    notes : tuple of str
        What a person should know: pixels that were left out, or could not be read.
    """

    folder: Path
    notes: tuple[str, ...] = ()


def save(
    project: Project,
    folder: str | PathLike[str],
    *,
    view: dict[str, Any] | None = None,
    embed_up_to: int = EMBED_UP_TO,
) -> Saved:
    """Write a project as a folder, in place of an earlier save of that name.

    Until all is written the earlier save stays as it is. Other files that somebody has put into the
    folder stay in it.

    Parameters
    ----------
    project : Project
    folder : path
        Is made; may be there if it is empty or a project.
    view : dict, optional
        What a window wants to find again, as JSON types.
    embed_up_to : int
        If no file holds the pixels (a layer that was made in napari, an array), they are put into
        the folder unless they take more bytes than this.

    Returns
    -------
    Saved

    Raises
    ------
    OutputError
        If the folder holds other things, or cannot be written; what was there is as it was.
    RequestError
        If a run is on its way, or `view` is no JSON.
    """
    path = check_place(folder)
    if any(change.is_open for change in project.history.done):
        raise RequestError("A run is on its way.", "Wait for its end, or cancel it, then save.")
    try:
        json.dumps(view)
    except (TypeError, ValueError) as error:
        raise RequestError(f"The view cannot be kept as JSON: {error}.") from error
    with replacing_folder(path, _is_ours) as new:
        clip, note = _write_clip(project, path, new, embed_up_to)
        _write(project, new, clip, _private_of(project).redact_all(view or {}))
    _opened_from[project] = path, clip
    return Saved(path, (note,) if note else ())


def open_project(folder: str | PathLike[str], *, rescue: bool = False) -> Project:
    """Open a project folder; with its pixels, if its movie is found where it was.

    Parameters
    ----------
    folder : path
    rescue : bool
        Whether to take what can be read of a damaged folder.

    Returns
    -------
    Project
        Its `footage` is None if the movie was not found; `find_footage` looks elsewhere.

    Raises
    ------
    ProjectError
        If there is no project, it is of another version, or damaged.
    """
    opened = read_project(folder, rescue=rescue)
    with suppress(ClipError):
        opened.project.footage = find_footage(opened.folder)
    return opened.project


def read_project(folder: str | PathLike[str], *, rescue: bool = False) -> Opened:
    """Open a project folder without looking for its movie; also says what `view` was.

    Parameters, Raises
        See `open_project`.
    """
    path = _place(folder)
    settle(path, _is_ours)
    opened = folder_reading.read(path, rescue=rescue)
    _opened_from[opened.project] = path, opened.manifest.clip
    return opened


def check_place(folder: str | PathLike[str]) -> Path:
    """Find out whether a project may be saved as a folder, before any work is done for it.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    OutputError
        If it holds other things, is a file, or lies in a folder that is not there.
    """
    path = _place(folder)
    if not path.parent.is_dir():
        raise OutputError(f"There is no folder {path.parent}.", "Make it, or choose another.")
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file.", "Choose the name of a new folder.")
    try:
        if path.exists() and any(path.iterdir()):
            read_manifest(path)
    except ProjectError as error:
        raise OutputError(
            f"{path} holds other things than a project: {error.message}", "Choose another name."
        ) from error
    except OSError as error:
        raise OutputError(f"{path} cannot be read ({error.strerror or error}).") from error
    return path


def overlap_of(project: Project) -> Overlap:
    """Which object keeps a pixel of a label image, as the last run was told."""
    return _output_of(project).overlap


def has_patient_data(project: Project) -> bool:
    """Whether what a file says of a patient may be written, as the last run was told."""
    return _output_of(project).patient_data


def entry_of(project: Project) -> ClipEntry | None:
    """What the folder of a project says of its clip; None if it is in no folder, or has no clip."""
    return _opened_from.get(project, (None, None))[1]


def _private_of(project: Project) -> Private:
    """What is not to be written."""
    if project.footage is None or has_patient_data(project):
        return NOBODY
    return project.footage.first.private


def _output_of(project: Project) -> OutputSettings:
    runs = [step for step in project.steps if isinstance(step, ModelStep)]
    settings = [getattr(step, "settings", None) for step in runs]
    return settings[-1].output if settings and settings[-1] is not None else OutputSettings()


def _place(folder: str | PathLike[str]) -> Path:
    path = Path(folder).expanduser()
    if path.name == "project.json":
        path = path.parent
    return path.resolve()  # a link stays a link: what it points at is written


def _is_ours(folder: Path, within: str) -> bool:
    if within in embedding.NAMES:  # somebody may have put a movie of that name there
        with suppress(ProjectError):
            clip = read_manifest(folder).clip
            return clip is not None and clip.embedded == within
        return False
    return _OURS.fullmatch(within) is not None


def _write_clip(
    project: Project, path: Path, new: Path, embed_up_to: int
) -> tuple[ClipEntry | None, str]:
    """What is kept of the clip, and what a person should know about that."""
    note = ""
    if project.footage is not None:
        before = read_manifest(path).clip if (path / "project.json").is_file() else None
        try:
            clip = keep(
                project.footage, path, new, embed_up_to=embed_up_to, before=before,
                patient_data=has_patient_data(project),
            )  # fmt: skip
            return clip, clip.note
        except ClipError as error:
            # The disk with the movie may be gone; masks have to be kept all the more.
            note = f"The movie could not be read: {error.message} Save again when it can be."
    old, known = _opened_from.get(project, (path, None))
    return None if known is None else carry_over(known, old, path, new), note


def _write(project: Project, new: Path, clip: ClipEntry | None, view: dict[str, Any]) -> None:
    state, steps = project.state, project.steps
    changes = kept_changes(project.history.done, state)
    removed = sorted(objects_of(changes) - set(state.cards))
    for where, ids in (("masklets", sorted(state.cards)), ("removed", removed)):
        (new / where).mkdir()
        for object_id in ids:
            cells = [state.peek(object_id, t) for t in range(state.num_frames)]
            write_arrays(new / where / f"{object_id}.npz", pack(cells))
    said, arrays = pack_changes(changes, state)
    _write_json(new / "history.json", said)
    write_arrays(new / "history.npz", arrays)
    lines = [json.dumps(step.model_dump(mode="json")) + "\n" for step in steps]
    (new / "steps.jsonl").write_text("".join(lines), encoding="ascii", newline="\n")
    (new / "records").mkdir()
    for number, record in enumerate(project.records, 1):
        _write_json(new / "records" / f"{number:04d}.json", record)
    manifest = Manifest(
        written_by=f"napari-sa2va {__version__}",
        saved=datetime.now(UTC).isoformat(timespec="seconds"),
        shape=state.shape,
        planes=state.planes,
        clip=clip,
        overlap=overlap_of(project),
        origins=ORIGINS,
        cards=tuple(state.cards.values()),
        removed=tuple(removed),
        next_id=state.next_id,
        reviewed=tuple(sorted(state.reviewed)),
        num_steps=len(steps),
        num_records=len(project.records),
        num_undoable=len(changes),
        view=view,
    )
    _write_json(new / "project.json", manifest.model_dump(mode="json"))


def _write_json(path: Path, value: object) -> None:
    # In ASCII: a path may hold bytes that are no text in any encoding.
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="ascii", newline="\n")
