"""What a command line asks of a batch: movies, sentences, settings and names, as units of work."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import track

from napari_sa2va.batch.planning.inputs import rows_of
from napari_sa2va.batch.planning.naming import DEFAULT, Naming
from napari_sa2va.batch.planning.place import place_beside
from napari_sa2va.batch.planning.plan import Planned, plan
from napari_sa2va.batch.planning.prompts_file import read_prompts
from napari_sa2va.batch.split import SplitSettings, split
from napari_sa2va.cli.clip_flags import arguments_of
from napari_sa2va.cli.flags import apply_flags, flags_of
from napari_sa2va.cli.progress import fetch_model
from napari_sa2va.core.errors import RequestError
from napari_sa2va.presets import preset
from napari_sa2va.readers.opening import OpenArguments
from napari_sa2va.settings import RunSettings
from napari_sa2va.settings_fields import validated

if TYPE_CHECKING:
    from napari_sa2va.batch.planning.row import Row
    from napari_sa2va.batch.unit import Unit

_OVERLAY = "{movie}-{set}_overlay."


@dataclass(frozen=True)
class BatchRequest:
    """What was asked for.

    Attributes
    ----------
    inputs : tuple of str
    place : Path
        The batch folder; absolute.
    arguments : OpenArguments
        How movies are opened, as far as a table does not say it.
    prompt_sets : tuple of tuple of str
    settings : RunSettings
    naming : Naming
    recursive, every_series : bool
        See `rows_of`.
    splitting : SplitSettings
    quiet : bool
        Whether to show no progress.
    """

    inputs: tuple[str, ...]
    place: Path
    arguments: OpenArguments
    prompt_sets: tuple[tuple[str, ...], ...]
    settings: RunSettings
    naming: Naming
    recursive: bool
    every_series: bool
    splitting: SplitSettings
    quiet: bool

    @classmethod
    def of(cls, inputs: tuple[str, ...], values: dict[str, Any]) -> BatchRequest:
        """Read what click parsed.

        Parameters
        ----------
        inputs : tuple of str
        values : dict
            Flags of the settings are taken out of it.

        Raises
        ------
        RequestError
            If something makes no sense.
        """
        place = Path(values["into"] or place_beside(inputs[0]).name).expanduser().absolute()
        sets = [tuple(values["prompts"])] if values["prompts"] else []
        if values["prompts_file"] is not None:
            sets += read_prompts(values["prompts_file"])
        patterns = values["outputs"]
        if values["overlay"]:
            patterns = (*(patterns or (DEFAULT,)), _OVERLAY + values["overlay"])
        splitting = {flag.path: values[flag.variable] for flag in flags_of(SplitSettings)}
        return cls(
            inputs=inputs,
            place=place,
            arguments=arguments_of(values),
            prompt_sets=tuple(sets),
            settings=apply_flags(preset(values["preset_name"]), values),
            naming=Naming.of(patterns, values["kind"], place / "results"),
            recursive=values["recursive"],
            every_series=values["every_series"],
            splitting=validated(
                SplitSettings, {name: v for name, v in splitting.items() if v is not None}
            ),
            quiet=values["quiet"],
        )

    def planned(
        self, known: Iterable[Unit] = (), *, fetches: bool = True, tells: bool = True
    ) -> Planned:
        """The units that are asked for now.

        Parameters
        ----------
        known : iterable of Unit
            Those that the batch has already.
        fetches : bool
            Whether models that are not on this machine are downloaded, with a bar. By their weights
            units are told apart, and no worker has to fetch them then.
        tells : bool
            Whether notes on what was found are printed.

        Raises
        ------
        Sa2vaError
            See `rows_of` and `plan`.
        """
        known = list(known)
        found = rows_of(
            self.inputs,
            arguments=self.arguments,
            recursive=self.recursive,
            every_series=self.every_series,
            leave_out={output.path for unit in known for output in unit.outputs},
        )
        for note in found.notes if tells else ():
            click.echo(f"Note: {note}", err=True)
        return self.planned_of(found.rows, known, fetches=fetches)

    def planned_of(
        self, rows: Iterable[Row], known: Iterable[Unit], *, fetches: bool = True
    ) -> Planned:
        """The units that are asked for of some movies; see `planned`."""
        rows, known = list(rows), list(known)
        made = self._plan(rows, known)
        missing = {
            choice.model.name: choice.model
            for choice in made.settings.values()
            if choice.model.name not in made.weights
        }
        if fetches and missing:
            for model in missing.values():
                fetch_model(model, quiet=self.quiet)
            made = self._plan(rows, known)
        return replace(made, units=self._split(made))

    def _plan(self, rows: list[Row], known: Iterable[Unit]) -> Planned:
        return plan(
            rows,
            settings=self.settings,
            naming=self.naming,
            prompt_sets=self.prompt_sets,
            known=known,
        )

    def _split(self, made: Planned) -> Mapping[str, Unit]:
        """The units, those of long and large movies in parts; these are opened."""
        from napari_sa2va.batch.survey import survey

        if not self.splitting.splits:
            return made.units
        looked = track(
            survey(made.units.values(), lambda unit: made.settings[unit.settings]),
            "Opening movies",
            total=len(made.units),
            console=Console(stderr=True, quiet=self.quiet),
            transient=True,
        )
        parts = [
            part
            for unit, facts in zip(made.units.values(), looked, strict=True)
            for part in split(unit, facts, made.settings[unit.settings], self.splitting)
        ]
        return {part.unit_id: part for part in parts}


def command_line(arguments: Iterable[str]) -> str:
    """The command as it can be pasted again."""
    return shlex.join(["napari-sa2va", "batch", *arguments])


def refuse_flags_of_new_units(given: Iterable[str], folder: Path) -> None:
    """Refuse what would be ignored where a batch is gone on with.

    Raises
    ------
    RequestError
    """
    named = ", ".join(sorted(given))
    if named:
        raise RequestError(
            f"{named} cannot be given to go on with {folder}: its units are known.",
            f"Name the movies, the sentences and the settings again, with --into {folder}. What is "
            "done and still the same stays done.",
        )
