"""What is put off while a run is on, and that it is as it was afterwards."""

from __future__ import annotations

import gc
import sys
import threading

import pytest

from napari_sa2va.gui.smooth import smooth
from napari_sa2va.gui.worker import start_work

WAIT_MS = 120_000


@pytest.fixture(autouse=True)
def _as_before():
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)


def settings() -> tuple[float, tuple[int, int, int]]:
    return round(sys.getswitchinterval(), 6), gc.get_threshold()


def test_a_run_gives_the_lock_away_sooner_and_makes_no_full_collection():
    sys.setswitchinterval(0.005)
    gc.set_threshold(700, 10, 10)
    with smooth():
        assert sys.getswitchinterval() == pytest.approx(0.0005)
        young, middle, old = gc.get_threshold()
        assert (young, middle) == (700, 10), "small collections are made as before"
        assert old > 100_000
    assert settings() == (0.005, (700, 10, 10))


def test_the_last_of_several_runs_puts_it_back():
    sys.setswitchinterval(0.005)
    before = settings()
    first, second = smooth(), smooth()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert settings() != before
    second.__exit__(None, None, None)
    assert settings() == before


def test_what_somebody_else_sets_meanwhile_stays():
    with smooth():
        sys.setswitchinterval(0.02)
        gc.set_threshold(500, 5, 7)
    assert settings() == (0.02, (500, 5, 7))


def test_whoever_gives_the_lock_away_sooner_already_is_left_alone():
    sys.setswitchinterval(0.0001)
    with smooth():
        assert sys.getswitchinterval() == pytest.approx(0.0001)
    assert sys.getswitchinterval() == pytest.approx(0.0001)


def test_a_run_that_breaks_puts_it_back():
    before = settings()
    with pytest.raises(ValueError, match="broke"), smooth():
        raise ValueError("it broke")
    assert settings() == before


def test_it_holds_while_a_worker_works_and_no_longer(make_napari_viewer_proxy, qtbot):
    make_napari_viewer_proxy()
    sys.setswitchinterval(0.005)
    before, during, ended = settings(), [], threading.Event()

    def source(request, cancel):
        during.append(settings())
        yield request

    start_work(1, lambda message: ended.set(), source)
    qtbot.waitUntil(ended.is_set, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: settings() == before, timeout=WAIT_MS)
    assert during[0] != before
