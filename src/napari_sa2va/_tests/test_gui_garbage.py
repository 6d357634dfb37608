"""On which thread garbage goes, and when."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from qtpy.QtCore import QObject, Qt

from napari_sa2va.gui.garbage import LATE, Collector, collect_here
from napari_sa2va.gui.smooth import smooth
from napari_sa2va.gui.worker import start_work

WAIT_MS = 120_000


@pytest.fixture(autouse=True)
def _as_before(qapp) -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.collect()
    yield
    gc.enable()
    gc.set_threshold(*thresholds)


class Clock:
    """Stands until it is set."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def parent(qapp) -> QObject:
    """With which what is made in a test goes."""
    return QObject()


@pytest.fixture
def collector(parent: QObject, clock: Clock) -> Collector:
    made = Collector(parent, clock)
    made.young = 700
    return made


def throw_away(went: list[str]) -> None:
    """Leave an object of Qt that only a collection finds; where it goes is written down."""
    thing = QObject()
    thing.itself = thing
    thing.destroyed.connect(
        lambda: went.append(threading.current_thread().name), Qt.ConnectionType.DirectConnection
    )


def allocate(number: int) -> list[list[int]]:
    return [[] for _ in range(number)]


def full_ones() -> int:
    return gc.get_stats()[2]["collections"]


def make_due() -> None:
    """So many young and middle collections that a full one is due."""
    _, middle, old = gc.get_threshold()
    for _ in range((middle + 2) * (old + 2)):
        gc.collect(min(1, gc.get_count()[1] // (middle + 1)))
        if gc.get_count()[2] > old:
            return


def test_what_is_of_qt_goes_on_the_thread_of_the_window_whoever_allocates(
    make_napari_viewer_proxy, qtbot
) -> None:
    make_napari_viewer_proxy()
    gc.set_threshold(700, 10, 10)
    went: list[str] = []
    ended = threading.Event()

    def source(request, cancel):
        kept = allocate(LATE // 5)
        yield len(kept)

    throw_away(went)
    start_work(1, lambda message: ended.set(), source)
    qtbot.waitUntil(lambda: ended.is_set() and bool(went), timeout=WAIT_MS)
    assert went == [threading.main_thread().name]


def test_without_that_it_goes_wherever_somebody_allocates() -> None:
    gc.set_threshold(700, 10, 10)
    went: list[str] = []
    throw_away(went)
    other = threading.Thread(target=allocate, args=(100_000,), name="other")
    other.start()
    other.join()
    assert went == ["other"]


def test_a_window_that_hangs_does_not_keep_garbage_from_being_collected(qapp) -> None:
    gc.set_threshold(700, 10, 10)
    collect_here()
    went: list[str] = []
    throw_away(went)
    kept = allocate(LATE - 10_000)
    assert went == []
    kept += allocate(20_000)
    assert went


def test_young_garbage_goes_at_the_next_look(collector: Collector) -> None:
    gc.set_threshold(LATE, 10, 10)
    went: list[str] = []
    gc.collect()
    throw_away(went)
    collector.collect()
    assert went == [], "it is not due yet"
    kept = allocate(2000)
    collector.collect()
    assert went
    del kept


def test_what_has_come_in_great_number_is_not_walked_through_twice(collector: Collector) -> None:
    gc.set_threshold(LATE, 10, 10)
    gc.collect()
    kept = []
    for number in (2000, 700 * 10 + 1000):
        kept.append(allocate(number))
        collector.collect()
        assert gc.get_count()[1] == (1 if number == 2000 else 0)
    assert len(gc.get_objects(1)) < 1000
    del kept


def test_full_collections_are_made_when_there_is_a_quarter_more_and_none_in_a_run(
    parent: QObject, clock: Clock, monkeypatch
) -> None:
    gc.set_threshold(LATE, 1, 1)
    collect, num_old = gc.collect, 1000

    def slow(generation: int = 2) -> int:
        clock.now_s += 0.5
        return collect(generation)

    monkeypatch.setattr(gc, "get_objects", lambda generation: range(num_old))
    collector = Collector(parent, clock)
    collector.young = 700
    monkeypatch.setattr(gc, "collect", slow)
    before = full_ones()

    def made() -> int:
        make_due()
        collector.collect()
        return full_ones() - before

    num_old = 1240
    assert made() == 0, "there is hardly more than before"
    num_old = 1260
    make_due()
    with smooth():
        collector.collect()
    assert full_ones() == before
    assert made() == 1
    num_old = 2000
    clock.now_s += 40
    assert made() == 1, "the last one took half a second, less than 50 s ago"
    clock.now_s += 20
    assert made() == 2
    clock.now_s += 60
    assert made() == 2, "there is no more than then"


def test_who_has_settings_of_their_own_keeps_them(collector: Collector, qapp) -> None:
    for settings in ((0, 10, 10), (LATE + 1, 10, 10)):
        gc.set_threshold(*settings)
        collect_here()
        assert gc.get_threshold() == settings
    gc.set_threshold(700, 10, 10)
    gc.disable()
    collect_here()
    assert gc.get_threshold() == (700, 10, 10)
    before = [one["collections"] for one in gc.get_stats()]
    kept = allocate(5000)
    collector.collect()  # it is off
    gc.set_threshold(1_000_000, 10, 10)
    gc.enable()
    collector.collect()  # somebody wants it so
    assert [one["collections"] for one in gc.get_stats()] == before
    del kept


def test_it_is_set_up_once(qapp) -> None:
    gc.set_threshold(900, 9, 8)
    collect_here()
    collect_here()
    assert gc.get_threshold() == (LATE, 9, 8)
    (only,) = qapp.findChildren(Collector)
    assert only.young == 900
