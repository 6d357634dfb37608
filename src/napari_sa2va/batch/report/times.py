"""The part of a report about time: how many movies an hour, the slowest ones, and who worked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from napari_sa2va.analysis.value_axis import number_text
from napari_sa2va.batch.history import History
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.report.entries import Entry
from napari_sa2va.batch.report.page import by, table, text
from napari_sa2va.batch.report.plots import progress_plot
from napari_sa2va.models.jobs import gigabytes
from napari_sa2va.pipeline.estimate import duration

_SLOWEST = 10
_MOST_WORKERS = 40


@dataclass
class _Worker:
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return sum(o.seconds for o in self.outcomes)

    @property
    def frames(self) -> int:
        return sum(map(_frames, self.outcomes))

    @property
    def device(self) -> str:
        # A unit that failed early does not say which it would have been.
        return ", ".join(dict.fromkeys(o.device for o in self.outcomes if o.device))


def _frames(outcome: Outcome) -> int:
    """Frames that were done in this generation."""
    return max(0, outcome.frames - outcome.resumed_at)


def times(entries: Sequence[Entry], histories: Mapping[str, History]) -> str:
    """Throughput, the slowest movies, workers; nothing if nothing came to an end yet."""
    tried = [outcome for history in histories.values() for outcome in history.outcomes.values()]
    ended = [e for e in entries if e.is_complete and e.outcome and e.outcome.ended]
    if not tried:
        return ""
    parts = ['<h2 id="times">Time</h2>\n', _throughput(ended, tried)]
    if len(ended) > 1:
        parts.append(_slowest(ended))
    return "".join([*parts, _workers(tried)])


def _throughput(ended: Sequence[Entry], tried: Sequence[Outcome]) -> str:
    begins = [datetime.fromisoformat(o.began) for o in tried if o.began]
    ends = sorted(datetime.fromisoformat(e.outcome.ended) for e in ended if e.outcome)
    worked = sum(o.seconds for o in tried)
    lost = sum(o.seconds for o in tried if o.state in ("failed", "unfit", "lost"))
    said = [f"Workers were busy for {duration(worked)} in all"]
    if lost >= 1:
        said.append(f", {duration(lost)} of it for units that failed")
    plot = ""
    if begins and ends:
        since = min(begins)
        hours = [max(0.0, (end - since).total_seconds() / 3600) for end in ends]
        wall = hours[-1]
        number = "1 movie" if len(ends) == 1 else f"{len(ends)} movies"
        said.append(
            f". {number} in {duration(wall * 3600)} from the first beginning to the last end"
        )
        if wall > 0 and len(ends) > 1:
            said.append(f", pauses included: {number_text(len(ends) / wall)} per hour")
        if len(ends) > 2:
            plot = progress_plot([h * 3600 for h in hours], "Movies done over time")
    return f"<p>{''.join(said)}.</p>\n{plot}"


def _slowest(ended: Iterable[Entry]) -> str:
    slowest = sorted(ended, key=lambda e: -(e.outcome.seconds if e.outcome else 0))[:_SLOWEST]
    columns = ["Slowest movies", "Time", "Frames", "Per frame", "Memory", "Worker"]
    rows = (
        [
            text(e.movie),
            duration(o.seconds),
            str(o.frames),
            f"{o.seconds / done:.2g} s" if (done := _frames(o)) else "",
            gigabytes(o.peak_bytes) if o.peak_bytes else "",
            text(o.worker),
        ]
        for e in slowest
        if (o := e.outcome) is not None
    )
    return table(columns, rows, numbers=("Time", "Frames", "Per frame", "Memory"))


def _workers(tried: Iterable[Outcome]) -> str:
    workers: dict[tuple[str, str], _Worker] = {}
    for outcome in tried:
        key = (outcome.worker, outcome.host.partition("/")[0])
        workers.setdefault(key, _Worker()).outcomes.append(outcome)
    busiest = sorted(workers.items(), key=lambda item: -item[1].seconds)
    columns = ["Worker", "Machine", "Device", "Units begun", "Busy", "Frames/s", "Memory"]
    listed = table(
        columns,
        (list(_worker(*key, worker)) for key, worker in busiest[:_MOST_WORKERS]),
        numbers=("Units begun", "Busy", "Frames/s", "Memory"),
        sortable=True,
    )
    more = len(busiest) - _MOST_WORKERS
    return listed + (f'<p class="muted">and {more} more workers</p>\n' if more > 0 else "")


def _worker(name: str, machine: str, worker: _Worker) -> Iterator[str]:
    yield text(name)
    yield text(machine)
    yield text(worker.device)
    yield by(len(worker.outcomes), str(len(worker.outcomes)))
    yield by(worker.seconds, duration(worker.seconds))
    rate = worker.frames / worker.seconds if worker.seconds else None
    yield by(rate, "" if rate is None else f"{rate:.3g}")
    peak = max(o.peak_bytes for o in worker.outcomes)
    yield by(peak, gigabytes(peak) if peak else "")
