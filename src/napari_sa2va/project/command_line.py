"""What was done, as a line for the command line."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from napari_sa2va.core.clip import Clip
from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.flag_names import flag_name
from napari_sa2va.core.shell_line import COMMAND, shell_line
from napari_sa2va.presets import DEFAULT_PRESET, PRESETS
from napari_sa2va.project.clip_keeping import place_of
from napari_sa2va.project.footage import Footage
from napari_sa2va.project.project import Project
from napari_sa2va.project.steps.run import Run
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings import RunSettings
from napari_sa2va.settings_fields import differences


def as_command(
    source: Project | Run, clip: Clip, *, folder: str | PathLike[str] | None = None
) -> str:
    """The command that does again what was done.

    Parameters
    ----------
    source : Project or Run
        Of a project with nothing but runs, the last one; it is a ``segment`` line then. What a
        person corrected is done again by a ``replay`` of the project.
    clip : Clip
        The project's, of several planes the first.
    folder : path, optional
        Where the project is saved; needed where a ``segment`` line does not do. If the path of the
        clip names a patient, the line is a ``replay`` of the project.

    Returns
    -------
    str
        One line, quoted for the shell of this system; to be started anywhere.

    Raises
    ------
    RequestError
        If a ``replay`` is needed and there is no folder, or nothing was done yet.

    Examples
    --------
    >>> as_command(project, clip)
    "napari-sa2va segment /data/movie.tif 'the bright cell' --limits 120.0,4000.0"
    """
    names_somebody = clip.source is not None and clip.private.is_in(clip.source)
    try:
        if folder is not None and names_somebody and not isinstance(source, Run):
            raise RequestError("The path names a patient.")
        return shell_line(*_segment_words(source, clip))
    except RequestError:
        if folder is None or isinstance(source, Run):
            raise
    return shell_line(COMMAND, "replay", Path(folder).absolute())


def _segment_words(source: Project | Run, clip: Clip) -> list[str]:
    footage = Footage.of(clip)
    if isinstance(source, Project):
        run = _only_runs(source)
        if source.footage is not None and source.footage.first is clip:
            footage = source.footage
    else:
        run = source
    if run.region is not None:
        raise RequestError(
            "The run looked at a part of the frames, which a segment command does not.", _SAVE
        )
    place = place_of(footage)
    if place is None:
        raise RequestError("No file holds the pixels of this clip.", _SAVE)
    first, *more = (sentence.text for sentence in run.sentences)
    options = [_option("prompt", text) for text in more]
    options += _settings_options(run.settings)
    options += _clip_options(place.arguments[0])
    flat = [word for option in options for word in option]
    names = [str(place.path), first]
    if any(name.startswith("-") for name in names):
        return ["napari-sa2va", "segment", *flat, "--", *names]
    return ["napari-sa2va", "segment", *names, *flat]


_SAVE = "Save the project, and copy its replay command."


def _only_runs(project: Project) -> Run:
    """The last run of a project in which nothing else was done.

    Raises
    ------
    RequestError
        If there is none, or something else was done, too.
    """
    steps = project.steps
    if not steps:
        raise RequestError("Nothing was done yet.", "Run a sentence first.")
    last = steps[-1]
    if not isinstance(last, Run) or not all(isinstance(step, Run) for step in steps):
        raise RequestError("A segment command does not do the corrections again.", _SAVE)
    if last.masks_taken >= 0:
        raise RequestError("The run was stopped, which a segment command is not.", _SAVE)
    if project.state.planes > 1:
        raise RequestError("A segment command follows one plane only.", _SAVE)
    return last


def _settings_options(settings: RunSettings) -> list[list[str]]:
    """The preset, and the flags of what differs from it."""
    name = settings.preset if settings.preset in PRESETS else DEFAULT_PRESET
    options = [] if name == DEFAULT_PRESET else [_option("preset", name)]
    for path, value in differences(PRESETS[name], settings).items():
        flag = flag_name(path)
        if isinstance(value, bool):
            options.append([f"--{flag}" if value else f"--no-{flag}"])
        elif isinstance(value, tuple):
            options.append(_option(flag, ",".join(str(v) for v in value)))
        else:
            options.append(_option(flag, str(value)))
    return options


def _clip_options(arguments: OpenArguments) -> list[list[str]]:
    """The flags that open just this clip.

    Raises
    ------
    RequestError
        If the command line has no flag for something.
    """
    colors = arguments.colors or ()
    if arguments.rgb is not None or any(":" in color for color in colors):
        raise RequestError("The clip's colours cannot be said in a command.", _SAVE)
    options = []
    for name, value in (
        ("axes", arguments.axes), ("time", arguments.time), ("z", arguments.z),
        ("series", arguments.series),
    ):  # fmt: skip
        if value is not None:
            options.append(_option(name, str(value)))
    if arguments.channels is not None:
        if any("," in str(channel) for channel in arguments.channels):
            raise RequestError("A channel's name has a comma.", _SAVE)
        options.append(_option("channels", ",".join(str(c) for c in arguments.channels)))
    if limits := arguments.limit_pairs:
        alike = len(set(limits)) == 1
        pairs = (",".join(map(repr, pair)) for pair in limits[: 1 if alike else None])
        options.append(_option("limits", ";".join(pairs)))
    if colors:
        options.append(_option("colors", ",".join(colors)))
    if arguments.box is not None:
        options.append(_option("box", ",".join(map(str, arguments.box))))
    return options


def _option(flag: str, value: str) -> list[str]:
    # A value that looks like a flag is one to the parser, unless it is tied to its own.
    return [f"--{flag}={value}"] if value.startswith("-") else [f"--{flag}", value]
