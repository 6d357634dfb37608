"""Workers: they take what is longest and fits, and one bad movie never stops the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Lock, Thread, Timer
from time import monotonic, sleep

import pytest

from napari_sa2va._tests.light_units import KEY, note_down, numbered, outcome, slowly, unit
from napari_sa2va._tests.made_units import anywhere, made_folder
from napari_sa2va.batch.conduct import conduct
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.batch.history import Claim
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.outcome import Outcome
from napari_sa2va.batch.remove import remove
from napari_sa2va.batch.roster import Roster
from napari_sa2va.batch.task import Task
from napari_sa2va.batch.unit import Facts
from napari_sa2va.batch.worker import Worker
from napari_sa2va.core.cancel import CancelToken
from napari_sa2va.core.errors import ClipError
from napari_sa2va.pipeline.estimate import foretell
from napari_sa2va.settings import ModelSettings, RunSettings


def _worker(folder: BatchFolder, name: str = "w", **more: object) -> Worker:
    given = {"do": note_down, "fits": anywhere, "idle_s": 0.0} | more
    return Worker(BatchFolder.open(folder.path), name, **given)


def _states(folder: BatchFolder) -> dict[str, str]:
    return {i: standing.state for i, standing in folder.standings().items()}


def _until(happens: Callable[[], bool], limit_s: float = 20.0) -> None:
    end = monotonic() + limit_s
    while not happens():
        assert monotonic() < end, "it did not happen in time"
        sleep(0.01)


def test_a_worker_does_the_longest_first_and_each_once(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(5))
    order: list[str] = []

    def do(task: Task) -> Outcome:
        order.append(task.unit.unit_id)
        return outcome(task)

    _worker(folder, do=do).run()
    assert order == ["u004", "u003", "u002", "u001", "u000"]
    assert set(_states(folder).values()) == {"done"}
    _worker(folder, do=do).run()
    assert len(order) == 5


def test_many_workers_do_each_unit_once(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(60))
    threads = [Thread(target=_worker(folder, f"w{i}").run) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    marks = [path.name for path in folder.path.glob("work/*/did-*")]
    assert len(marks) == 60
    assert {mark.split("-")[1] for mark in marks} == {"1"}


def test_what_fails_is_tried_again_up_to_the_limit_and_stops_nothing(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(4), attempts=3)
    tried: list[str] = []

    def do(task: Task) -> Outcome:
        tried.append(task.unit.unit_id)
        if task.unit.unit_id == "u003":
            raise ClipError("u003 is truncated.", "Copy it again.")
        if task.unit.unit_id == "u002":
            raise ZeroDivisionError("by nothing")
        if task.unit.unit_id == "u001" and task.generation == 1:
            return outcome(task, "failed", cause="the drive was away")
        return outcome(task)

    _worker(folder, do=do).run()
    assert _states(folder) == {"u000": "done", "u001": "done", "u002": "failed", "u003": "failed"}
    assert [tried.count(f"u00{i}") for i in range(4)] == [1, 2, 3, 3]
    standings = folder.standings()
    assert standings["u003"].cause == "u003 is truncated."
    assert standings["u003"].outcome.hint == "Copy it again."
    assert "ZeroDivisionError: by nothing" in standings["u002"].cause


def test_a_worker_that_is_asked_to_stop_leaves_its_unit_to_be_done(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(3))
    stop = CancelToken()

    def do(task: Task) -> Outcome:
        stop.cancel()
        while not task.cancel.cancelled:
            sleep(0.01)
        return outcome(task, "stopped")

    _worker(folder, do=do, stop=stop).run()
    assert set(_states(folder).values()) == {"waiting"}
    assert folder.standings()["u002"].outcome.state == "stopped"
    assert Roster(folder.path / "workers").read()[0][0].state == "left"
    _worker(folder).run()
    assert set(_states(folder).values()) == {"done"}
    assert folder.standings()["u002"].attempts == 0


def test_a_pause_stops_the_unit_in_work_and_the_worker_waits_until_it_ends(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(30))
    thread = Thread(target=_worker(folder, do=slowly, idle_s=60.0).run)
    thread.start()
    _until(lambda: "running" in _states(folder).values())
    folder.pause()
    roster = Roster(folder.path / "workers")
    _until(lambda: [card.state for card, _ in roster.read()] == ["paused"])
    assert "running" not in _states(folder).values()
    before = list(_states(folder).values()).count("done")
    assert before < 30
    folder.resume()
    thread.join(60)
    assert set(_states(folder).values()) == {"done"}


def test_a_cancelled_batch_lets_its_workers_leave(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(30))
    thread = Thread(target=_worker(folder, do=slowly, idle_s=60.0).run)
    thread.start()
    _until(lambda: "running" in _states(folder).values())
    folder.cancel()
    thread.join(20)
    assert not thread.is_alive()
    assert "waiting" in _states(folder).values()


def test_what_is_too_large_waits_for_memory_and_is_said_to_be_unfit_at_the_end(
    tmp_path: Path,
) -> None:
    folder = made_folder(tmp_path / "b", *numbered(3))
    folder.add_facts(
        Facts(unit_id=f"u00{i}", key=KEY, seconds=i + 1.0, need_bytes=10**i) for i in range(3)
    )
    seen: list[str] = []

    def fits(facts: Facts, device: str, beside: Sequence[Claim]) -> str:
        return "It needs 100 bytes, and there are 50." if facts.need_bytes > 50 else ""

    def do(task: Task) -> Outcome:
        seen.append(task.unit.unit_id)
        return outcome(task)

    _worker(folder, do=do, fits=fits).run()
    assert seen == ["u001", "u000"]
    standing = folder.standings()["u002"]
    assert (standing.state, standing.cause) == ("unfit", "It needs 100 bytes, and there are 50.")


def test_what_is_too_large_may_be_taken_out_of_the_batch_at_any_moment(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(2))
    folder.add_facts(Facts(unit_id=f"u00{i}", key=KEY, need_bytes=100) for i in range(2))

    def fits(facts: Facts, device: str, beside: Sequence[Claim]) -> str:
        if "u001" in folder.units():
            remove(folder, ["u001"])
        return "It needs 100 bytes, and there are 50."

    _worker(folder, fits=fits).run()
    assert _states(folder) == {"u000": "unfit"}


def test_what_does_not_fit_beside_others_is_taken_when_they_are_done(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", unit("large"), unit("small"))
    folder.add_facts([Facts(unit_id="large", key=KEY, seconds=9.0, need_bytes=100)])
    other = folder.runs.take("small", 1, claim_here("other", need_bytes=60))

    def fits(facts: Facts, device: str, beside: Sequence[Claim]) -> str:
        held = sum(claim.need_bytes for claim in beside)
        return "too large" if facts.need_bytes + held > 120 else ""

    worker = _worker(folder, fits=fits)
    assert not worker.step()
    assert _states(folder)["large"] == "waiting"
    other.finish(Outcome(unit_id="small", generation=1, state="done", key=KEY))
    assert worker.step()
    assert _states(folder)["large"] == "done"


def test_two_workers_that_look_at_the_same_moment_do_not_count_on_the_same_memory(
    tmp_path: Path,
) -> None:
    folder = made_folder(tmp_path / "b", *numbered(2))
    folder.add_facts(Facts(unit_id=f"u00{i}", key=KEY, need_bytes=60) for i in range(2))
    both_looked, at_once = Barrier(2), Lock()

    def fits(facts: Facts, device: str, beside: Sequence[Claim]) -> str:
        with suppress(BrokenBarrierError):  # once each has seen that there is room
            both_looked.wait(0.3)
        left = 100 - sum(claim.need_bytes for claim in beside)
        return "" if facts.need_bytes <= left else f"There are {left} bytes."

    def do(task: Task) -> Outcome:
        assert at_once.acquire(blocking=False)
        sleep(1.0)
        at_once.release()
        return note_down(task)

    workers = [_worker(folder, f"w{i}", do=do, fits=fits, idle_s=60.0) for i in range(2)]
    threads = [Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(_states(folder).values()) == {"done"}
    assert [standing.generation for standing in folder.standings().values()] == [1] * 2


def test_memory_counts_as_this_device_needs_it_and_not_as_that_of_who_looked(
    tmp_path: Path,
) -> None:
    folder = made_folder(tmp_path / "b", *numbered(2))
    size = {"key": KEY, "num_frames": 10, "height": 64, "width": 64, "need_bytes": 10**15}
    float32, bfloat16 = "; ".join(["float32"] * 3), "bfloat16; bfloat16; float32"
    folder.add_facts(
        [Facts(unit_id="u000", formats=float32, **size), Facts(unit_id="u001", formats=bfloat16, **size)]
    )  # fmt: skip
    settings = RunSettings(model=ModelSettings(name="nano", device="cpu"))
    digest = digest_of(settings)
    folder.add(numbered(2, settings=digest), {digest: settings})
    asked: dict[str, tuple[int, str]] = {}

    def fits(facts: Facts, device: str, beside: Sequence[Claim]) -> str:
        asked[facts.unit_id] = facts.need_bytes, device
        return ""

    def do(task: Task) -> Outcome:
        claim = task.folder.standings()[task.unit.unit_id].claim
        assert claim.need_bytes == asked[task.unit.unit_id][0]
        return note_down(task)

    _worker(folder, do=do, fits=fits).run()
    assert set(_states(folder).values()) == {"done"}
    assert asked["u000"] == (10**15, "cpu")
    about = foretell(settings, num_frames=10, height=64, width=64)
    assert asked["u001"] == (about.num_bytes, "cpu")


def test_a_unit_that_merges_waits_until_its_parts_have_ended(tmp_path: Path) -> None:
    parts = [unit("whole-1", num_bytes=1), unit("whole-2", num_bytes=2)]
    whole = unit("whole", num_bytes=50, parts=("whole-1", "whole-2"))
    folder = made_folder(tmp_path / "b", whole, *parts)
    order: list[str] = []

    def do(task: Task) -> Outcome:
        order.append(task.unit.unit_id)
        return outcome(task)

    _worker(folder, do=do).run()
    assert order == ["whole-2", "whole-1", "whole"]


def test_a_unit_that_merges_waits_for_parts_that_a_network_drive_does_not_show_yet(
    tmp_path: Path,
) -> None:
    whole = unit("whole", parts=("whole-1",))
    folder = made_folder(tmp_path / "b", unit("whole-1"), whole)
    lines = folder.path / "units.jsonl"
    shown = lines.read_bytes()
    hidden = shown.index(b"\n") // 2
    lines.write_bytes(bytes(hidden) + shown[hidden:])
    worker = _worker(folder)
    assert not worker.step()
    lines.write_bytes(shown)
    worker.run()
    assert _states(folder) == {"whole-1": "done", "whole": "done"}
    assert folder.standings()["whole"].generation == 1


_WORKER = """
import sys
from napari_sa2va._tests.light_units import slowly
from napari_sa2va._tests.made_units import anywhere
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.kept_settings import digest_of
from napari_sa2va.batch.worker import Worker
Worker(BatchFolder.open(sys.argv[1]), sys.argv[2], do=slowly, fits=anywhere, idle_s=30).run()
"""


def test_the_unit_of_a_killed_worker_is_done_by_another(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(12), attempts=3)
    first, second = (
        subprocess.Popen([sys.executable, "-c", _WORKER, str(folder.path), name])
        for name in ("first", "second")
    )

    def first_has_one() -> bool:
        claims = [s.claim for s in folder.standings().values() if s.claim is not None]
        return any(claim.worker == "first" for claim in claims)

    _until(first_has_one, 60)
    first.kill()
    first.wait()
    assert second.wait(60) == 0
    assert set(_states(folder).values()) == {"done"}
    assert sorted(s.generation for s in folder.standings().values())[-2:] == [1, 2]


def test_a_worker_that_was_taken_for_dead_says_nothing_of_the_unit(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", unit("a"), stale_s=0.6)

    def do(task: Task) -> Outcome:
        taken = folder.runs.take("a", 2, claim_here("other"))
        _until(lambda: task.cancel.cancelled)  # the heart finds out
        taken.finish(Outcome(unit_id="a", generation=2, state="nothing", key=KEY))
        return outcome(task, "done")

    _worker(folder, do=do).run()
    standing = folder.standings()["a"]
    assert (standing.state, standing.generation) == ("nothing", 2)


def test_progress_is_told_while_the_work_is_on(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", unit("a"))
    seen: list[tuple[str, int, int]] = []

    def do(task: Task) -> Outcome:
        task.tell("tracking", 3, 9)

        def is_told() -> bool:
            claim = folder.standings()["a"].claim
            seen.append((claim.stage, claim.frames_done, claim.frames_planned))
            return seen[-1] == ("tracking", 3, 9)

        _until(is_told)
        return outcome(task)

    _worker(folder, do=do).run()
    assert seen[-1] == ("tracking", 3, 9)


class _Threads:
    """Workers in threads of this process, as an engine."""

    def __init__(self, number: int) -> None:
        self._number = number

    def crew(self, folder: BatchFolder) -> _Threads:
        self._folder = folder
        return self

    def __enter__(self) -> _Threads:
        self._stop = CancelToken()
        self._threads = [
            Thread(target=_worker(self._folder, f"w{i}", do=slowly, stop=self._stop).run)
            for i in range(self._number)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.cancel()
        for thread in self._threads:
            thread.join()

    def tend(self) -> None:
        pass

    @property
    def size(self) -> int:
        return sum(thread.is_alive() for thread in self._threads)


def test_the_client_tells_every_end_once_and_ends_when_nothing_is_left(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(6))
    looks = list(conduct(folder, _Threads(2), every_s=0.05))
    ended = [standing.unit_id for look in looks for standing in look.ended]
    assert sorted(ended) == sorted(folder.units())
    assert looks[-1].is_over
    assert looks[-1].workers == 0
    again = list(conduct(folder, _Threads(2), every_s=0.05))
    assert not any(look.ended for look in again)


def test_a_client_that_is_cancelled_stops_its_workers_politely(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(40))
    cancel = CancelToken()
    looks = []
    for look in conduct(folder, _Threads(1), cancel, every_s=0.05):
        looks.append(look)
        if len(looks) == 4:
            cancel.cancel()
    assert not looks[-1].is_over
    assert "running" not in _states(folder).values()


@pytest.mark.parametrize("watching", [True, False])
def test_workers_wait_for_more_units_only_while_somebody_watches(
    tmp_path: Path, watching: bool
) -> None:
    folder = made_folder(tmp_path / "b", unit("a"))
    thread = Thread(target=_worker(folder).run)
    if not watching:
        thread.start()
        thread.join(20)
        folder.add([unit("late")], {})
        assert _states(folder) == {"a": "done", "late": "waiting"}
        return
    with folder.watching():
        thread.start()
        _until(lambda: _states(folder)["a"] == "done")
        folder.add([unit("late")], {})
        _until(lambda: _states(folder)["late"] == "done")
    thread.join(20)
    assert not thread.is_alive()


def test_a_drive_that_is_away_for_a_while_costs_no_unit(tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    movies = [drive / f"m{i}.tif" for i in range(20)]
    folder = made_folder(tmp_path / "b", *[unit(m.stem, path=str(m)) for m in movies], attempts=2)

    def do(task: Task) -> Outcome:
        if not Path(task.unit.path).exists():
            raise ClipError(f"There is no file {task.unit.path}.")
        return outcome(task)

    thread = Thread(target=_worker(folder, do=do).run)
    thread.start()
    _until(lambda: any(s.generation for s in folder.standings().values()))
    drive.mkdir()  # while the worker rests
    for movie in movies:
        movie.touch()
    thread.join(60)
    assert set(_states(folder).values()) == {"done"}


def test_the_batch_folder_may_be_away_for_a_while(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(10))
    away = tmp_path / "away"
    thread = Thread(target=_worker(folder, do=slowly, idle_s=60.0).run)
    thread.start()
    _until(lambda: "done" in _states(folder).values())
    (folder.path / "runs").rename(away)
    sleep(0.5)  # the unit in work ends meanwhile
    away.rename(folder.path / "runs")
    thread.join(60)
    assert set(_states(folder).values()) == {"done"}
    assert {s.generation for s in folder.standings().values()} == {1}


def test_a_client_bears_that_the_folder_is_away(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", *numbered(10))
    away = tmp_path / "away"
    looks = conduct(folder, _Threads(1), every_s=0.05)
    next(looks)
    (folder.path / "runs").rename(away)
    Timer(0.5, lambda: away.rename(folder.path / "runs")).start()
    assert list(looks)[-1].is_over
    assert set(_states(folder).values()) == {"done"}


def test_what_came_of_a_unit_is_written_as_soon_as_the_disk_takes_it(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "b", unit("a"))
    runs, away = folder.path / "runs", tmp_path / "away"

    def do(task: Task) -> Outcome:
        runs.rename(away)
        runs.write_text("in the way")  # nothing can be written below a file

        def put_back() -> None:
            runs.unlink()
            away.rename(runs)

        Timer(1.0, put_back).start()
        return outcome(task)

    _worker(folder, do=do).run()
    standing = folder.standings()["a"]
    assert (standing.state, standing.generation) == ("done", 1)
