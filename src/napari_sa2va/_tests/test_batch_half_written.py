"""Claims and outcomes that were not written to their end, as drives without hard links may show them."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any
from unittest.mock import patch

import pytest

from napari_sa2va._tests.light_units import KEY
from napari_sa2va.batch.exclusive import create_exclusively
from napari_sa2va.batch.held import Superseded, claim_here
from napari_sa2va.batch.history import Claim
from napari_sa2va.batch.host import Host, here
from napari_sa2va.batch.outcome import ObjectOutcome, Outcome
from napari_sa2va.batch.runs import Runs

DONE = Outcome(unit_id="a", generation=1, state="done", key=KEY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "runs"
    made.mkdir()
    return made


@pytest.fixture
def unlinked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drive knows no second name of a file."""

    def link(*paths: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


@contextmanager
def full_disk() -> Iterator[None]:
    """No room for what is created exclusively, but for its name."""
    opened = Path.open

    def full(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        file = opened(path, mode, *more, **options)
        if mode == "x":
            file.close()
            return opened(Path("/dev/full"), "w", encoding="utf-8")
        return file

    with patch.object(Path, "open", full):
        yield


def _older(path: Path) -> None:
    os.utime(path, (time() - 70.0, time() - 70.0))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_what_a_full_disk_did_not_take_is_not_left_behind(folder: Path, unlinked: None) -> None:
    held = Runs(folder).take("a", 1, claim_here("w1", key=KEY))
    with full_disk():
        with pytest.raises(OSError, match="No space"):
            create_exclusively(folder / "b.1.claim", "{}")
        with pytest.raises(OSError, match="No space"):
            held.finish(DONE)
    assert os.listdir(folder) == ["a.1.claim"]
    held.finish(DONE)
    assert Runs(folder).scan()["a"].outcome.state == "done"


@pytest.mark.parametrize("text", ["", '{"unit_id": "a", "gener'], ids=["empty", "cut off"])
def test_a_worker_goes_on_beside_an_outcome_that_says_nothing_and_finishes(
    folder: Path, text: str
) -> None:
    runs = Runs(folder)
    held = runs.take("a", 1, claim_here("w1", key=KEY))
    (folder / "a.1.json").write_text(text)
    held.beat(frames_done=1)
    assert runs.scan()["a"].claim.frames_done == 1
    held.finish(DONE)
    assert runs.scan()["a"].outcome.state == "done"
    assert sorted(os.listdir(folder)) == ["a.1.claim", "a.1.json"]
    with pytest.raises(Superseded):
        held.finish(DONE)


@pytest.mark.parametrize("text", ["", '{"unit_id": "a", "gener'], ids=["empty", "cut off"])
def test_a_unit_whose_outcome_says_nothing_is_free_once_its_worker_is_silent(
    folder: Path, text: str
) -> None:
    runs = Runs(folder)
    elsewhere = Host(name="elsewhere", pid=1, started_s=0)
    runs.take("a", 1, Claim(worker="w1", host=elsewhere, key=KEY))
    (folder / "a.1.json").write_text(text)
    assert runs.scan()["a"].claim.worker == "w1"
    _older(folder / "a.1.claim")
    for reader in (runs, runs, Runs(folder)):
        history = reader.scan()["a"]
        assert (history.claim, list(history.lost), history.failures(KEY)) == (None, [1], 1)
    runs.take("a", 2, claim_here("w2", key=KEY)).finish(DONE.model_copy(update={"generation": 2}))
    assert runs.scan()["a"].outcome.generation == 2


def test_a_unit_whose_outcome_says_nothing_is_free_once_its_worker_is_gone(folder: Path) -> None:
    gone = here().model_copy(update={"started_s": 0.0})
    Runs(folder).take("a", 1, Claim(worker="w1", host=gone, key=KEY))
    (folder / "a.1.json").touch()
    assert list(Runs(folder).scan()["a"].lost) == [1]


def test_an_outcome_that_was_seen_half_written_is_read_at_the_next_look(folder: Path) -> None:
    runs = Runs(folder)
    runs.take("a", 1, claim_here("w1", key=KEY))
    text = DONE.model_dump_json()
    (folder / "a.1.json").write_text(text[:40])
    assert runs.scan()["a"].claim.worker == "w1"
    (folder / "a.1.json").write_text(text)
    assert runs.scan()["a"].outcome.state == "done"


def test_a_claim_that_was_seen_half_written_is_read_at_the_next_look(folder: Path) -> None:
    runs = Runs(folder)
    claim = claim_here("w1", key=KEY, need_bytes=10**9)
    (folder / "a.1.claim").touch()
    assert runs.scan()["a"].claim.worker == "?"
    (folder / "a.1.claim").write_text(claim.model_dump_json())
    assert runs.scan()["a"].claim == claim


def test_a_claim_that_was_taken_back_is_none(folder: Path) -> None:
    runs = Runs(folder)
    (folder / "a.1.claim").touch()
    assert runs.scan()["a"].claim.worker == "?"
    (folder / "a.1.claim").unlink()
    assert runs.scan() == {}
    assert runs.take("a", 1, claim_here("w2")) is not None
    assert runs.scan()["a"].claim.worker == "w2"


def test_what_newer_versions_say_beyond_what_is_known_is_passed_over(folder: Path) -> None:
    runs = Runs(folder)
    held = runs.take("a", 1, claim_here("w1", key=KEY, need_bytes=7))
    claim = json.loads((folder / "a.1.claim").read_text())
    claim["host"]["cluster"] = "north"
    (folder / "a.1.claim").write_text(json.dumps(claim | {"seat": 3}))
    assert runs.scan()["a"].claim.need_bytes == 7
    cell = ObjectOutcome(object_id=1, found=True)
    held.finish(DONE.model_copy(update={"objects": (cell,)}))
    outcome = json.loads((folder / "a.1.json").read_text())
    outcome["objects"][0]["median_score"] = 0.5
    (folder / "a.1.json").write_text(json.dumps(outcome | {"gpu_seconds": 3}))
    assert Runs(folder).scan()["a"].outcome.objects == (cell,)
