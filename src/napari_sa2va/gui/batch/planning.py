"""Finding the movies that are to be added to a batch. No Qt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import RequestError, Sa2vaError
from napari_sa2va.gui.batch.setup import SetUp

if TYPE_CHECKING:
    from napari_sa2va.batch.planning.inputs import Rows
    from napari_sa2va.batch.planning.naming import Naming
    from napari_sa2va.batch.problem import Problem
    from napari_sa2va.batch.unit import Unit
    from napari_sa2va.core.cancel import CancelToken
    from napari_sa2va.settings import RunSettings

# This window splits no movies, and a whole in place of parts might need too much memory.
_SPLIT = (
    "{} of these movies were split in this batch, and the files or the settings are others now. They "
    "stay as they are; to do them anew, give the command again that split them."
)


@dataclass(frozen=True)
class Planned:
    """Units that are in no batch folder yet.

    Attributes
    ----------
    place : Path
        The batch folder; it need not be there.
    units : mapping of str to Unit
        By id.
    settings : mapping of str to RunSettings
        By digest.
    weights : mapping
        Model -> weight file -> SHA-256.
    inputs : tuple of str
        As they were named, but for those of which nothing could be made.
    problems : tuple of Problem
        Why nothing could be made of these.
    unasked : int
        Movies for which there is no sentence; they are planned when there is one.
    notes : tuple of str
        What was left out.
    known : frozenset of str
        Ids of the units that the folder had; none before there is one.
    """

    place: Path = field(default_factory=Path)
    units: Mapping[str, Unit] = field(default_factory=dict)
    settings: Mapping[str, RunSettings] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    unasked: int = 0
    notes: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()

    def without(self, unit_ids: Iterable[str]) -> Planned:
        """The same, but for some units."""
        gone = set(unit_ids)
        return replace(self, units={i: unit for i, unit in self.units.items() if i not in gone})


@dataclass(frozen=True)
class Plan:
    """What was named.

    Attributes
    ----------
    inputs : tuple of str
        Files, folders, patterns, addresses, tables.
    left_out : frozenset of str
        Ids of units that were taken out again.
    setup : SetUp
    place : Path or None
        The batch folder that is on show, if one is.
    problems : tuple of Problem
        With what else was named.
    """

    inputs: tuple[str, ...]
    left_out: frozenset[str]
    setup: SetUp
    place: Path | None
    problems: tuple[Problem, ...] = ()

    def run(self, cancel: CancelToken) -> Iterator[Planned | Path]:
        """Find the movies; on any thread.

        Yields
        ------
        Planned
            Units that are new, and those that have changed.
        Path
            If what was named is not a movie but a batch folder.

        Raises
        ------
        Sa2vaError
            If what is asked of the movies makes no sense.
        """
        from napari_sa2va.batch.folder import BatchFolder
        from napari_sa2va.batch.planning.plan import plan
        from napari_sa2va.batch.problem import Problem
        from napari_sa2va.batch.split import split_as_before

        if not self.inputs:
            yield Planned(problems=self.problems)
            return
        if len(self.inputs) == 1 and BatchFolder.is_one(self.inputs[0]):
            yield Path(self.inputs[0])
            return
        setup = self.setup
        try:
            place = self._place()
            naming = self._naming(place)
        except RequestError as error:  # nothing is wrong with the movies
            yield Planned(inputs=self.inputs, problems=(*self.problems, Problem.of(error)))
            return
        folder = BatchFolder.open(place) if BatchFolder.is_one(place) else None
        known = {} if folder is None else folder.units_ever()
        ours = {output.path for unit in known.values() for output in unit.outputs}
        found: dict[str, Rows | Problem] = {}
        for text in self.inputs:
            if cancel.cancelled:
                return
            found[text] = self._found(text, ours)
        wrong = [one for one in found.values() if isinstance(one, Problem)]
        if wrong:  # without it, even the place may be another
            good = tuple(text for text, one in found.items() if not isinstance(one, Problem))
            rest = replace(self, inputs=good, problems=(*self.problems, *wrong))
            yield from rest.run(cancel)
            return
        every = [one for one in found.values() if not isinstance(one, Problem)]
        rows = [row for one in every for row in one.rows]
        asked = [row for row in rows if setup.sentences or row.sentences is not None]
        made = plan(
            asked,
            settings=setup.settings,
            naming=naming,
            prompt_sets=[setup.sentences] if setup.sentences else [],
            known=known.values(),
        )
        split = {i for i, unit in known.items() if unit.parts and not unit.removed}
        units = {
            i: split_as_before(unit, known) if i in split else unit
            for i, unit in made.units.items()
        }
        new = {
            i: unit
            for i, unit in units.items()
            if unit is not None and known.get(i) != unit and i not in self.left_out
        }
        there = sum(i in known and known[i] == unit for i, unit in units.items())
        stay = sum(unit is None for unit in units.values())
        notes = [note for one in every for note in one.notes]
        notes += [f"{there} of these movies are in the batch already."] if there else []
        notes += [_SPLIT.format(stay)] if stay else []
        yield Planned(
            place,
            new,
            made.settings,
            made.weights,
            self.inputs,
            self.problems,
            len(rows) - len(asked),
            tuple(dict.fromkeys(notes)),
            frozenset(known),
        )

    def _place(self) -> Path:
        """Where the batch folder is, or is to be made."""
        chosen = self.setup.place
        return self.place or (
            Path(chosen).expanduser().absolute() if chosen else place_for(self.inputs)
        )

    def _naming(self, place: Path) -> Naming:
        """How the outputs of a batch at a place are called."""
        from napari_sa2va.batch.planning.naming import Naming

        chosen = self.setup.results
        patterns, kind = names_for(self.setup.kinds, self.setup.pattern)
        return Naming.of(patterns, kind, Path(chosen).expanduser() if chosen else place / "results")

    def _found(self, text: str, leave_out: Collection[str]) -> Rows | Problem:
        """The movies that a text names, or why it names none."""
        from napari_sa2va.batch.planning.inputs import rows_of
        from napari_sa2va.batch.problem import Problem

        try:
            return rows_of([text], arguments=self.setup.opening, leave_out=leave_out)
        except Sa2vaError as error:
            return Problem.of(error)


def planned_in(path: Path) -> Planned:
    """The units of a batch folder; on any thread."""
    from napari_sa2va.batch.folder import BatchFolder

    folder = BatchFolder.open(path)
    units = folder.units()
    settings = {unit.settings: folder.settings_of(unit) for unit in units.values()}
    return Planned(folder.path, units, settings)


def place_for(inputs: Sequence[str]) -> Path:
    """Where the batch folder is made if nobody says otherwise: beside the first movie.

    Raises
    ------
    RequestError
        If that is at an address.
    """
    from napari_sa2va.batch.planning.place import place_beside
    from napari_sa2va.readers.open import is_url

    if is_url(inputs[0]):
        raise RequestError(
            "A batch that begins with an address has no place of its own.",
            "Say under Folders and outputs where it is to be kept.",
        )
    return place_beside(inputs[0])


def names_for(kinds: Sequence[str], pattern: str) -> tuple[list[str], str | None]:
    """Patterns of names, and the format of those whose endings do not say it.

    Raises
    ------
    RequestError
        If two formats cannot be told apart by their names.
    """
    from napari_sa2va.batch.planning.naming import DEFAULT
    from napari_sa2va.writers.write import writer_of

    patterns: list[str] = []
    unsaid: list[str] = []
    for kind in kinds:
        about = writer_of(Path(), kind).FORMAT
        patterns.append((pattern or DEFAULT) + (about.suffixes[0] if about.suffixes else ""))
        if not about.suffixes:
            unsaid.append(kind)
    if len(unsaid) > 1:
        raise RequestError(
            f"{' and '.join(unsaid)} would be folders of the same name.", "Choose one of them."
        )
    return patterns, unsaid[0] if unsaid else None
