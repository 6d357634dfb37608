"""How to do a batch again: the command, a table of the same movies, settings, versions and weights.

``repeat.csv`` has a row for each unit with all that was said of it, so that the same units are made
wherever the patterns and folders of the first command would lead by then. Results go into the new batch
folder, so that those of the first batch stay: under the names that they had in the first one, or under
the usual names where they lay elsewhere. ``repeat.json`` says the rest, for programs.
"""

from __future__ import annotations

import csv
import os
import shlex
from argparse import ArgumentError, ArgumentParser
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.planning.cell import cell_of
from napari_sa2va.batch.planning.naming import DEFAULT
from napari_sa2va.batch.planning.sheet import columns
from napari_sa2va.batch.split import SplitSettings
from napari_sa2va.batch.unit import Output, Unit
from napari_sa2va.core.params import Params
from napari_sa2va.core.shell_line import COMMAND, shell_line
from napari_sa2va.presets import DEFAULT_PRESET, PRESETS
from napari_sa2va.settings_fields import Value, differences, fields_of, settings_fields
from napari_sa2va.writers.destination import kind_of_ending
from napari_sa2va.writers.format import WriteFormat
from napari_sa2va.writers.paths import replacing
from napari_sa2va.writers.write import writer_of

TABLE, JSON = "repeat.csv", "repeat.json"


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
        {},
        description="Model, or path of a borrowed decoder -> file -> SHA-256 of what the masks were "
        "made with.",
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
    words = [COMMAND, "batch", str(folder.path / TABLE)]
    for sentence in _common_sentences(units):
        # What looks like a flag is one, unless it is tied to its own.
        words += [f"--prompt={sentence}"] if sentence.startswith("-") else ["-p", sentence]
    words += [*_splitting(head.command), "--into", f"{folder.path}-again"]
    return Repeat(
        batch_id=head.batch_id,
        made=head.made,
        command=head.command,
        directory=head.directory,
        again=shell_line(*words),
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
    rows = [_row(unit, folder, common) for unit in units]
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


def _splitting(command: str) -> list[str]:
    """The flags that say which movies are split, as they were given."""
    reader = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for field in fields_of(SplitSettings):
        reader.add_argument(f"--{field.name}", dest=field.name)
    try:
        given, _ = reader.parse_known_args(shlex.split(command))
    except (ArgumentError, ValueError):  # it was not written by us
        return []
    flags = ((f"--{name}", value) for name, value in vars(given).items() if value is not None)
    return [word for flag in flags for word in flag]


def _row(unit: Unit, folder: BatchFolder, common: tuple[str, ...]) -> dict[str, str]:
    settings = folder.settings_of(unit)
    row = {name: text for name, text in unit.arguments.as_texts().items() if name in columns()}
    row |= {"path": unit.path, "label": unit.movie} | _outputs(unit, folder)
    if unit.sentences != common:
        row["prompts"] = cell_of(unit.sentences)
    usual = settings.preset if settings.preset in PRESETS else DEFAULT_PRESET
    row["preset"] = usual
    names = {field.path: field.name for field in settings_fields()}
    changed = differences(PRESETS[usual], settings)
    row |= {names[path]: _written(value) for path, value in changed.items()}
    return row | unit.annotations


def _outputs(unit: Unit, folder: BatchFolder) -> dict[str, str]:
    """Cells that say what is written: the names that it has, and the format that these do not say."""
    names: list[str] = []
    kinds = {o.kind for o in unit.outputs if Path(o.path).is_relative_to(folder.path)}
    for output in unit.outputs:
        if Path(output.path).is_relative_to(folder.path):
            name = Path(os.path.relpath(output.path, folder.results)).as_posix()
            names.append(name.replace("{", "{{").replace("}", "}}"))
        elif output.kind not in kinds:  # of one unit, two files of one format hold the same
            kinds.add(output.kind)
            names.append(DEFAULT + _ending(output))
    unsaid = [o.kind for o in unit.outputs if kind_of_ending(Path(o.path)) != o.kind]
    return {"output": cell_of(names)} | ({"format": unsaid[0]} if unsaid else {})


def _ending(output: Output) -> str:
    """What the name of a file ends with that says its format; nothing of a folder."""
    about: WriteFormat = writer_of(Path(output.path), output.kind).FORMAT
    fitting = [suffix for suffix in about.suffixes if output.path.lower().endswith(suffix)]
    return max(fitting, key=len, default=about.suffixes[0] if about.suffixes else "")


def _written(value: Value) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _install(versions: Mapping[str, str], python: str) -> str:
    """A line for uv. What follows a plus sign says how a package was built, which no index knows."""
    packages = [f"{name}=={version.partition('+')[0]}" for name, version in versions.items()]
    chosen = ["--python", python] if python else []
    return shell_line("uv", "pip", "install", *chosen, *(packages or [COMMAND]))
