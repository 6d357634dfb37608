"""Movies that were named in the panel, and are in no batch folder yet. No Qt.

They are looked for, planned and checked in the background; putting them into the folder is what
begins a batch, or adds to one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from napari_sa2va.gui.batch.adding import add_to
from napari_sa2va.gui.batch.checking import Check, Checked
from napari_sa2va.gui.batch.draft_rows import row_id, rows_of, unit_id_of
from napari_sa2va.gui.batch.planning import Plan, Planned, planned_in
from napari_sa2va.gui.batch.problems import in_words
from napari_sa2va.gui.batch.setup import SetUp
from napari_sa2va.gui.errand import Errand, Start
from napari_sa2va.gui.request import Failed

if TYPE_CHECKING:
    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.gui.batch.rows import MovieRow

_NO_SENTENCES = 'Type what to find in the dock "Segment by sentence", and take it from there.'
_CHECK = "Press Check once more."


class View(Protocol):
    """What the draft needs of the panel. Called on the window's thread."""

    def show_draft(self, rows: Sequence[MovieRow], gone: Iterable[str]) -> None:
        """Show movies that are planned, and forget the rows of those that are not any more."""

    def open(self, folder: Path) -> None:
        """Look at a batch folder: what was named is one."""

    def show_errand(self, words: str, done: int = 0, total: int = 0) -> None:
        """Say what is being done in the background, and how far; that nothing is, if empty."""

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        """Show what went wrong."""

    def tell(self, message: str, hint: str = "") -> None:
        """Say something worth knowing."""


