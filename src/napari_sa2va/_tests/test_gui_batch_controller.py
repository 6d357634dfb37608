"""What the panel asks of a batch folder, without a window: threads that may hang, and programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest

from napari_sa2va._tests.made_batches import batch_by_hand, finish
from napari_sa2va.batch.folder import BatchFolder
from napari_sa2va.batch.held import claim_here
from napari_sa2va.core.errors import BatchError
from napari_sa2va.gui.batch.controller import BatchController
from napari_sa2va.gui.batch.desk import Desk
from napari_sa2va.gui.batch.reader import FolderReader, Seen
from napari_sa2va.gui.batch.requests import reader_of
from napari_sa2va.gui.batch.scout import Scout
from napari_sa2va.gui.batch.view import Offers
from napari_sa2va.gui.batch.words import summary, who_works
from napari_sa2va.gui.request import Failed

PATIENCE_S = 120.0


class Watcher:
    """A panel that writes down what it is told."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.offers = Offers()
        self.errors: list[str] = []
        self.told: list[str] = []
        self.pictures: dict[str, bytes] = {}
        self.folders: list[Path | None] = []
        self.errand = ""
        self.files: list[Path] = []

    def show_seen(self, seen: Seen) -> None:
        self.rows |= {row.unit_id: row.state for row in seen.rows}
        for unit_id in seen.gone:
            del self.rows[unit_id]

    def show_offers(self, offers: Offers) -> None:
        self.offers = offers

    def show_picture(self, unit_id: str, png: bytes) -> None:
        self.pictures[unit_id] = png

    def show_error(self, message: str, hint: str, details: str = "") -> None:
        self.errors.append(f"{message} {hint}")

    def tell(self, message: str, hint: str = "") -> None:
        self.told.append(f"{message} {hint}".strip())

    def show_errand(self, words: str) -> None:
        self.errand = words

    def show_file(self, path: Path) -> None:
        self.files.append(path)

    def start_over(self, path: Path | None) -> None:
        self.folders.append(path)
        self.rows.clear()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def tick_until(controller: BatchController, so: Callable[[], bool]) -> None:
    give_up_at = monotonic() + PATIENCE_S
    while not so():
        assert monotonic() < give_up_at, "it took too long"
        controller.tick()
        sleep(0.01)


@pytest.fixture
def opened(tmp_path: Path, desk) -> tuple[BatchFolder, Watcher, BatchController]:
    folder = batch_by_hand(tmp_path / "night", 3)
    view = Watcher()
    controller = BatchController(view, desk)
    controller.open(folder.path)
    tick_until(controller, lambda: len(view.rows) == 3)
    return folder, view, controller


def test_work_is_done_in_its_order_and_errors_are_answers(desk) -> None:
    heard: list[object] = []
    threads: set[int] = set()

    def work(number: int) -> int:
        threads.add(threading.get_ident())
        return 6 // number

    for number in (3, 0, 2):
        desk.ask(lambda number=number: work(number), heard.append)
    assert desk.busy
    give_up_at = monotonic() + PATIENCE_S
    while desk.busy and monotonic() < give_up_at:
        desk.deliver()
    assert heard[0] == 2
    assert isinstance(heard[1], Failed)
    assert heard[2] == 3
    assert threading.get_ident() not in threads
    assert len(threads) == 1


def test_a_folder_that_does_not_answer_stops_nobody_and_is_told_of(tmp_path: Path) -> None:
    now = [100.0]
    desk, hangs, goes_on = Desk(clock=lambda: now[0]), threading.Event(), threading.Event()

    class Hanging(FolderReader):
        """As on a network drive that is away."""

        def look(self) -> Seen:
            seen = super().look()
            if self.looked:
                hangs.set()
                goes_on.wait(PATIENCE_S)
            self.looked = True
            return seen

        looked = False

    view = Watcher()
    controller = BatchController(view, desk, clock=lambda: now[0])
    controller.attach(Hanging(batch_by_hand(tmp_path / "night")))
    tick_until(controller, lambda: len(view.rows) == 4)
    assert controller.silent_s == 0
    now[0] += 60.0
    tick_until(controller, hangs.is_set)
    now[0] += 30.0
    controller.tick()  # and comes back at once
    assert controller.silent_s == 30.0
    assert "has not answered for 30 s" in who_works(controller.seen, silent_s=30.0)
    controller.pause()  # waits for its turn
    goes_on.set()
    tick_until(controller, lambda: BatchFolder.open(tmp_path / "night").is_paused)
    tick_until(controller, lambda: not desk.busy)
    assert controller.silent_s == 0
    controller.close()


