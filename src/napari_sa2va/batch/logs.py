"""Logs for those who look after machines: a line per unit, and the same as JSON beside it.

Every worker writes two files of its own, so no two processes ever write to one. `merge` makes one log of
all of them. What Python's logging says goes into the text beside the lines of the units. Nothing here is
read by the batch itself.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.unit import Unit
from napari_sa2va.core.file_names import file_safe
from napari_sa2va.readers.person import person_at
from napari_sa2va.writers.paths import replacing

_log = logging.getLogger(__name__)

LEVELS = ("debug", "info", "warning", "error")
"""How much of what Python's logging says is written; lines of units always are."""

_FOLDER = "logs"
_US = "napari_sa2va"
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  ")
_INDENT = "    "  # of the second and later lines of what belongs together


class WorkerLog:
    """The log of one worker.

    Parameters
    ----------
    folder : Path
        Of the batch.
    worker : str
        Its name, which no other worker of the batch has.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._worker = worker
        name = file_safe(worker)
        self.text = folder / _FOLDER / f"{name}.txt"
        self.json = folder / _FOLDER / f"{name}.jsonl"

    def add(self, unit: Unit, outcome: Outcome) -> None:
        """Write down what came of a unit, without words that name a patient.

        A disk that is full does not undo what is done.
        """
        text, as_json = _lines_of(unit, outcome)
        with suppress(OSError):
            _append(self.text, text)
            _append(self.json, as_json)

    @contextmanager
    def listening(self, level: str = "warning") -> Iterator[None]:
        """Write what Python's logging says into the text log, as long as the block lasts.

        Parameters
        ----------
        level : {"debug", "info", "warning", "error"}
            From which level on. Other packages are heard from warnings on: what they say of every
            file would bury the rest.
        """
        self.text.parent.mkdir(parents=True, exist_ok=True)
        handler = _Handler(self.text, encoding="utf-8", delay=True)
        handler.setFormatter(_Formatter(self._worker))
        least = getattr(logging, level.upper())
        handler.addFilter(lambda r: r.levelno >= (least if _is_ours(r) else logging.WARNING))
        root, ours = logging.getLogger(), logging.getLogger(_US)
        before = ours.level
        root.addHandler(handler)
        ours.setLevel(least)
        try:
            yield
        finally:
            ours.setLevel(before)
            root.removeHandler(handler)
            handler.close()


def line_of(outcome: Outcome) -> str:
    """What came of a unit, in one line: time, worker, unit, state, frames, objects, seconds, cause.

    Examples
    --------
    >>> line_of(Outcome(unit_id="0007-movie", generation=1, state="done", key="", frames=120,
    ...     ended="2026-03-01T02:10:44+00:00", seconds=41.26, worker="box-1"))
    '2026-03-01T02:10:44Z  box-1  0007-movie  done  120 frames  0 of 0 objects  41.3 s'
    """
    found = sum(entry.frames_present > 0 for entry in outcome.objects)
    parts = [
        _stamp(outcome.ended),
        outcome.worker or "-",
        outcome.unit_id,
        outcome.state,
        f"{outcome.frames} frames",
        f"{found} of {len(outcome.objects)} objects",
        f"{outcome.seconds:.1f} s",
        " ".join(f"{outcome.cause} {outcome.hint}".split()),
    ]
    return "  ".join(part for part in parts if part)


def _lines_of(unit: Unit, outcome: Outcome) -> tuple[str, str]:
    """The line in the text and that in JSON, without words that name a patient."""
    said = {
        "time": _stamp(outcome.ended),
        **outcome.model_dump(mode="json"),
        **unit.model_dump(
            mode="json",
            include={"movie", "path", "sentences", "settings", "identity", "annotations"},
        ),
    }
    private = person_at(unit.path)
    as_json = json.dumps(private.redact_all(said), ensure_ascii=False)
    return private.redact(line_of(outcome)), as_json


def merge(folder: Path, ends: Iterable[tuple[Unit, Outcome]] = ()) -> None:
    """Make log.txt and log.jsonl of a batch folder of what its workers wrote, in order of time.

    Parameters
    ----------
    folder : Path
        Of the batch. The clocks of its machines are taken as they are.
    ends : iterable of (Unit, Outcome)
        What came of the units. Those of which no worker has written a line, for it was killed or the
        disk was full, get one.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    told = {
        (said.get("unit_id"), said.get("generation"))
        for log in _logs(folder, ".jsonl")
        for said, _ in _json_lines(log)
    }
    untold = [
        (_stamp(outcome.ended), *_lines_of(unit, outcome))
        for unit, outcome in ends
        if (outcome.unit_id, outcome.generation) not in told
    ]
    _merge(folder, ".txt", _text_entries, [(when, text) for when, text, _ in untold])
    _merge(folder, ".jsonl", _json_entries, [(when, as_json) for when, _, as_json in untold])


