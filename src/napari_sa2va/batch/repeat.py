"""How to do a batch again: the command, a table of the same movies, settings, versions and weights.

``repeat.csv`` has a row for each unit with all that was said of it, so that the same units are made
wherever the patterns and folders of the first command would lead by then. Results go into the new batch
folder, so that those of the first batch stay: under the names of the first command, unless these lead
elsewhere. ``repeat.json`` says the rest, for programs.
"""

from __future__ import annotations

import csv
import shlex
from argparse import ArgumentError, ArgumentParser
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.naming import DEFAULT
from napari_sa2va.batch.planning.sheet import BETWEEN_PROMPTS, columns
from napari_sa2va.batch.split import SplitSettings
from napari_sa2va.batch.unit import Output, Unit
from napari_sa2va.core.params import Params
from napari_sa2va.presets import DEFAULT_PRESET, PRESETS
from napari_sa2va.settings import RunSettings
from napari_sa2va.settings_fields import Value, differences, fields_of, settings_fields
from napari_sa2va.writers.paths import replacing
from napari_sa2va.writers.write import writer_of

TABLE, JSON = "repeat.csv", "repeat.json"

_US = "napari-sa2va"
_USUAL = ".ome.tif"


class Repeat(Params):
    """All that is needed to do a batch again."""

    batch_id: str
    made: str = Field(description="ISO 8601, UTC.")
    command: str = Field(description="As it was given; empty if the batch was made without one.")
    directory: str = Field("", description="In which it was given: its paths lead from there.")
    again: str = Field(description="The command that makes the same units out of repeat.csv.")
    install: str = Field(description="The command that installs the same versions.")
    python: str = ""
    versions: dict[str, str] = Field({}, description="Of the packages that decide the result.")
    weights: dict[str, dict[str, str]] = Field(
        {}, description="Model -> file -> SHA-256 of what the masks were made with."
    )
    settings: dict[str, dict[str, Any]] = Field(
        {}, description="Digest -> settings that its units have."
    )
    units: int = 0


def repeat_of(folder: BatchFolder) -> Repeat:
    """What is needed to do a batch again.

    Raises
    ------
    BatchError
        If settings of its units are gone.
    """
    units = _whole(folder.units())
    head = folder.head
    versions = dict(head.versions)
    python = versions.pop("python", "")
    words = [_US, "batch", str(folder.path / TABLE)]
    for sentence in _common_sentences(units):
        # What looks like a flag is one, unless it is tied to its own.
        words += [f"--prompt={sentence}"] if sentence.startswith("-") else ["-p", sentence]
    if units and all(unit.arguments.growing for unit in units):
        words.append("--growing")
    words += [*_outputs(head.command, units), *_splitting(head.command)]
    words += ["--into", f"{folder.path}-again"]
    return Repeat(
        batch_id=head.batch_id,
        made=head.made,
        command=head.command,
        directory=head.directory,
        again=shlex.join(words),
        install=_install(versions, python),
        python=python,
        versions=versions,
        weights=head.weights,
        settings={u.settings: folder.settings_of(u).model_dump(mode="json") for u in units},
        units=len(units),
    )