def test_what_can_be_done_depends_on_who_works(opened) -> None:
    folder, view, controller = opened
    assert view.offers == Offers(check=True, start=True)
    held = folder.runs.take("0001", 1, claim_here("elsewhere", device="cuda:0", key="key 1"))
    tick_until(controller, lambda: view.rows["0001"] == "running")
    assert view.offers == Offers(check=True, pause="Pause", cancel=True)
    assert who_works(controller.seen).endswith("cuda:0.")
    controller.pause()
    tick_until(controller, lambda: view.offers.pause == "Resume")
    assert folder.is_paused
    assert "Pausing after the frame in work" in who_works(controller.seen)
    controller.pause()
    tick_until(controller, lambda: view.offers.pause == "Pause")
    assert not folder.is_paused
    held.check()
    for unit_id in ("0002", "0003"):
        finish(folder, unit_id, "failed", certain=True, cause="It is damaged.")
    tick_until(controller, lambda: view.offers.retry)
    controller.retry(["0003"])
    tick_until(controller, lambda: view.rows["0003"] == "waiting")
    assert view.rows["0002"] == "failed"
    controller.retry()
    tick_until(controller, lambda: view.rows["0002"] == "waiting")
    controller.cancel()
    tick_until(controller, lambda: folder.is_cancelled)
    tick_until(controller, lambda: not view.offers.cancel)
    assert view.errors == []


def test_the_end_is_summed_up(opened) -> None:
    folder, view, controller = opened
    finish(folder, "0001")
    finish(folder, "0002", "nothing")
    tick_until(controller, lambda: view.rows["0002"] == "nothing")
    assert summary(controller.seen) == "2 of 3 movies finished: 1 done, 1 nothing found."
    finish(folder, "0003", "failed", certain=True)
    tick_until(controller, lambda: view.rows["0003"] == "failed")
    assert summary(controller.seen) == "3 movies finished: 1 done, 1 nothing found, 1 failed."
    assert view.offers == Offers(retry=True, report=True, table=True)
    assert who_works(controller.seen) == ""
    assert "Writing the table and the report" in who_works(controller.seen, is_here=True)


def test_a_worker_is_late_when_its_heart_was_missed_and_not_before(opened) -> None:
    folder, view, controller = opened
    folder.runs.take("0001", 1, claim_here("elsewhere", key="key 1"))
    tick_until(controller, lambda: view.rows["0001"] == "running")
    (one,) = controller.seen.workers
    # A heart beats every ten seconds, whatever the worker does: loads its network, say.
    for heard_s, is_told in ((9.0, False), (20.0, False), (45.0, True)):
        seen = replace(controller.seen, workers=(replace(one, heard_s=heard_s),))
        assert ("last heard of 45 s ago" in who_works(seen)) == is_told


def test_a_batch_that_was_cancelled_says_so(opened) -> None:
    folder, view, controller = opened
    folder.cancel()
    tick_until(controller, lambda: controller.seen.is_cancelled)
    assert who_works(controller.seen).startswith("Cancelled. What is done is kept")
    assert who_works(controller.seen, is_here=True) == "Stopping …"
    tick_until(controller, lambda: view.offers == Offers(check=True, start=True))


def test_a_pause_is_offered_where_somebody_works_and_taken_back_anywhere(opened) -> None:
    folder, view, controller = opened
    folder.pause()
    tick_until(controller, lambda: view.offers == Offers(check=True, start=True, pause="Resume"))
    assert "Paused, and nobody works on it" in who_works(controller.seen)
    assert who_works(controller.seen, is_here=True) == "Paused."
    controller.pause()
    tick_until(controller, lambda: view.offers == Offers(check=True, start=True))
    assert not folder.is_paused


def test_a_program_that_is_cancelled_while_it_starts_does_not_start(opened) -> None:
    folder, view, controller = opened
    controller.start()
    tick_until(controller, lambda: view.offers.cancel)
    assert controller.is_starting
    assert "Starting here" in who_works(controller.seen, is_here=controller.is_here)
    controller.cancel()
    tick_until(controller, lambda: controller.seen.is_cancelled)
    assert not controller.is_starting
    tick_until(controller, lambda: view.offers.start)
    assert folder.is_cancelled
    assert set(view.rows.values()) == {"waiting"}
    assert view.errors == []


def test_an_error_of_something_else_does_not_offer_a_second_start(opened, monkeypatch) -> None:
    folder, view, controller = opened
    goes_on, started = threading.Event(), []

    class Slow:
        """A program that takes long to be started, and does nothing."""

        exit_code, said = None, ""

        def __init__(self, path: Path) -> None:
            started.append(path)
            goes_on.wait(PATIENCE_S)

    def fail() -> None:
        raise BatchError("It cannot be read.", "Try again.")

    monkeypatch.setattr("napari_sa2va.gui.batch.controller.BatchProcess", Slow)
    controller.ask(fail)
    controller.start()
    tick_until(controller, lambda: bool(view.errors))
    assert controller.is_starting
    assert not view.offers.start
    controller.start()
    # One that is started for another folder is not taken for one of the folder on show.
    other = batch_by_hand(folder.path.parent / "day", 2)
    controller.attach(reader_of(other))
    goes_on.set()
    tick_until(controller, lambda: len(view.rows) == 2)
    assert started == [folder.path]
    assert not controller.is_here
    assert view.offers.start


