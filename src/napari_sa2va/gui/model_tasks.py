"""What the window of models asks for, and what the worker thread says back. No Qt."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import CheckpointError, Sa2vaError, WrongBytes
from napari_sa2va.gui.request import Failed, sentences_in
from napari_sa2va.models.catalogue import ModelEntry
from napari_sa2va.models.jobs import Job, Progress, gigabytes, now_and_then
from napari_sa2va.models.sa2va.footprint import Ask
from napari_sa2va.pipeline.need import ask_of
from napari_sa2va.settings import RunSettings

if TYPE_CHECKING:
    from napari_sa2va.gui.layer_axes import AxisChoice, LayerAxes
    from napari_sa2va.models.formats import Formats

T = TypeVar("T")
Action = Literal["list", "download", "verify", "remove", "import"]


@dataclass(frozen=True)
class ModelTask:
    """One press of a button.

    Attributes
    ----------
    action : {"list", "download", "verify", "remove", "import"}
        Each ends with the list of models.
    settings : RunSettings
        Device, number formats and batches for which the memory is stated.
    ask : Ask
        What the run is for which it is stated.
    name : str
        The model.
    folder : Path
        What to import.
    endpoint : str
        Address of a mirror; empty for the hub.
    again : bool
        Whether to download files whose bytes are wrong once more.
    """

    action: Action
    settings: RunSettings = field(default_factory=RunSettings)
    ask: Ask = field(default_factory=Ask)
    name: str = ""
    folder: Path = Path()
    endpoint: str = ""
    again: bool = False


@dataclass(frozen=True)
class ModelRow:
    """One model in the list.

    Attributes
    ----------
    entry : ModelEntry
    num_bytes : int
        Size of its weights; of a model that is not here what is to be fetched at most, 0 if not
        known.
    memory : int
        Bytes that the run needs; 0 if not known.
    arrived : int
        Bytes of a download that is not complete.
    can_remove : bool
        Whether it was downloaded or imported, so that it may be deleted.
    complaint : str
        What is wrong with its files at a first look; empty if nothing is.
    """

    entry: ModelEntry
    num_bytes: int = 0
    memory: int = 0
    arrived: int = 0
    can_remove: bool = False
    complaint: str = ""


@dataclass(frozen=True)
class Listed:
    """All models: the last message of every task that did not come to an end before.

    Attributes
    ----------
    rows : tuple of ModelRow
        Those on this machine first.
    device : str
        On which the run would be.
    free : int or None
        Bytes free there; None if it does not tell.
    dtype : str
        Number format of the language model.
    hub : str
        Where models are downloaded from, which need not be an address; empty if nothing may be.
    """

    rows: tuple[ModelRow, ...]
    device: str
    free: int | None
    dtype: str
    hub: str


@dataclass(frozen=True)
class Moved:
    """A task is so far."""

    progress: Progress


@dataclass(frozen=True)
class Told:
    """A task is done, or was stopped.

    Attributes
    ----------
    text : str
        What came of it.
    model : str
        The model that is now on this machine; empty if none has come.
    """

    text: str
    model: str = ""


@dataclass(frozen=True)
class Damaged:
    """Files of a model are not what was recorded.

    Attributes
    ----------
    name : str
        The model.
    message : str
    can_mend : bool
        Whether they can be downloaded again.
    """

    name: str
    message: str
    can_mend: bool


@dataclass(frozen=True)
class Refused:
    """A task could not be done, for a reason that was foreseen.

    No `Failed`, which says that the worker came to an end: the list is still to come.
    """

    message: str
    hint: str = ""


ModelMessage = Listed | Moved | Told | Damaged | Refused | Failed
"""`Listed` or `Failed` is the last one."""


def need_of(
    settings: RunSettings, chosen: tuple[Any, LayerAxes, AxisChoice], text: str
) -> tuple[Ask, str]:
    """What a run on the layer chosen asks of a network, and that run in words.

    Raises
    ------
    RequestError
        If the key frames of the settings lie outside the movie.
    """
    _, axes, choice = chosen
    num_frames = 1 if choice.plays is None else axes.shape[choice.plays]
    height, width = axes.shape[axes.y], axes.shape[axes.x]
    count = max(len(sentences_in(text)), 1)
    ask = ask_of(settings, num_frames=num_frames, height=height, width=width, num_objects=count)
    frames = "1 frame" if num_frames == 1 else f"{num_frames} frames"
    objects = "1 object" if count == 1 else f"{count} objects"
    return ask, f"{frames} of {height} × {width} px with {objects}"


def messages_of(task: ModelTask, cancel: CancelToken) -> Iterator[ModelMessage]:
    """Do a task; runs on the worker thread."""
    from napari_sa2va.pipeline.native_libraries import load_triton_apart

    load_triton_apart()  # torch comes in with the question for free memory
    if task.action != "list":
        try:
            yield from _done(task, cancel)
        except WrongBytes as error:
            yield Damaged(task.name, error.message, can_mend=True)
        except Sa2vaError as error:
            yield Refused(error.message, error.hint)
    yield _listed(task)


def _done(task: ModelTask, cancel: CancelToken) -> Iterator[ModelMessage]:
    from napari_sa2va.models import checking, fetching, importing, store
    from napari_sa2va.models.zoo import find

    if task.action == "remove":
        freed, left = store.remove(task.name)
        more = f" Not the model's, and left there: {', '.join(left)}." if left else ""
        yield Told(f"{task.name} is deleted, {gigabytes(freed)} are free.{more}")
    elif task.action == "download":
        pulled = yield from _moved(
            fetching.pull(find(task.name), endpoint=task.endpoint, again=task.again), cancel
        )
        if pulled is None:
            yield Told("Stopped. What has arrived is kept, and the next download goes on from it.")
        else:
            licence = f" Licence: {pulled.licence}." if pulled.licence else ""
            name = pulled.entry.name
            yield Told(f"{name} is here, and all its files are checked.{licence}", name)
    elif task.action == "import":
        entry = yield from _moved(importing.import_model(task.folder), cancel)
        if entry is None:
            yield Told("Stopped. Nothing was imported.")
        else:
            yield Told(f"{entry.name} is here now.", entry.name)
    elif task.action == "verify":
        entry = find(task.name)
        verdict = yield from _moved(checking.verify(entry), cancel)
        if verdict is None:
            yield Told("Stopped.")
        elif verdict.wrong:
            files = "; ".join(f"{file}: {how}" for file, how in verdict.wrong.items())
            yield Damaged(task.name, f"{task.name} is damaged ({files}).", bool(entry.hub_id))
        elif verdict.num_files:
            yield Told(f"All {verdict.num_files} files of {task.name} are as recorded.")
        else:
            yield Told(
                f"No hashes of {task.name} are recorded; its weights are as long as they say."
            )


def _moved(job: Job[T], cancel: CancelToken) -> Generator[Moved, None, T | None]:
    """Run a job, and say now and then how far it is; returns None if it was stopped."""
    steps = now_and_then(job)
    with closing(steps):
        while not cancel.cancelled:
            try:
                step = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            yield Moved(step)
    return None


def _listed(task: ModelTask) -> Listed:
    from napari_sa2va.models import hub
    from napari_sa2va.models.device import free_memory, pick_device, pick_formats
    from napari_sa2va.models.formats import Formats
    from napari_sa2va.models.zoo import known_models

    choice = task.settings.model
    try:
        device = pick_device(choice.device)
        formats = pick_formats(
            choice.dtype,
            device,
            vision_dtype=choice.vision_dtype,
            quantise_language=choice.quantise_language,
            quantise_vision=choice.quantise_vision,
        )
        name, free = str(device), free_memory(device)
    except (Sa2vaError, RuntimeError):
        # Pressing Run says it better; the list is of use without.
        name, free, formats = choice.device, None, Formats()
    rows = sorted(
        (_row(entry, formats, task.ask) for entry in known_models()),
        key=lambda row: row.entry.folder is None,
    )
    source = "" if hub.is_offline() else hub.shown(hub.endpoint_named(task.endpoint))
    return Listed(tuple(rows), name, free, formats.language, source)


def _row(entry: ModelEntry, formats: Formats, ask: Ask) -> ModelRow:
    from napari_sa2va.models import store
    from napari_sa2va.models.zoo import memory_needed

    arrived = store.arrived_bytes(entry.name)
    recorded = store.read_manifest(store.home() / entry.name) is not None
    row = ModelRow(entry, entry.download_bytes, arrived=arrived, can_remove=recorded or arrived > 0)
    if entry.folder is None and not entry.num_parameters:
        return row
    try:
        size = entry.num_bytes if entry.folder is not None else entry.download_bytes
        return replace(row, num_bytes=size or 0, memory=memory_needed(entry, formats, ask))
    except CheckpointError as error:
        return replace(row, complaint=error.message)
