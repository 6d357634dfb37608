"""Only the latest of what is wanted is worked on, one piece of work at a time."""

from __future__ import annotations

import threading

import pytest
from qtpy.QtCore import QObject

from napari_sa2va.core.errors import RequestError
from napari_sa2va.gui.latest import LatestOnly
from napari_sa2va.gui.request import Failed

WAIT_MS = 120_000


class Bench:
    """A request to be changed, a source that holds where the test wants, and what was heard."""

    def __init__(self) -> None:
        self.wanted: object = 1
        self.heard: list[object] = []
        self.begun: list[object] = []
        self.at_once = self.most_at_once = 0
        self.may_go = threading.Event()
        self.may_go.set()
        self.parent = QObject()
        self.latest = LatestOnly(self.read, self.source, self.heard.append, self.parent)

    def read(self):
        if isinstance(self.wanted, Exception):
            raise self.wanted
        return self.wanted

    def source(self, request, cancel):
        self.begun.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            while not self.may_go.wait(0.01) and not cancel.cancelled:
                pass
            if request == "broken":
                raise ValueError("it broke")
            for step in range(3):
                yield (request, step)
        finally:
            self.at_once -= 1


@pytest.fixture
def bench(qtbot):
    made = Bench()
    yield made
    made.latest.stop()
    made.may_go.set()
    qtbot.waitUntil(lambda: made.at_once == 0, timeout=WAIT_MS)


def settle(bench: Bench, qtbot) -> None:
    qtbot.waitUntil(lambda: not bench.latest.busy, timeout=WAIT_MS)


def test_many_changes_in_a_moment_are_one_piece_of_work(bench, qtbot) -> None:
    for number in range(5):
        bench.wanted = number
        bench.latest.soon()
    assert bench.begun == [], "it waits until nothing changes any more"
    settle(bench, qtbot)
    assert bench.begun == [4]
    assert bench.heard == [(4, 0), (4, 1), (4, 2)]


def test_what_was_done_is_not_done_again_unless_asked(bench, qtbot) -> None:
    bench.latest.soon()
    settle(bench, qtbot)
    bench.latest.soon()
    settle(bench, qtbot)
    assert bench.begun == [1]
    bench.latest.again()
    settle(bench, qtbot)
    assert bench.begun == [1, 1]


def test_work_that_is_out_of_date_is_stopped_and_its_results_are_dropped(bench, qtbot) -> None:
    bench.may_go.clear()
    bench.latest.soon()
    qtbot.waitUntil(lambda: bench.begun == [1], timeout=WAIT_MS)
    for bench.wanted in (2, 3):
        bench.latest._begin()  # as the timer does
    qtbot.waitUntil(lambda: len(bench.begun) > 1, timeout=WAIT_MS)
    bench.may_go.set()
    settle(bench, qtbot)
    assert bench.begun == [1, 3], "nobody wanted 2 any more when it could have begun"
    assert bench.most_at_once == 1
    assert {request for request, _ in bench.heard} == {3}


def test_back_to_what_was_wanted_before_is_work_again(bench, qtbot) -> None:
    bench.may_go.clear()
    bench.latest.soon()
    qtbot.waitUntil(lambda: bench.begun == [1], timeout=WAIT_MS)
    bench.wanted = 2
    bench.latest._begin()
    bench.wanted = 1
    bench.latest._begin()
    bench.may_go.set()
    settle(bench, qtbot)
    assert bench.begun == [1, 1]
    assert bench.heard == [(1, 0), (1, 1), (1, 2)]


def test_what_cannot_be_read_is_said_and_stops_what_is_on_its_way(bench, qtbot) -> None:
    bench.may_go.clear()
    bench.latest.soon()
    qtbot.waitUntil(lambda: bench.begun == [1], timeout=WAIT_MS)
    bench.wanted = RequestError("There is no such frame.", "Name another.")
    bench.latest.soon()
    settle(bench, qtbot)
    assert bench.heard == [Failed("There is no such frame.", "Name another.")]
    bench.wanted = 1
    bench.may_go.set()
    bench.latest.soon()
    settle(bench, qtbot)
    assert bench.heard[1:] == [(1, 0), (1, 1), (1, 2)]


def test_nothing_to_do_is_told_as_nothing(bench, qtbot) -> None:
    bench.wanted = None
    bench.latest.soon()
    settle(bench, qtbot)
    assert (bench.begun, bench.heard) == ([], [None])


def test_an_error_is_told_and_the_next_request_works(bench, qtbot) -> None:
    bench.wanted = "broken"
    bench.latest.soon()
    settle(bench, qtbot)
    assert "it broke" in bench.heard[0].message
    bench.wanted = 2
    bench.latest.soon()
    settle(bench, qtbot)
    assert bench.heard[1:] == [(2, 0), (2, 1), (2, 2)]


def test_a_pause_stops_the_work_and_its_end_begins_it_anew(bench, qtbot) -> None:
    bench.may_go.clear()
    bench.latest.soon()
    qtbot.waitUntil(lambda: bench.begun == [1], timeout=WAIT_MS)
    bench.latest.pause(True)
    qtbot.waitUntil(lambda: bench.at_once == 0, timeout=WAIT_MS)
    bench.latest.soon()
    settle(bench, qtbot)
    assert bench.begun == [1]
    assert bench.heard == []
    bench.may_go.set()
    bench.latest.pause(False)
    settle(bench, qtbot)
    assert bench.heard == [(1, 0), (1, 1), (1, 2)]


def test_after_a_stop_nothing_is_heard_until_the_start(bench, qtbot) -> None:
    bench.may_go.clear()
    bench.latest.soon()
    qtbot.waitUntil(lambda: bench.begun == [1], timeout=WAIT_MS)
    bench.latest.stop()
    bench.may_go.set()
    settle(bench, qtbot)
    bench.latest.soon()
    assert not bench.latest.busy
    assert bench.heard == []
    bench.latest.start()
    settle(bench, qtbot)
    assert bench.heard == [(1, 0), (1, 1), (1, 2)]


def test_a_stop_comes_to_no_harm_when_the_timer_is_gone(qtbot) -> None:
    bench = Bench()
    bench.parent.deleteLater()
    qtbot.waitUntil(lambda: _is_gone(bench.parent), timeout=WAIT_MS)
    bench.latest.stop()


def _is_gone(thing: QObject) -> bool:
    from qtpy.compat import isalive

    return not isalive(thing)