_Entry = tuple[str, str]  # time, text


def _logs(folder: Path, ending: str) -> list[Path]:
    return sorted((folder / _FOLDER).glob(f"*{ending}"))


def _merge(
    folder: Path,
    ending: str,
    entries_of: Callable[[Path], Iterator[_Entry]],
    more: Iterable[_Entry],
) -> None:
    written = chain.from_iterable(map(entries_of, _logs(folder, ending)))
    # All in memory, some kB per unit: an array job leaves more logs than a process may have open.
    entries = sorted(chain(written, more), key=lambda entry: entry[0])
    with (
        replacing(folder / f"log{ending}", overwrite=True) as path,
        path.open("w", encoding="utf-8", newline="\n") as out,
    ):
        out.writelines(f"{text}\n" for _, text in entries)


def _text_entries(log: Path) -> Iterator[_Entry]:
    """What begins with a time, with the lines below that do not, as those of a traceback."""
    entry: list[str] = []
    for line in _lines(log):
        begins = _TIME.match(line) is not None
        if begins and entry:
            yield entry[0].partition(" ")[0], "\n".join(entry)
            entry = []
        if begins or entry:
            entry.append(line)
    if entry:
        yield entry[0].partition(" ")[0], "\n".join(entry)


def _json_entries(log: Path) -> Iterator[_Entry]:
    for said, line in _json_lines(log):
        yield said["time"], line


def _json_lines(log: Path) -> Iterator[tuple[dict[str, str], str]]:
    """The lines that are whole: a process may have been killed while it wrote its last."""
    for line in _lines(log):
        said: object = None
        with suppress(ValueError, RecursionError):
            said = json.loads(line)
        if isinstance(said, dict) and isinstance(said.get("time"), str):
            yield said, line


def _lines(log: Path) -> Iterator[str]:
    """The lines of a log; one that cannot be read leaves the others as they are."""
    try:
        with log.open(encoding="utf-8", errors="replace", newline="\n") as file:
            yield from (line.rstrip("\r\n") for line in file)
    except OSError as error:
        _log.warning("%s cannot be read (%s).", log, error.strerror or error)


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(f"{line}\n")


class _Handler(logging.FileHandler):
    """Leaves out what a full disk does not take; Python would print a traceback for each message."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with suppress(OSError):  # it tries once more to write the last message
            super().close()


class _Formatter(logging.Formatter):
    """Lines like those of the units; what goes over several lines is indented from the second on."""

    def __init__(self, worker: str) -> None:
        super().__init__(f"%(asctime)s  {worker}  %(levelname)s  %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).strftime(_STAMP)

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", f"\n{_INDENT}")


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name == _US or record.name.startswith(f"{_US}.")


def _stamp(when: str) -> str:
    """A time in UTC and to the second, so that times sort as texts; now if none is given."""
    moment = datetime.fromisoformat(when) if when else datetime.now(UTC)
    return moment.astimezone(UTC).strftime(_STAMP)