def test_movies_are_taken_out_but_for_those_that_somebody_works_on(opened) -> None:
    folder, view, controller = opened
    folder.runs.take("0001", 1, claim_here("elsewhere", key="key 1"))
    tick_until(controller, lambda: view.rows["0001"] == "running")
    controller.take_out(["0001", "0002"])
    tick_until(controller, lambda: bool(view.told))
    assert view.told == [
        "1 movie cannot be removed while somebody works on it. Pause, and try again."
    ]
    assert list(folder.units()) == ["0001", "0003"]
    tick_until(controller, lambda: controller.seen.total == 2)
    assert list(view.rows) == ["0001", "0003"]


def test_the_report_is_written_when_it_is_asked_for_and_is_not_there(opened) -> None:
    folder, view, controller = opened
    finish(folder, "0001", "failed", certain=True, cause="It is cut off.")
    tick_until(controller, lambda: view.offers.report)
    assert not view.offers.table, "no movie has objects"
    controller.show("report")
    assert view.errand == "Writing the report …"
    tick_until(controller, lambda: bool(view.files))
    assert view.errand == ""
    report = folder.path / "report.html"
    assert view.files == [report]
    assert "It is cut off." in report.read_text(encoding="utf-8")
    written = report.stat().st_mtime_ns
    controller.show("report")
    tick_until(controller, lambda: len(view.files) == 2)
    assert report.stat().st_mtime_ns == written, "nothing has changed"
    finish(folder, "0002", "failed", certain=True, cause="It is empty.")
    controller.show("report")
    tick_until(controller, lambda: len(view.files) == 3)
    assert "It is empty." in report.read_text(encoding="utf-8")


def test_the_batch_that_was_looked_at_last_and_is_at_work_is_found(tmp_path: Path) -> None:
    found: list[Path] = []

    def look() -> None:
        desk = Desk()
        Scout(desk, found.append).go()
        give_up_at = monotonic() + PATIENCE_S
        while desk.busy and monotonic() < give_up_at:
            desk.deliver()

    running, over, gone = (batch_by_hand(tmp_path / name, 1) for name in ("a", "b", "c"))
    for folder in (running, over, gone):
        reader_of(folder)
    finish(over, "0001")
    gone.path.rename(tmp_path / "elsewhere")
    look()
    assert found == []
    running.runs.take("0001", 1, claim_here("somebody", key="key 1"))
    look()
    assert found == [running.path]


def test_the_picture_of_the_unit_that_is_watched_is_renewed(opened) -> None:
    folder, view, controller = opened
    picture = folder.work_of("0002") / "last.png"
    picture.parent.mkdir(parents=True)
    controller.watch("0002")
    tick_until(controller, lambda: view.pictures.get("0002") == b"")
    picture.write_bytes(b"one")
    tick_until(controller, lambda: view.pictures["0002"] == b"one")
    picture.write_bytes(b"another")
    tick_until(controller, lambda: view.pictures["0002"] == b"another")


def test_a_program_that_cannot_work_says_why(opened) -> None:
    folder, view, controller = opened
    (folder.path / "batch.json").write_text("{")  # the panel has it open already
    controller.start()
    tick_until(controller, lambda: bool(view.errors))
    assert "has ended" in view.errors[0]
    assert "damaged" in view.errors[0]
    assert view.offers.start, "it may be tried again"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no groups of processes to kill")
def test_a_program_outlives_whoever_started_it(tmp_path: Path) -> None:
    # Of movies that are not in a folder which is there: both fail, and no drive is waited for.
    folder = batch_by_hand(tmp_path / "night", 2, attempts=1)
    units = folder.units().values()
    folder.add([u.model_copy(update={"path": str(tmp_path / u.movie)}) for u in units], {})
    folder.pause()
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(folder.path)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        os.killpg(starter.pid, signal.SIGKILL)  # with all that belongs to its terminal
    folder.resume()
    give_up_at = monotonic() + PATIENCE_S
    while any(not standing.is_at_end for standing in folder.standings().values()):
        assert monotonic() < give_up_at, "nobody has worked"
        sleep(0.1)
    assert [standing.state for standing in folder.standings().values()] == ["failed", "failed"]


_STARTER = """
import sys, time
from pathlib import Path
from napari_sa2va.gui.batch.process import BatchProcess
process = BatchProcess(Path(sys.argv[1]))
print("started", flush=True)
time.sleep(600)
"""
