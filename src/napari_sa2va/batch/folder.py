"""The batch folder: everything that is known of a batch, for all who work on it or look at it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from napari_sa2va.batch.head import HEAD, BatchHead, read_head, write_head
from napari_sa2va.batch.history import History
from napari_sa2va.batch.kept_settings import KeptSettings
from napari_sa2va.batch.lines import Lines
from napari_sa2va.batch.presence import Presence
from napari_sa2va.batch.runs import Runs
from napari_sa2va.batch.standing import Standing, standing_of
from napari_sa2va.batch.unit import Facts, Unit
from napari_sa2va.core.errors import BatchError, OutputError
from napari_sa2va.core.file_lock import alone, locked
from napari_sa2va.settings import RunSettings

# Ten thousand files are planned within some seconds, on a slow drive within a minute or two.
_PLANNING_S = 300.0
_FOLDERS = ("settings", "runs", "work", "workers", "logs", "results")


class BatchFolder:
    """A batch folder. Many processes may have it open.

    Parameters
    ----------
    path : Path
        See `create` and `open`.
    head : BatchHead

    Attributes
    ----------
    path : Path
        Absolute.
    head : BatchHead
    runs : Runs
    """

    def __init__(self, path: Path, head: BatchHead) -> None:
        self.path = path
        self.head = head
        self.runs = Runs(path / "runs", stale_s=head.stale_s)
        self._units = Lines(
            path / "units.jsonl",
            Unit,
            stored=lambda unit: unit.stored_in(path),
            read=lambda unit: unit.read_in(path),
        )
        self._facts = Lines(path / "facts.jsonl", Facts)
        self._settings = KeptSettings(path / "settings")
        self._standings: dict[str, tuple[Unit, tuple[int, ...] | None, Standing]] = {}
        self._watchers = Presence(path, "watching", stale_s=head.stale_s)
        self._clients = Presence(path, "client", stale_s=head.stale_s)

    @classmethod
    def create(cls, path: str | os.PathLike[str], head: BatchHead) -> BatchFolder:
        """Make a batch folder that has no units yet; of several who try at once, one does.

        Raises
        ------
        BatchError
            If there is one already, or it cannot be made.
        OutputError
            If it cannot be written.
        """
        path = Path(path).expanduser().absolute()
        try:
            for name in _FOLDERS:
                (path / name).mkdir(parents=True, exist_ok=True)
            with alone(path / HEAD, BatchError):
                if cls.is_one(path):
                    raise BatchError(
                        f"{path} is a batch folder already.", "Open it, or choose another."
                    )
                write_head(path, head)  # last: whoever sees it finds everything there
        except OSError as error:
            raise BatchError(
                f"The batch folder {path} cannot be made ({error.strerror or error}).",
                "Choose a place where you may write.",
            ) from error
        return cls(path, head)

    @classmethod
    def open_or_create(cls, path: str | os.PathLike[str], head: BatchHead) -> BatchFolder:
        """Open a batch folder, which is made with a head if there is none; see `create`."""
        try:
            return cls.create(path, head)
        except BatchError:
            if not cls.is_one(path):
                raise
        return cls.open(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> BatchFolder:
        """Open a batch folder.

        Raises
        ------
        BatchError
            If it is none, is damaged, or was made by a newer version.
        """
        path = Path(path).expanduser().absolute()
        return cls(path, read_head(path))

    @staticmethod
    def is_one(path: str | os.PathLike[str]) -> bool:
        """Whether a path is a batch folder."""
        return (Path(path) / HEAD).is_file()

    @staticmethod
    def may_be_one(path: str | os.PathLike[str]) -> bool:
        """Whether a path is a batch folder, is being made one, or has no files of others in it.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
            is_free = all(map(_is_begun, entries))
            # Looked at last: nothing else comes into a batch folder before its head is there.
            return is_free or BatchFolder.is_one(path)
        return True

    def change_head(self, **changed: object) -> None:
        """Change the head as it is now, which another process may have written.

        Parameters
        ----------
        **changed
            Fields of `BatchHead`. Weights are added to those of other models.

        Raises
        ------
        BatchError
            If the head cannot be read.
        OutputError
            If it cannot be written.
        """
        try:
            with alone(self.path / HEAD, BatchError):
                now = read_head(self.path)
                head = BatchHead.model_validate(now.model_dump() | changed)
                self.head = head.model_copy(update={"weights": now.weights | head.weights})
                self._standings.clear()
                write_head(self.path, self.head)
        except OSError as error:
            raise OutputError(
                f"{self.path / HEAD} cannot be written ({error.strerror or error}).",
                "Is the disk there, and may you write to it?",
            ) from error

    # Units

    def add(self, units: Iterable[Unit], settings: Mapping[str, RunSettings]) -> None:
        """Add units, or replace those with the same ids.

        Parameters
        ----------
        units : iterable of Unit
        settings : mapping of str to RunSettings
            By digest (`digest_of`), at least those that the units name.
        """
        self._settings.add(settings)
        self._units.append(units)

    def units(self) -> Mapping[str, Unit]:
        """All units by id, in the order in which they were added.

        Neither parts of a movie that is no longer split like that are among them, nor what was
        taken out of the batch.
        """
        return {unit_id: unit for unit_id, unit in self.units_ever().items() if not unit.removed}

    def units_ever(self) -> Mapping[str, Unit]:
        """The same with units that were taken out, for those who give ids to new ones."""
        units = self._units.read()
        parts = {part for unit in units if not unit.removed for part in unit.parts}
        return {u.unit_id: u for u in units if u.part is None or u.unit_id in parts}

    def settings_of(self, unit: Unit, device: str = "") -> RunSettings:
        """The settings of a unit.

        Parameters
        ----------
        unit : Unit
        device : str
            To run on instead of what they say, if it is not empty.

        Raises
        ------
        BatchError
            If the folder does not have them any more.
        """
        settings = self._settings.of(unit)
        if not device:
            return settings
        model = settings.model.model_copy(update={"device": device})
        return settings.model_copy(update={"model": model})

    def add_facts(self, facts: Iterable[Facts]) -> None:
        """Add what opening movies told; the latest of a unit holds."""
        self._facts.append(facts)

    def facts(self) -> Mapping[str, Facts]:
        """What is known of the movies, by unit; facts of a unit as it was before are left out."""
        units = self.units()
        return {
            f.unit_id: f
            for f in self._facts.read()
            if f.unit_id in units and units[f.unit_id].key == f.key
        }

    def standings(self) -> dict[str, Standing]:
        """Where every unit stands, by id, in the order in which they were added.

        Raises
        ------
        OSError
            If the folder cannot be read: it may be on a network drive that is away.
        """
        histories = self.runs.scan()
        return {
            unit_id: self._standing_of(unit, histories.get(unit_id))
            for unit_id, unit in self.units().items()
        }

    def _standing_of(self, unit: Unit, history: History | None) -> Standing:
        """See `standing_of`; of ten thousand units, few have changed since the last look."""
        mark = None if history is None else history.mark
        known = self._standings.get(unit.unit_id)
        if known is not None and known[0] is unit and known[1] == mark:
            return known[2]
        standing = standing_of(unit, history, attempts=self.head.attempts)
        if history is None or not history.claims:  # a claim tells of progress at every look
            self._standings[unit.unit_id] = unit, mark, standing
        return standing

    # Places

    def work_of(self, unit_id: str) -> Path:
        """Where a unit keeps what it has so far."""
        return self.path / "work" / unit_id

    @property
    def results(self) -> Path:
        """Where outputs go that nobody gave another place."""
        return self.path / "results"

    # What people ask of all workers

    def pause(self) -> None:
        """Let workers stop after the frame in work, and wait."""
        self._mark("pause")

    def cancel(self) -> None:
        """Let workers stop after the frame in work, and leave."""
        self._mark("cancel")

    def resume(self) -> None:
        """Take a pause or a cancel back."""
        for name in ("pause", "cancel"):
            (self.path / name).unlink(missing_ok=True)

    @property
    def is_paused(self) -> bool:
        """Whether workers are to wait."""
        return (self.path / "pause").exists()

    @property
    def is_cancelled(self) -> bool:
        """Whether workers are to leave."""
        return (self.path / "cancel").exists()

    def watching(self) -> AbstractContextManager[None]:
        """While more units may come: workers that have nothing to do wait for them."""
        return self._watchers.joined()

    @property
    def is_watching(self) -> bool:
        """Whether more units may come."""
        return self._watchers.any

    def tending(self) -> AbstractContextManager[None]:
        """While a client is there, which keeps workers at work and gives the account at the end."""
        return self._clients.joined()

    @property
    def is_tended(self) -> bool:
        """Whether there is one."""
        return self._clients.any

    @contextmanager
    def planning(self) -> Iterator[None]:
        """While units are compared with those of the folder and added: one process at a time.

        Raises
        ------
        BatchError
            If another one takes too long.
        """
        with locked(self.path / ".planning.lock", wait_s=_PLANNING_S) as is_ours:
            if not is_ours:
                raise BatchError(
                    f"Another process is adding movies to {self.path.name}.",
                    "Wait until it has finished, and try again.",
                )
            yield

    def retry(self, unit_ids: Iterable[str]) -> list[str]:
        """Let units be done again: those that failed, and those that are done, if they are named.

        With a unit that merges parts go those of its parts that failed, and with a part the unit
        that merges it, however far that is.

        Returns
        -------
        list of str
            Those that will be; not the ones that are waiting or being worked on.

        Raises
        ------
        BatchError
            If there is no such unit.
        """
        standings, units = self.standings(), self.units()
        # More may have come meanwhile, and a drive may show some lines of units later than others.
        merged_by = {
            p: u.unit_id for u in units.values() for p in u.parts if u.unit_id in standings
        }
        asked: dict[str, None] = {}
        for unit_id in unit_ids:
            if unit_id not in standings:
                raise BatchError(
                    f"There is no unit {unit_id!r} in {self.path.name}.",
                    "`napari-sa2va batch status FOLDER` lists them.",
                )
            parts = [standings[i] for i in units[unit_id].parts if i in standings]
            broken = [part.unit_id for part in parts if part.state in ("failed", "unfit")]
            asked |= {i: None for i in (unit_id, *broken) if standings[i].is_at_end}
        wholes = {merged_by.get(i, i): None for i in asked if i in merged_by or units[i].parts}
        # Parts first: as long as one of them is not at its end, nobody begins to merge them.
        for one in asked:
            if one not in wholes:
                self.runs.forgive(one, standings[one].generation)
        # What was merged, even if it is not written yet, is of the parts as they were.
        now = self.runs.scan()
        for one in wholes:
            if one in now:
                self.runs.forgive(one, now[one].generation)
        return list(asked | {one: None for one in wholes if standings[one].is_at_end})

    def _mark(self, name: str) -> None:
        try:
            (self.path / name).touch()
        except OSError as error:
            raise BatchError(
                f"Nothing can be written into {self.path} ({error.strerror or error}).",
                "Is the disk there, and may you write to it?",
            ) from error


def _is_begun(entry: os.DirEntry[str]) -> bool:
    """Whether something is there before a batch folder has its head."""
    if entry.name in _FOLDERS:
        return entry.is_dir() and not os.listdir(entry)
    return entry.name.startswith(f".{Path(HEAD).stem}")  # a lock, or half written