class Draft:
    """What is to be added.

    Parameters
    ----------
    view : View
    start : callable
        Starts work on another thread; see `napari_sa2va.gui.worker.start_work`.
    """

    def __init__(self, view: View, start: Start) -> None:
        self._view = view
        self._errand = Errand(start)
        self._inputs: list[str] = []
        self._left_out: dict[str, Path] = {}
        self._notes: set[str] = set()
        self._check: Check | None = None
        self._checked: Checked | None = None
        self._is_outdated = False
        self.planned = Planned()
        self.setup = SetUp()
        self.place: Path | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be added."""
        return not self.planned.units

    @property
    def busy(self) -> bool:
        """Whether movies are being looked for, or checked."""
        return self._errand.running

    @property
    def is_looking(self) -> bool:
        """Whether movies are being looked for: more, or the same that are to be asked otherwise."""
        return self.busy and self._check is None

    def add(self, inputs: Iterable[str], setup: SetUp, place: Path | None) -> None:
        """Name more movies; those that were left out come back if they are named again.

        Parameters
        ----------
        inputs : iterable of str
            Files, folders, patterns, addresses, tables.
        setup : SetUp
        place : Path or None
            The batch folder that they are to be added to; None for one that is to be made.
        """
        named = list(inputs)
        self._inputs += [text for text in named if text not in self._inputs]
        again = [Path(text).absolute() for text in named]
        self._left_out = {
            unit_id: path
            for unit_id, path in self._left_out.items()
            if not any(path.is_relative_to(one) for one in again)
        }
        self.place = place
        self.set_up(setup)

    def set_up(self, setup: SetUp) -> None:
        """Plan the same movies with other sentences, settings or outputs."""
        self.setup = setup
        if not self._inputs:
            return
        if self._check is not None:
            self._check = None
            self._view.tell("The check was stopped.", _CHECK)
        request = Plan(tuple(self._inputs), frozenset(self._left_out), setup, self.place)
        self._errand.begin(request, self._take_plan, Plan.run)
        if self.busy:  # it can be stopped from now on
            self._view.show_errand("Looking for movies …")

    def remove(self, row_ids: Iterable[str]) -> None:
        """Leave movies out again; rows of others are left alone."""
        gone = {unit_id_of(one) for one in row_ids if one == row_id(unit_id_of(one))}
        units = self.planned.units
        self._left_out |= {i: Path(unit.path) for i, unit in units.items() if i in gone}
        self.planned = self.planned.without(gone)
        if self.is_empty:
            self.clear()
        self._view.show_draft((), map(row_id, gone))

    def clear(self) -> None:
        """Forget all that was named."""
        gone = list(self.planned.units)
        self._errand.stop()
        self._inputs, self._left_out, self._notes = [], {}, set()
        self._check = self._checked = None
        self.planned = Planned()
        self._view.show_errand("")
        self._view.show_draft((), map(row_id, gone))

    def check(self, folder: Path | None) -> None:
        """Open every movie that was planned, and find what would go wrong.

        Parameters
        ----------
        folder : Path or None
            The batch folder that is on show; if nothing was planned, its movies are opened.
        """
        planned = self.planned
        of_folder = partial(planned_in, folder) if self.is_empty and folder is not None else None
        self._check = Check(of_folder or (lambda: planned))
        self._errand.begin(self._check, self._take_check, Check.run)
        self.tick()

    def cancel(self) -> None:
        """Stop looking or checking; what was planned before stays, and nothing else."""
        self._errand.stop()
        self._check = None
        self._inputs = list(self.planned.inputs)
        self._view.show_errand("")

    def tick(self) -> None:
        """Tell how far a check is; called some times a second."""
        if self._check is not None and self._errand.running:
            self._view.show_errand("Opening movies …", self._check.done, self._check.total)

    def putting_in(self) -> Callable[[], BatchFolder]:
        """What makes the batch folder if need be, and adds what was planned; on any thread."""
        from napari_sa2va.batch.planning.changes import OutdatedPlan

        planned = self.planned

        def put_in() -> BatchFolder:
            try:
                return add_to(planned)
            except OutdatedPlan:
                self._is_outdated = True
                raise

        return put_in

    def plan_again(self) -> None:
        """Plan anew if the folder was found to have other movies by now."""
        if self._is_outdated:
            self._is_outdated = False
            self._left_out = {}  # the same ids would be those of others
            self.set_up(self.setup)

    def _take_plan(self, said: Planned | Path | Failed) -> None:
        self._errand.end()
        self._view.show_errand("")
        if isinstance(said, Path):
            self.clear()
            self._view.open(said)
            return
        if isinstance(said, Failed):
            self._inputs = list(self.planned.inputs)
            self._view.show_error(said.message, said.hint, said.details)
            return
        gone = set(self.planned.units) - set(said.units)
        self.planned, self._inputs = said, list(said.inputs)
        known = self._known()
        rows = zip(said.units, rows_of(said), strict=True)
        self._view.show_draft([known.get(i, row) for i, row in rows], map(row_id, gone))
        self._tell(said, unchecked=0 if self._checked is None else len(said.units) - len(known))

    def _known(self) -> dict[str, MovieRow]:
        """What a check has found of units that are planned just as they were then."""
        if self._checked is None:
            return {}
        found = zip(self._checked.units.items(), self._checked.rows, strict=True)
        return {i: row for (i, unit), row in found if self.planned.units.get(i) == unit}

    def _tell(self, planned: Planned, *, unchecked: int) -> None:
        """Say what is worth knowing of a plan, and of how many movies a check says nothing."""
        problems = planned.problems
        if len(problems) == 1:
            self._view.show_error(problems[0].message, problems[0].hint)
        elif problems:
            self._view.show_error(f"{len(problems)} of these cannot be added.", in_words(problems))
        if planned.unasked:
            self._view.tell(f"{_have(planned.unasked)} no sentence yet.", _NO_SENTENCES)
        if unchecked:
            self._view.tell(f"{_have(unchecked)} not been checked yet.", _CHECK)
        for note in dict.fromkeys(planned.notes):
            if note not in self._notes:
                self._notes.add(note)
                self._view.tell(note)

    def _take_check(self, said: Checked | Failed) -> None:
        self._errand.end()
        self._check = None
        self._view.show_errand("")
        if isinstance(said, Failed):
            self._view.show_error(said.message, said.hint, said.details)
            return
        if not self.is_empty:
            self._checked = said
            self._view.show_draft(said.rows, ())
        if said.problems:
            self._view.show_error(said.words, said.problems)
        else:
            self._view.tell(said.words)


def _have(number: int) -> str:
    return "1 movie has" if number == 1 else f"{number} movies have"
