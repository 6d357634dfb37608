"""How many workers share a device: a hill climb on what gets done."""

from pathlib import Path

import pytest

from napari_sa2va._tests.batch_hands import PULL, light_batch, times_done, work_off, workers_of
from napari_sa2va.batch.engines import Local, local, ramp
from napari_sa2va.batch.engines.ramp import Ramp, Tally
from napari_sa2va.batch.engines.tally import tally
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.host import here
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.unit import Facts


def settle(ramp: Ramp, speeds: dict[int, float], *, unit_s: float = 5.0) -> list[int]:
    """Let an hour go by on a device that does `speeds[n]` seconds of work in one with n workers.

    Returns the numbers of workers that there were, in order.
    """
    now, work, tried = 0.0, 0.0, [ramp.wanted]
    while not ramp.is_settled and now < 3600:
        now += 1.0
        work += speeds[ramp.wanted]
        ramp.see(Tally(now, work, int(work / unit_s), at_work=ramp.wanted))
        if ramp.wanted != tried[-1]:
            tried.append(ramp.wanted)
    return tried


def test_workers_are_added_while_each_brings_five_percent_and_the_last_one_goes_again() -> None:
    # 1.0 -> 1.6 is +60 %, 1.6 -> 1.9 +19 %, 1.9 -> 1.95 +2.6 %: three stay.
    assert settle(ramp := Ramp(8), {1: 1.0, 2: 1.6, 3: 1.9, 4: 1.95}) == [1, 2, 3, 4, 3]
    assert ramp.is_settled


def test_a_device_that_one_worker_fills_keeps_one() -> None:
    assert settle(ramp := Ramp(8), {1: 1.0, 2: 0.9}) == [1, 2, 1]
    assert ramp.is_settled


@pytest.mark.parametrize(("gain", "stay"), [(1.04, 1), (1.06, 2)])
def test_five_percent_decide(gain: float, stay: int) -> None:
    settle(ramp := Ramp(2), {1: 10.0, 2: 10.0 * gain})
    assert (ramp.is_settled, ramp.wanted) == (True, stay)


def test_never_more_than_allowed_and_of_one_nothing_is_tried() -> None:
    assert settle(Ramp(2), {1: 1.0, 2: 2.0}) == [1, 2]
    assert Ramp(1).is_settled


def test_nothing_is_decided_before_all_workers_have_a_unit_and_some_have_ended() -> None:
    ramp = Ramp(8)
    for now in range(100):  # it loads its network
        ramp.see(Tally(now, 0.0, 0, at_work=0))
    ramp.see(Tally(100, 0.0, 0, at_work=1))
    ramp.see(Tally(105, 5.0, 5, at_work=1))  # too short
    ramp.see(Tally(130, 30.0, 1, at_work=1))  # one unit is chance
    assert ramp.wanted == 1
    ramp.see(Tally(131, 31.0, 2, at_work=1))
    assert ramp.wanted == 2


def test_what_was_done_on_a_device_is_read_off_the_batch_folder(tmp_path: Path) -> None:
    folder = light_batch(tmp_path / "night", [""] * 4)
    keys = {unit_id: unit.key for unit_id, unit in folder.units().items()}
    folder.add_facts(
        Facts(unit_id=unit_id, key=keys[unit_id], seconds=seconds)
        for unit_id, seconds in (("0000", 10.0), ("0001", 30.0), ("0003", 1000.0))
    )

    def take(unit_id: str, worker: str, device: str):
        return folder.runs.take(unit_id, 1, claim_here(worker, device=device, key=keys[unit_id]))

    assert tally(folder, "cuda:0").units == 0
    done = take("0000", "a", "cuda:0")
    done.finish(
        Outcome(unit_id="0000", generation=1, state="done", key=keys["0000"], worker="a",
                host=here().name, device="cuda:0")
    )  # fmt: skip
    take("0001", "a", "cuda:0").beat(frames_done=20, frames_planned=100)
    take("0002", "b", "cuda:0")  # loads its network
    take("0003", "c", "cuda:1").beat(frames_done=1, frames_planned=2)
    seen = tally(folder, "cuda:0")
    # 10 s, and 20 of 100 frames of 30 s; b has not shown yet that it works.
    assert (seen.work_s, seen.units, seen.at_work) == (pytest.approx(16.0), 1, 1)


def test_processes_are_added_to_a_device_on_which_they_get_more_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LightLocal(Local):
        pull = PULL

    # A device on which units only sleep has room for any number of workers.
    monkeypatch.setattr(local, "gpus", lambda: ["cpu"])
    monkeypatch.setattr(local, "_MOST_PER_GPU", 2)
    monkeypatch.setattr(ramp, "_LEAST_S", 1.0)
    folder = light_batch(tmp_path / "night", ["sleep 0.4"] * 20)
    looks = work_off(folder, LightLocal())
    assert times_done(folder) == dict.fromkeys(folder.units(), 1)
    workers = [look.workers for look in looks]
    assert workers.index(1) < workers.index(2)
    assert len(workers_of(folder)) == 2
