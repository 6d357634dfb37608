"""What the client of a batch tells of units that end and are taken up again before it looks."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_sa2va._tests.batch_hands import PULL, has_begun, light_batch, until
from napari_sa2va.batch.conduct import Look, conduct
from napari_sa2va.batch.engines import Local
from napari_sa2va.batch.engines.engine import Crew, Engine
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.cli.batch.progress import BatchProgress


class LightLocal(Local):
    pull = PULL


class Nobody(Engine):
    """Starts no workers."""

    kind: str = "nobody"
    size: int = 0

    @contextmanager
    def crew(self, folder: BatchFolder) -> Iterator[Crew]:
        yield self

    def tend(self) -> None:
        pass


def finish(folder: BatchFolder, generation: int, state: str, **more: object) -> None:
    """Be a worker that has a unit for no time."""
    unit = folder.units()["0000"]
    held = folder.runs.take("0000", generation, claim_here("w", key=unit.key))
    assert held is not None
    said = {"unit_id": "0000", "generation": generation, "state": state, "key": unit.key}
    held.finish(Outcome.model_validate(said | more))


def told(looks: list[Look]) -> list[tuple[str, str, str]]:
    return [(s.unit_id, s.state, s.cause) for look in looks for s in look.ended]


def test_a_failure_is_told_although_the_unit_is_in_work_again(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", ["sleep 0"])
    looks: list[Look] = []
    for look in conduct(folder, Nobody(), every_s=0.05):
        looks.append(look)
        if len(looks) == 1:
            finish(folder, 1, "failed", cause="The drive was away.")
            folder.runs.take("0000", 2, claim_here("w", key=folder.units()["0000"].key))
        if len(looks) == 3:
            assert look.standings["0000"].state == "running"
            folder.runs.note_vanished("w", "It was killed.")
            finish(folder, 3, "done")
    assert told(looks) == [("0000", "waiting", "The drive was away."), ("0000", "done", "")]


def test_whoever_looks_on_is_told_at_once_how_a_worker_ended(tmp_path: Path, capsys) -> None:
    folder = light_batch(tmp_path / "night", ["first 60"], stale_s=600)
    is_killed = False
    with BatchProgress(folder) as progress:
        for look in conduct(folder, LightLocal(workers=1), every_s=0.05):
            progress.show(look)
            if not is_killed and has_begun(folder, "0000"):
                claim = folder.standings()["0000"].claim
                assert claim is not None
                os.kill(claim.host.pid, signal.SIGKILL)
                until(lambda gone=claim.host: gone.is_gone)
                is_killed = True
    killed, done = capsys.readouterr().err.splitlines()
    assert "Its worker was ended by SIGKILL. (0 of 1)" in killed
    assert done.startswith("done")
