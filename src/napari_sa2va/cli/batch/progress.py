"""A batch on the terminal while it runs: bars where there is a terminal, else a line per unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import shorten
from time import monotonic
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from napari_sa2va.batch.forecast import forecast
from napari_sa2va.batch.wholes import wholes
from napari_sa2va.cli.batch.words import counted, counts_in_words, time_left
from napari_sa2va.core.shell_line import batch_line
from napari_sa2va.pipeline.estimate import duration

if TYPE_CHECKING:
    from napari_sa2va.batch.conduct import Look
    from napari_sa2va.batch.folder import BatchFolder
    from napari_sa2va.batch.standing import Standing

# Units in work that have a bar; a cluster has more than a terminal has lines.
_MOST_BARS = 8
_LONGEST_NAME = 40
# Time left is worked out so often, in s.
_EVERY_S = 5.0


class BatchProgress:
    """Shows looks at a batch on standard error, as a context manager.

    Parameters
    ----------
    folder : BatchFolder
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, folder: BatchFolder, *, quiet: bool = False) -> None:
        self._folder = folder
        self._quiet = quiet
        self._console = Console(stderr=True, quiet=quiet, highlight=False, markup=False)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}", markup=False),
            console=self._console,
            transient=True,  # what came of it is told in words
            disable=quiet or not self._console.is_terminal,
        )
        self._whole = self._bars.add_task("units", total=None, said="")
        self._each: dict[str, TaskID] = {}
        self._left, self._asked = "", -_EVERY_S
        self._held_up = ""

    def __enter__(self) -> BatchProgress:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def show(self, look: Look) -> None:
        """Show how things stand."""
        units = self._folder.units()
        movies = wholes(units, look.standings)
        if look.is_over:
            self._left = ""
        elif monotonic() - self._asked > _EVERY_S:
            left = forecast(units, self._folder.facts(), look.standings)
            words = time_left(left, look.workers)
            self._left, self._asked = f"; {words} left" if words else "", monotonic()
        self._tell_of_holding_up()
        parts = {i: s for i, s in look.standings.items() if i not in movies}
        self._tell_of_ended(look.ended, parts, " parts")
        self._tell_of_ended(look.ended, movies)
        if self._bars.disable:
            return
        counts = counted(movies)
        counts["waiting"] = 0  # that is what the bar says
        said = f"{counts_in_words(counts) if any(counts.values()) else ''}{self._left}"
        self._bars.update(self._whole, completed=_at_end(movies), total=len(movies), said=said)
        self._show_units([s for s in look.standings.values() if s.state == "running"])

    def _show_units(self, running: list[Standing]) -> None:
        shown = {standing.unit_id: standing for standing in running[:_MOST_BARS]}
        for unit_id in self._each.keys() - shown.keys():
            self._bars.remove_task(self._each.pop(unit_id))
        for unit_id, standing in shown.items():
            claim = standing.claim
            if claim is None:
                continue
            if unit_id not in self._each:
                name = shorten(unit_id, _LONGEST_NAME, placeholder="…")
                self._each[unit_id] = self._bars.add_task(f"  {name}", total=None, said="")
            self._bars.update(
                self._each[unit_id],
                completed=claim.frames_done,
                total=claim.frames_planned or None,
                said=claim.stage,
            )

    def _tell_of_holding_up(self) -> None:
        """Say once that somebody has paused or cancelled the batch, or taken that back."""
        held_up = holding_up(self._folder)
        if held_up != self._held_up:
            self._held_up = held_up
            self._console.print(held_up or "It goes on.", soft_wrap=True)

    def _tell_of_ended(
        self, ended: Iterable[Standing], among: Mapping[str, Standing], what: str = ""
    ) -> None:
        """Tell of those among some units that ended since the last look, counting on."""
        new = {standing.unit_id: standing for standing in ended if standing.unit_id in among}
        # Of several some may have failed, and be tried again.
        number = _at_end(among) - _at_end(new)
        for standing in new.values():
            number += standing.is_at_end
            self._tell(standing, f"{number} of {len(among)}{what}")

    def _tell(self, standing: Standing, place: str) -> None:
        """A line for a unit that came to an end; on a terminal only if something went wrong."""
        line = line_of(standing)
        if not self._bars.disable:
            if standing.cause:
                self._console.print(line)
        elif not self._quiet:
            click.echo(f"{line} ({place}{self._left})", err=True)


def _at_end(standings: Mapping[str, Standing]) -> int:
    return sum(standing.is_at_end for standing in standings.values())


def holding_up(folder: BatchFolder) -> str:
    """What somebody has asked of all workers, and how to take it back; empty if they may work."""
    if folder.is_cancelled:
        return f"It is cancelled. Go on with it: {batch_line(folder.path)}"
    if folder.is_paused:
        return f"It is paused. Go on with it: {batch_line('resume', folder.path)}"
    return ""


def line_of(standing: Standing) -> str:
    """What came of a unit, or where it stands, for people."""
    outcome, claim = standing.outcome, standing.claim
    if claim is not None:
        planned = f" of {claim.frames_planned}" if claim.frames_planned else ""
        words = [f"{claim.frames_done}{planned} frames", claim.stage, f"on {claim.worker}"]
    elif outcome is not None and outcome.is_complete:
        found = sum(entry.frames_present > 0 for entry in outcome.objects)
        words = [
            f"{outcome.frames} frames",
            f"{found} of {len(outcome.objects)} objects",
            duration(outcome.seconds),
        ]
    else:
        so_far = outcome is not None and not standing.is_anew and outcome.frames
        words = [f"{so_far} frames so far" if so_far else "", standing.cause]
    return f"{standing.state:<8} {standing.unit_id}  {', '.join(filter(None, words))}".rstrip()
