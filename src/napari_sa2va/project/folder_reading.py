"""Reading a project folder: all of it is checked, and what is wrong is said file by file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from napari_sa2va.core.errors import ProjectError
from napari_sa2va.core.masklet import Overlap
from napari_sa2va.core.params import Params
from napari_sa2va.project.cells import Card, Cell
from napari_sa2va.project.cells_file import read_arrays, unpack
from napari_sa2va.project.clip_entry import ClipEntry
from napari_sa2va.project.history_file import unpack_changes
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps import read_step
from napari_sa2va.project.steps.base import Step

FORMAT = "napari-sa2va project"
VERSION = 1

# Beyond this a number is damage and no movie; run lengths are 32-bit numbers.
_MOST_FRAMES, _MOST_PX = 10_000_000, 2**32 - 1


class Manifest(Params):
    """What ``project.json`` holds."""

    format: Literal["napari-sa2va project"] = "napari-sa2va project"
    version: Literal[1] = 1
    written_by: str = Field(description="Package and its version.")
    saved: str = Field(description="Date and time, UTC.")
    shape: tuple[int, int, int] = Field(description="Frames of all planes, rows, columns.")
    planes: int = Field(ge=1)
    clip: ClipEntry | None = None
    overlap: Overlap = Field(description="Which object keeps a pixel of a label image.")
    origins: tuple[str, ...] = Field(description="What the numbers in `origins` of masklets mean.")
    cards: tuple[Card, ...] = Field(description="The objects, in the order in which they came.")
    removed: tuple[int, ...] = Field(description="Objects that undo can bring back.")
    next_id: int = Field(ge=1, description="An id that no object has had.")
    reviewed: tuple[int, ...]
    num_steps: int = Field(ge=0)
    num_records: int = Field(ge=0)
    num_undoable: int = Field(ge=0, description="How many of the last steps can be undone.")
    view: dict[str, Any] = Field(description="What a window wants to find again.")

    @model_validator(mode="after")
    def _fits_together(self) -> Manifest:
        num_frames, height, width = self.shape
        if not 1 <= num_frames <= _MOST_FRAMES or num_frames % self.planes:
            raise ValueError(f"{num_frames} frames on {self.planes} planes")
        if height < 1 or width < 1 or height * width > _MOST_PX:
            raise ValueError(f"frames of {height} x {width} px")
        ids = [*(card.object_id for card in self.cards), *self.removed]
        if len(set(ids)) < len(ids) or any(not 1 <= i < self.next_id for i in ids):
            raise ValueError(f"objects {ids} with {self.next_id} as the next")
        if any(not 0 <= level <= 255 for card in self.cards for level in card.color):
            raise ValueError("a colour beyond 255")
        if any(not 0 <= frame < num_frames for frame in self.reviewed):
            raise ValueError("a reviewed frame that is not there")
        if self.num_undoable > self.num_steps:
            raise ValueError(f"{self.num_undoable} of {self.num_steps} steps can be undone")
        return self


@dataclass(eq=False)
class Opened:
    """What a project folder holds.

    Attributes
    ----------
    folder : Path
    project : Project
        Without its pixels; see `napari_sa2va.project.find_clip`.
    manifest : Manifest
    lost : list of str
        What could not be read: the file, and what is wrong with it.
    read : list of str
        What could be, in words.
    """

    folder: Path
    project: Project
    manifest: Manifest
    lost: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    @property
    def view(self) -> dict[str, Any]:
        """What a window wanted to find again."""
        return self.manifest.view


def read(folder: Path, *, rescue: bool = False) -> Opened:
    """Read a project folder, except for its pixels.

    Parameters
    ----------
    folder : Path
    rescue : bool
        Whether to take what can be read of a damaged folder.

    Raises
    ------
    ProjectError
        If there is no project, it is of another version, or damaged; the message names the file,
        the hint says what else can be read.
    """
    manifest = read_manifest(folder)
    opened = Opened(folder, Project(manifest.shape, manifest.planes), manifest)
    _read_objects(opened)
    steps = _read_steps(opened)
    _read_history(opened, steps)
    _read_records(opened)
    if opened.lost and not rescue:
        more = f" (and {len(opened.lost) - 1} more)" if len(opened.lost) > 1 else ""
        raise ProjectError(
            f"{folder} is damaged: {opened.lost[0]}{more}.",
            f"Still readable: {_listed(opened.read)}. To open that, use open_project(folder, "
            "rescue=True); or take another copy of the folder.",
        )
    return opened


def read_manifest(folder: Path) -> Manifest:
    """Read ``project.json``.

    Raises
    ------
    ProjectError
        If there is none, or it is damaged or of another version.
    """
    path = folder / "project.json"
    try:
        is_there, is_folder = path.is_file(), folder.is_dir()
    except OSError as error:
        raise ProjectError(f"{folder} cannot be read ({error.strerror or error}).") from error
    if not is_there:
        what = "no project: it has no project.json" if is_folder else "no folder"
        raise ProjectError(f"{folder} is {what}.", "Name the folder that was saved as a project.")
    try:
        data = read_json(path)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ProjectError("it is not of a napari-sa2va project")
    except ProjectError as error:
        raise ProjectError(
            f"{path} cannot be used: {error.message}.", "Take another copy of the folder."
        ) from error
    version = data.get("version")
    if version != VERSION:
        raise ProjectError(
            f"{path} is of version {version!r:.40}, and version {VERSION} can be read; it was "
            f"written by {data.get('written_by')!r:.80}.",
            "Install a newer napari-sa2va.",
        )
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        raise ProjectError(
            f"{path} cannot be used: {_first(error)}.", "Take another copy of the folder."
        ) from error


def read_json(path: Path) -> object:
    """Parse a file.

    Raises
    ------
    ProjectError
        If it is not there or no JSON; the message says what is wrong, not which file.
    """
    try:
        return json.loads(_read_text(path))
    # RecursionError: brackets in brackets, a hundred thousand deep.
    except (ValueError, RecursionError) as error:
        raise ProjectError(f"it is no JSON ({error})") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProjectError("it is not there") from None
    except UnicodeDecodeError as error:
        raise ProjectError(f"it is no text ({error})") from error
    except OSError as error:
        raise ProjectError(f"it cannot be read ({error.strerror or error})") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _listed(words: list[str], most: int = 8) -> str:
    more = [f"{len(words) - most} more"] if len(words) > most else []
    return ", ".join([*words[:most], *more]) or "nothing else"


@contextmanager
def _noting(opened: Opened, file: str, what: str) -> Iterator[None]:
    """Take down what becomes of reading a file."""
    try:
        yield
    except ProjectError as error:
        opened.lost.append(f"{file}: {error.message}")
    else:
        opened.read.append(what)


def _read_objects(opened: Opened) -> None:
    state, manifest = opened.project.state, opened.manifest
    for card in manifest.cards:
        cells: list[Cell] = []
        with _noting(opened, f"masklets/{card.object_id}.npz", f"the masks of {card.name!r}"):
            cells = _cells_of(opened, "masklets", card.object_id)
        state.set_card(card.object_id, card)
        for t, cell in enumerate(cells):
            state.set_cell(card.object_id, t, cell)
    for object_id in manifest.removed:
        try:
            cells = _cells_of(opened, "removed", object_id)
        except ProjectError as error:
            opened.lost.append(f"removed/{object_id}.npz: {error.message}")
            continue
        _set_removed(opened.project, object_id)
        for t, cell in enumerate(cells):
            state.set_cell(object_id, t, cell)
    if state.next_id < manifest.next_id:
        _set_removed(opened.project, manifest.next_id - 1)
    state.reviewed.update(manifest.reviewed)


def _set_removed(project: Project, object_id: int) -> None:
    """Let the state know that an id was taken."""
    project.state.set_card(object_id, Card.new(object_id, ""))
    project.state.set_card(object_id, None)


def _cells_of(opened: Opened, where: str, object_id: int) -> list[Cell]:
    num_frames, height, width = opened.manifest.shape
    arrays = read_arrays(opened.folder / where / f"{object_id}.npz")
    cells = unpack(arrays, (height, width), opened.manifest.origins)
    if len(cells) != num_frames:
        raise ProjectError(f"it has {len(cells)} frames, not {num_frames}")
    return cells


def _read_steps(opened: Opened) -> list[Step]:
    steps: list[Step] = []
    wanted = opened.manifest.num_steps
    with _noting(opened, "steps.jsonl", f"{wanted} steps"):
        lines = _read_text(opened.folder / "steps.jsonl").split("\n")[:-1]
        for number, line in enumerate(lines, 1):
            try:
                steps.append(read_step.validate_python(json.loads(line)))
            except ValidationError as error:
                raise ProjectError(f"line {number} is no step ({_first(error)})") from error
            # A mask in a step is checked by whoever decodes it, with errors of many types.
            except Exception as error:
                raise ProjectError(f"line {number} is no step ({error})") from error
        if len(steps) != wanted:
            raise ProjectError(f"it has {len(steps)} steps, not {wanted}")
    return steps


def _read_history(opened: Opened, steps: list[Step]) -> None:
    project, count = opened.project, opened.manifest.num_undoable
    project.earlier = list(steps)
    if opened.lost:
        return  # undo would put back what was there before something else than what is there now
    said: object = None
    with _noting(opened, "history.json", "the list of what can be undone"):
        said = read_json(opened.folder / "history.json")
    if opened.lost:
        return
    begin = len(steps) - count
    with _noting(opened, "history.npz", f"undo of {count} steps"):
        arrays = read_arrays(opened.folder / "history.npz")
        changes = unpack_changes(
            said, arrays, steps[begin:], project.state, opened.manifest.origins
        )
        project.history.done.extend(changes)
        project.earlier = steps[:begin]


def _read_records(opened: Opened) -> None:
    for number in range(1, opened.manifest.num_records + 1):
        file = f"records/{number:04d}.json"
        with _noting(opened, file, f"run record {number}"):
            record = read_json(opened.folder / file)
            if not isinstance(record, dict):
                raise ProjectError("it is no record")
            opened.project.records.append(record)
