"""The result of a unit as a project, with its movie, ready to be shown and corrected. No Qt."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import RequestError, Sa2vaError
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.given import Given, GivenObject

if TYPE_CHECKING:
    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.batch.found import Found
    from napari_sa2va.batch.verdicts import Seen
    from napari_sa2va.core.clip import Clip
    from napari_sa2va.settings import RunSettings


@dataclass(frozen=True, eq=False)
class Result:
    """What is shown of a unit.

    Attributes
    ----------
    seen : Seen
        Which result that is: what is said is said of this one.
    project : Project
        Its masks, as they were edited if they were; its movie, if it was found.
    view : dict
        For `gui.keeper.show_project`.
    settings : RunSettings
    note : str
        Why the movie is not shown, if it is not.
    """

    seen: Seen
    project: Project
    view: dict[str, Any]
    settings: RunSettings
    note: str = ""

    @property
    def unit_id(self) -> str:
        """Of the unit whose result it is."""
        return self.seen.unit.unit_id


def open_result(folder: BatchFolder, unit_id: str) -> Result:
    """Read a result; on any thread.

    Raises
    ------
    Sa2vaError
        If there is none that can be read.
    """
    from napari_sa2va.batch.verdicts import Verdicts

    verdicts = Verdicts(folder)
    # First: what comes while it is read may be shown, and is then known to be of another result.
    seen = verdicts.seen(unit_id)
    settings, home = folder.settings_of(seen.unit), verdicts.project_of(unit_id)
    # Masks that were edited before the movie was done again are those of another result.
    if seen.project and (home / "project.json").is_file():
        return _edited(seen, settings, home)
    return _found(folder, seen, settings)


def _edited(seen: Seen, settings: RunSettings, home: Path) -> Result:
    from napari_sa2va.project.find_clip import find_footage
    from napari_sa2va.project.folder import read_project

    opened = read_project(home)
    note = ""
    try:
        opened.project.footage = find_footage(home)
        _read_ahead(opened.project.clip, 0)
    except Sa2vaError as error:
        note = str(error)
    return Result(seen, opened.project, opened.manifest.view, settings, note)


def _found(folder: BatchFolder, seen: Seen, settings: RunSettings) -> Result:
    from napari_sa2va.batch.found import masks_of
    from napari_sa2va.batch.history import History
    from napari_sa2va.batch.unwanted import unwanted
    from napari_sa2va.project.footage import Footage
    from napari_sa2va.readers.open import open_clip

    unit, generation = seen.unit, seen.outcome.generation
    history = folder.runs.scan().get(unit.unit_id, History())
    after = unwanted(unit, history, before=generation)
    found = masks_of(folder.work_of(unit.unit_id), unit.key, after=after, upto=generation)
    about = found.about
    clip: Clip | None = None
    note = ""
    try:
        clip = open_clip(unit.path, **unit.arguments.as_keywords())
    except (Sa2vaError, OSError) as error:
        note = f"The movie cannot be shown: {error}"
    shape = (about.num_frames, about.height, about.width)
    if clip is not None and about.num_frames:
        if (clip.num_frames, clip.height, clip.width) != shape:
            note, clip = "The movie is not shown: it has another size than its masks now.", None
    elif clip is not None:
        shape = (clip.num_frames, clip.height, clip.width)
    if not shape[0]:
        raise RequestError(
            f"The masks of {unit.movie} are not in the batch folder any more.",
            "Open its outputs, or do it again.",
        )
    project = Project(shape)
    masks = _given(found)
    project.do(Given(source=f"{unit.movie} from the batch {folder.path.name}", objects=masks))
    first = min((f for thing in masks for f in _frames_of(thing)), default=0)
    if clip is not None:
        project.footage = Footage.of(clip)
        _read_ahead(clip, first)
    view = {
        "image_name": unit.movie,
        "placement": _placement(clip, shape[0]),
        "frame": first,
        "sentences": "\n".join(unit.sentences),
        "settings": settings.model_dump(mode="json"),
    }
    return Result(seen, project, view, settings, note)


def _given(found: Found) -> tuple[GivenObject, ...]:
    frames = {f: found.on(f) for f in found.frames_done}
    return tuple(
        GivenObject(
            object_id=subject.object_id,
            name=subject.name,
            text=subject.text,
            masks={f: on.codes[subject.object_id] for f, on in frames.items()
                   if subject.object_id in on.codes},
            scores={f: on.scores[subject.object_id] for f, on in frames.items()
                    if subject.object_id in on.scores},
        )
        for subject in found.subjects
    )  # fmt: skip


def _frames_of(thing: GivenObject) -> list[int]:
    """The frames on which it has a pixel."""
    from napari_sa2va.core import rle

    return [f for f, code in thing.masks.items() if rle.area(code)]


def _read_ahead(clip: Clip, frame: int) -> None:
    """Let the system have the frame at hand that the window is going to ask for first."""
    with suppress(Sa2vaError, OSError):  # what is wrong with it is said when it is shown
        clip.rgb(frame)


def _placement(clip: Clip | None, num_frames: int) -> dict[str, Any]:
    """Where it lies, in the units of its file, as `gui.keeper` keeps it."""
    steps: dict[str, tuple[float, str]] = dict.fromkeys("TYX", (1.0, "pixel"))
    if clip is not None and clip.pixel_size_um is not None:
        steps["Y"], steps["X"] = ((size, "um") for size in clip.pixel_size_um)
    if clip is not None and clip.time_axis == "Z" and clip.z_step_um:
        steps["T"] = clip.z_step_um, "um"
    elif clip is not None and clip.frame_interval_s:
        steps["T"] = clip.frame_interval_s, "s"
    dims = "TYX" if num_frames > 1 else "YX"
    scale, units = zip(*(steps[letter] for letter in dims), strict=True)
    transform = {"scale": list(scale), "units": list(units), "axis_labels": list(dims.lower())}
    return {"dims": dims, "num_frames": num_frames, "planes": 1, "transform": transform}
