"""What a review reads from a batch folder, and what it writes into it; on any thread. No Qt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.gui.review.entries import Entry, entries_of, entry_of, keep_place, place_in

if TYPE_CHECKING:
    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.batch.verdicts import Seen, Verdict, Word
    from napari_sa2va.gui.review.result import Result
    from napari_sa2va.project.project import Project


class Book:
    """The results of a batch, and what is said of them.

    Parameters
    ----------
    folder : BatchFolder

    Attributes
    ----------
    path : Path
        The batch folder.
    entries : list of Entry
        All results.
    """

    def __init__(self, folder: BatchFolder) -> None:
        self._folder = folder
        self.path = folder.path
        self.entries = entries_of(folder)

    @classmethod
    def open(cls, path: Path) -> Book:
        """Read which results there are.

        Raises
        ------
        BatchError
            If the folder is no batch, or its verdicts make no sense.
        """
        from napari_sa2va.batch.folder import BatchFolder

        return cls(BatchFolder.open(path))

    def place(self) -> int:
        """Where this person was the last time, from 0."""
        kept = place_in(self.path)
        return next((at for at, entry in enumerate(self.entries) if entry.unit_id == kept), 0)

    def read(self, unit_id: str) -> Result:
        """A result; this person is at it from now on.

        Raises
        ------
        Sa2vaError
            If it cannot be read.
        """
        from napari_sa2va.gui.review.result import open_result

        keep_place(self.path, unit_id)
        return open_result(self._folder, unit_id)

    def more(self) -> list[Entry]:
        """Results that have come since; `entries` has not got them yet."""
        known = {entry.unit_id for entry in self.entries}
        return [entry for entry in entries_of(self._folder) if entry.unit_id not in known]

    def bring_up_to_date(self, seen: Seen) -> None:
        """Note what is known of a result that was read: it may be a newer one."""
        for at, entry in enumerate(self.entries):
            if entry.unit_id == seen.unit.unit_id:
                self.entries[at] = entry_of(seen)

    def take(self, verdict: Verdict) -> None:
        """Note what was said of a result."""
        for at, entry in enumerate(self.entries):
            if entry.unit_id == verdict.unit:
                self.entries[at] = replace(entry, verdict=verdict)

    def judge(self, seen: Seen, word: Word, note: str) -> Verdict | None:
        """Write down what a result is worth.

        Returns
        -------
        Verdict or None
            None if it is not the result any more that was seen: nothing was written.

        Raises
        ------
        BatchError
            If it is not possible.
        """
        from napari_sa2va.batch.verdicts import ResultChanged, Verdicts

        try:
            return Verdicts(self._folder).set(seen.unit.unit_id, word, note, seen=seen)
        except ResultChanged:
            return None

    def note(self, seen: Seen, note: str) -> Verdict:
        """Write down a note on a result, without a verdict.

        Raises
        ------
        BatchError
            If that is not possible, or it is not the result any more that was seen.
        """
        from napari_sa2va.batch.verdicts import Verdicts

        return Verdicts(self._folder).note(seen.unit.unit_id, note, seen=seen)

    def save(self, seen: Seen, project: Project, view: dict[str, Any], note: str) -> Verdict:
        """Save edited masks; only when they are on the disk, write down that they were edited.

        Raises
        ------
        Sa2vaError
            If that is not possible, or the masks are not of the result any more that was seen.
        """
        from napari_sa2va.batch.verdicts import ResultChanged, Verdicts
        from napari_sa2va.project.folder import save

        verdicts = Verdicts(self._folder)
        try:
            # Before: what somebody has saved of the newer result is not to be replaced.
            verdicts.check(seen, edits=False)
            home = verdicts.project_of(seen.unit.unit_id)
            home.parent.mkdir(exist_ok=True)
            save(project, home, view=view)
            return verdicts.set(seen.unit.unit_id, "edit", note, seen=seen)
        except ResultChanged as error:
            raise ResultChanged(
                error.message, "To keep your masks, save them as a project; then stop editing."
            ) from error