def write_repeat(folder: BatchFolder) -> Repeat:
    """Write repeat.csv and repeat.json into a batch folder.

    Raises
    ------
    BatchError
        If settings of its units are gone.
    OutputError
        If they cannot be written.
    """
    repeat = repeat_of(folder)
    units = _whole(folder.units())
    common = _common_sentences(units)
    rows = [_row(unit, folder.settings_of(unit), common) for unit in units]
    used = {name for row in rows for name in row}
    said = dict.fromkeys(name for unit in units for name in unit.annotations)
    names = [name for name in (*columns(), *said) if name in used]
    with (
        replacing(folder.path / TABLE, overwrite=True) as new,
        new.open("w", encoding="utf-8", newline="") as file,
    ):
        # Texts are not marked for spreadsheets: what reads this is the command.
        table = csv.DictWriter(file, names, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    with replacing(folder.path / JSON, overwrite=True) as new:
        new.write_text(repeat.model_dump_json(indent=1), encoding="utf-8")
    return repeat


def _whole(units: Mapping[str, Unit]) -> list[Unit]:
    """Units as they were asked for: a movie that was split is one."""
    return [unit for unit in units.values() if unit.part is None]


def _common_sentences(units: Iterable[Unit]) -> tuple[str, ...]:
    """The sentences that most units have; the others name theirs in the table."""
    counted = Counter(unit.sentences for unit in units)
    return counted.most_common(1)[0][0] if counted else ()


def _outputs(command: str, units: Sequence[Unit]) -> list[str]:
    """Flags for what is written: those that were given, or else names of the same formats."""
    given = _flags_in(command, {"o": "output", "format": "format", "overlay": "overlay"})
    patterns = [value for name, value in given if name == "o"]
    if given and not any(map(_leads_elsewhere, patterns)):
        return _written_out(given)
    named = [("o", pattern) for pattern in _patterns(units)]
    return _written_out(named) + _format(units)


def _splitting(command: str) -> list[str]:
    """The flags that say which movies are split, as they were given."""
    return _written_out(
        _flags_in(command, {field.name: field.name for field in fields_of(SplitSettings)})
    )


def _flags_in(command: str, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Flags of a command, and what they were given; one letter may stand for a name."""
    reader = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for short, name in names.items():
        spelled = [f"-{short}", f"--{name}"] if len(short) == 1 else [f"--{name}"]
        reader.add_argument(*spelled, dest=short, action="append", default=[])
    try:
        given, _ = reader.parse_known_args(shlex.split(command))
    except (ArgumentError, ValueError):  # it was not written by us
        return []
    return [(short, value) for short in names for value in getattr(given, short)]


def _written_out(flags: Iterable[tuple[str, str]]) -> list[str]:
    return [
        word
        for name, value in flags
        for word in ([f"-{name}", value] if len(name) == 1 else [f"--{name}", value])
    ]


def _leads_elsewhere(pattern: str) -> bool:
    """Whether a pattern names files outside of the batch folder, where the first results are."""
    return (
        pattern.startswith(("{folder}", "{path}", "~"))
        or Path(pattern).is_absolute()
        or ".." in Path(pattern).parts
    )


def _patterns(units: Iterable[Unit]) -> list[str]:
    """Names for files of all formats that were written; none if that is the usual one."""
    endings = dict.fromkeys(_ending(output) for unit in units for output in unit.outputs)
    return [] if list(endings) in ([], [_USUAL]) else [DEFAULT + ending for ending in endings]


def _ending(output: Output) -> str:
    """What the name of a file ends with that says its format; nothing of a folder."""
    suffixes = _suffixes(output)
    fitting = [suffix for suffix in suffixes if output.path.lower().endswith(suffix)]
    return max(fitting, key=len, default=suffixes[0] if suffixes else "")


def _format(units: Iterable[Unit]) -> list[str]:
    """The flag that says the format of what is a folder; one is all that a command can have."""
    kinds = (output.kind for unit in units for output in unit.outputs if not _suffixes(output))
    kind = next(kinds, None)
    return [] if kind is None else ["--format", kind]


def _suffixes(output: Output) -> tuple[str, ...]:
    suffixes: tuple[str, ...] = writer_of(Path(output.path), output.kind).FORMAT.suffixes
    return suffixes


def _row(unit: Unit, settings: RunSettings, common: tuple[str, ...]) -> dict[str, str]:
    row = {"path": unit.path, "name": unit.movie}
    row |= {name: text for name, text in unit.arguments.as_texts().items() if name in columns()}
    if unit.sentences != common:
        row["prompts"] = BETWEEN_PROMPTS.join(unit.sentences)
    usual = settings.preset if settings.preset in PRESETS else DEFAULT_PRESET
    row["preset"] = usual
    names = {field.path: field.name for field in settings_fields()}
    changed = differences(PRESETS[usual], settings)
    row |= {names[path]: _written(value) for path, value in changed.items()}
    return row | unit.annotations


def _written(value: Value) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _install(versions: Mapping[str, str], python: str) -> str:
    """A line for uv. What follows a plus sign says how a package was built, which no index knows."""
    packages = [f"{name}=={version.partition('+')[0]}" for name, version in versions.items()]
    chosen = ["--python", python] if python else []
    return shlex.join(["uv", "pip", "install", *chosen, *(packages or [_US])])
