"""What was done, as a Python script."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from napari_sa2va import __version__
from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params
from napari_sa2va.presets import PRESETS
from napari_sa2va.project.clip_keeping import place_of
from napari_sa2va.project.command_line import as_command
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.project import Project
from napari_sa2va.project.python_text import Call, LongText, Name, import_lines, source_of
from napari_sa2va.project.steps.base import Step
from napari_sa2va.settings import RunSettings

__all__ = ["as_command", "as_python"]

_MASK = '''
def mask(runs):
    """A mask: rows, columns, then runs down the columns, the first of background."""
    height, width, *counts = map(int, runs.split())
    return rle.from_json({"size": [height, width], "counts": counts})
'''


def as_python(project: Project, clip: Clip, *, folder: str | PathLike[str] | None = None) -> str:
    """A script that does again what was done to a project.

    Parameters
    ----------
    project : Project
    clip : Clip
        Its clip, of several planes the first.
    folder : path, optional
        Where the project is saved; needed if no file holds the pixels, or there are several planes.
        If the path of the pixels names a patient, the script finds them through the project.

    Returns
    -------
    str
        Runs as it is, on this machine. Painted masks are in it as run lengths.

    Raises
    ------
    RequestError
        If the pixels can only be had from a project folder, and none is given.
    """
    writer = _Writer()
    opening = writer.opening(project, clip, folder)
    steps = [source_of(writer.step(step)) for step in project.steps]
    title = f"What was done to {clip.name} in napari-sa2va {__version__}."
    blocks = [f'"""{_in_docstring(title)}"""', "\n".join(import_lines(writer.names))]
    if writer.has_masks:
        blocks += [_MASK]
    settings = [
        f"{name} = {source_of(value, before=len(name) + 3)}"
        for name, value in writer.settings_values()
    ]
    blocks.append("\n".join([*opening, *settings]))
    if steps:
        blocks.append("\n".join(steps))
    blocks.append(
        "for masklet in project.masklets:\n"
        '    print(masklet.name, "is on frames", masklet.frames_present)'
    )
    return "\n\n".join(blocks) + "\n"


def _in_docstring(text: str) -> str:
    """A text between three quotation marks, on one line."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable.replace("\\", "/").replace('"', "'")


class _Writer:
    """Turns values of a project into source, and takes down what has to be imported."""

    def __init__(self) -> None:
        self.names: set[tuple[str, str]] = {("napari_sa2va.project", "Project")}
        self.has_masks = False
        self._settings: list[RunSettings] = []

    def opening(
        self, project: Project, clip: Clip, folder: str | PathLike[str] | None
    ) -> list[str]:
        """Lines that open the pixels and begin a project on them."""
        is_ours = project.footage is not None and project.footage.first is clip
        footage = project.footage if is_ours and project.footage else Footage.of(clip)
        planes = project.state.planes
        place = place_of(footage) if planes == 1 else None
        tells = place is not None and clip.private.is_in(str(place.path))
        if place is not None and not (tells and folder is not None):
            self.names.add(("napari_sa2va", "open_clip"))
            keywords = place.arguments[0].as_keywords()
            call = Call("open_clip", (str(place.path),), keywords)
            return [f"clip = {source_of(call, before=7)}", "project = Project.of(clip)"]
        if folder is None:
            what = "Several planes" if planes > 1 else "Pixels that no file holds"
            raise RequestError(
                f"{what} can only be opened from a saved project.", "Save the project first."
            )
        self.names.add(("napari_sa2va.project.find_clip", "find_footage"))
        shape: dict[str, object] = {} if planes == 1 else {"planes": planes}
        made = source_of(Call("Project", (project.state.shape,), shape), before=10)
        found = source_of(Call("find_footage", (str(Path(folder).absolute()),)), before=18)
        return [f"project = {made}", f"project.footage = {found}"]

    def step(self, step: Step) -> Call:
        """A statement that does a step."""
        self.names.add(("napari_sa2va.project.replay", "do_step"))
        return Call("do_step", (Name("project"), self._value(step)))

    def settings_values(self) -> list[tuple[str, object]]:
        """Variables that hold settings."""
        return [
            (self._settings_name(i), self._settings_source(settings))
            for i, settings in enumerate(self._settings)
        ]

    def _settings_name(self, i: int) -> str:
        return f"settings_{i + 1}" if i else "settings"

    def _settings_source(self, settings: RunSettings) -> Call:
        if PRESETS.get(settings.preset) == settings:
            return Call("preset", (settings.preset,))
        return Call("RunSettings.model_validate", (_shortened(settings),))

    def _value(self, value: object) -> object:
        if isinstance(value, RunSettings):
            if value not in self._settings:
                self._settings.append(value)
                is_preset = PRESETS.get(value.preset) == value
                self.names.add(("napari_sa2va", "preset" if is_preset else "RunSettings"))
            return Name(self._settings_name(self._settings.index(value)))
        if isinstance(value, Params):
            return self._object(value)
        if isinstance(value, dict) and isinstance(value.get("counts"), np.ndarray):
            self.has_masks = True
            self.names.add(("napari_sa2va.core", "rle"))
            runs = [*value["size"], *value["counts"].tolist()]
            return Call("mask", (LongText(" ".join(map(str, runs))),))
        if isinstance(value, dict):
            return {key: self._value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._value(item) for item in value)
        return value

    def _object(self, value: Params) -> Call:
        cls = type(value)
        self.names.add((cls.__module__, cls.__name__))
        given = {
            name: self._value(getattr(value, name))
            for name, field in cls.model_fields.items()
            if name != "kind" and (field.is_required() or getattr(value, name) != field.default)
        }
        return Call(cls.__name__, (), given)


def _shortened(settings: RunSettings) -> dict[str, Any]:
    """The settings as JSON types, without what is so by default."""
    short = _not_default(settings)
    return short if RunSettings.model_validate(short) == settings else settings.model_dump()


def _not_default(settings: BaseModel) -> dict[str, Any]:
    short: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if name != "kind" and value == field.default:
            continue
        short[name] = _not_default(value) if isinstance(value, BaseModel) else value
    return short
