"""`napari-sa2va batch status`: how far a batch is, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import click

from napari_sa2va.batch.accounts import are_up_to_date
from napari_sa2va.batch.conduct import conduct
from napari_sa2va.batch.engines.engine import Crew, Engine
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.forecast import Forecast, forecast
from napari_sa2va.batch.overlaps import covered
from napari_sa2va.batch.roster import Card, Roster
from napari_sa2va.batch.wholes import parts_at_end, wholes
from napari_sa2va.cli.batch.progress import BatchProgress, holding_up, line_of
from napari_sa2va.cli.batch.words import (
    basis_of,
    causes_of,
    counted,
    counts_in_words,
    exit_code,
    in_json,
    number_of,
    print_json,
    print_problems,
    time_left,
)
from napari_sa2va.cli.interrupt import signals_cancel
from napari_sa2va.cli.main import DONE, INTERRUPTED
from napari_sa2va.core.shell_line import batch_line

if TYPE_CHECKING:
    from napari_sa2va.batch.standing import Standing

folder_argument = click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))

# A refusal that is older, in s, is of another try.
_RECENT_S = 3600.0


@click.command()
@folder_argument
@click.option("--units", "lists_units", is_flag=True, help="One line per unit.")
@click.option("--json", "as_json", is_flag=True, help="Print everything for other programs.")
@click.option("--follow", "-f", is_flag=True, help="Show progress until the batch has ended.")
def status(folder: Path, lists_units: bool, as_json: bool, follow: bool) -> int:
    """Say how far the batch in FOLDER is, on whatever machines it runs.

    It only reads the folder. With --follow, the exit code is that of the batch.

    \b
    napari-sa2va batch status night
    napari-sa2va batch status night --follow
    napari-sa2va batch status night --json
    """  # fmt: skip
    opened = BatchFolder.open(folder)
    code = _follow(opened) if follow else DONE
    standings = opened.standings()
    if as_json:
        print_json(_in_json(opened, standings))
        return code
    click.echo(_in_words(opened, standings))
    if lists_units:
        for standing in (standings | wholes(opened.units(), standings)).values():
            click.echo(line_of(standing))
    if causes := causes_of(standings):
        click.echo()
        print_problems(causes)
    return code


def _follow(folder: BatchFolder) -> int:
    """Look on until nothing is left, or Ctrl-C, which stops the looking only."""
    with signals_cancel("No longer looking on; the batch goes on.") as cancel:
        with BatchProgress(folder) as progress:
            for look in conduct(folder, _Onlooker(), cancel):
                progress.show(look)
        return (
            INTERRUPTED if cancel.cancelled else exit_code(wholes(folder.units(), look.standings))
        )


class _Onlooker(Engine):
    """Starts no workers: others do."""

    kind: str = "onlooker"

    @contextmanager
    def crew(self, folder: BatchFolder) -> Iterator[Crew]:
        yield _Others(folder)


class _Others:
    """Workers that somebody else has started."""

    def __init__(self, folder: BatchFolder) -> None:
        self._folder = folder

    @property
    def size(self) -> int:
        return _at_work(self._folder.standings())

    def tend(self) -> None:
        pass


def _at_work(standings: Mapping[str, Standing]) -> int:
    """How many workers have a unit."""
    return len({s.claim.worker for s in standings.values() if s.claim is not None})


def _left(folder: BatchFolder, standings: Mapping[str, Standing]) -> Forecast:
    return forecast(folder.units(), folder.facts(), standings, folder)


def _in_words(folder: BatchFolder, standings: Mapping[str, Standing]) -> str:
    left, workers = _left(folder, standings), _at_work(standings)
    units = folder.units()
    movies = wholes(units, standings)
    done, parts = parts_at_end(units, standings)
    of_parts = f" ({done} of {parts} parts have ended)" if done < parts else ""
    counts = counts_in_words(counted(movies))
    lines = [f"{folder.path}: {number_of(len(movies), 'unit')}: {counts}{of_parts}."]
    if words := time_left(left, workers):
        lines.append(f"A{words[1:]} left ({basis_of(left, workers)}).")
    lines += [line_of(s) for s in standings.values() if s.state == "running" or s.was_stopped]
    if folder.is_watching:
        lines.append("More movies may come: a command with --watch looks for them.")
    if held_up := holding_up(folder):
        lines.append(held_up)
    elif left.num_left and not workers and folder.is_tended and _may_pass(standings):
        lines.append(
            "Workers rest, for five minutes at most: what went wrong may pass, such as a drive that is "
            "away or a disk that is full. Then they try again."
        )
    elif left.num_left and not workers and folder.is_tended:
        lines.append("No worker has a unit now; the command that runs the batch starts workers.")
    elif left.num_left and not workers:
        lines.append(f"Nobody works on it now. Go on with it: {batch_line(folder.path)}")
    elif not left.num_left and not folder.is_tended and not are_up_to_date(folder, standings):
        lines.append(f"Write its table and report: {batch_line('report', folder.path)}")
    if overlap := covered(units, standings):
        lines.append(overlap.message)
    lines += [f"Refused: {card.why}" for card, age_s in _cards(folder)
              if card.state == "refused" and age_s < _RECENT_S]  # fmt: skip
    return "\n".join(lines)


def _may_pass(standings: Mapping[str, Standing]) -> bool:
    """Whether a unit waits because of something that is not its movie's fault."""
    return any(
        s.state == "waiting" and s.outcome is not None and s.outcome.passing
        for s in standings.values()
    )


def _in_json(folder: BatchFolder, standings: Mapping[str, Standing]) -> dict[str, object]:
    left, workers, facts = _left(folder, standings), _at_work(standings), folder.facts()
    units = folder.units()
    movies = wholes(units, standings)
    return {
        "folder": str(folder.path),
        "batch_id": folder.head.batch_id,
        "counts": counted(movies),
        "is_paused": folder.is_paused,
        "is_cancelled": folder.is_cancelled,
        "is_watching": folder.is_watching,
        "is_tended": folder.is_tended,
        "left": {**asdict(left), "workers": workers, "seconds_with_them": left.seconds_with(workers)},
        "causes": [in_json(cause) for cause in causes_of(standings)],
        "workers": [
            {**card.model_dump(mode="json"), "seen_s_ago": round(age_s, 1)}
            for card, age_s in _cards(folder)
        ],
        "units": [
            {
                "unit_id": unit_id,
                "movie": unit.movie,
                "parts": list(unit.parts),
                "state": movies.get(unit_id, standing).state,
                "attempts": standing.attempts,
                "cause": standing.cause,
                "claim": standing.claim and standing.claim.model_dump(mode="json"),
                "facts": facts[unit_id].model_dump(mode="json") if unit_id in facts else None,
                "outcome": standing.outcome and standing.outcome.model_dump(mode="json"),
            }
            for unit_id, unit in units.items()
            if (standing := standings.get(unit_id)) is not None
        ],
    }  # fmt: skip


def _cards(folder: BatchFolder) -> list[tuple[Card, float]]:
    """What workers say of themselves, with the age of each in s."""
    return [(card, time() - when) for card, when in Roster(folder.path / "workers").read()]
