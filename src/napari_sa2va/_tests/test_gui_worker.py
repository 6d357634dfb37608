"""Where work meets a thread: nothing of it is kept once it is done."""

from __future__ import annotations

import gc
import threading
import time
import weakref

from qtpy.QtCore import QTimer

from napari_sa2va.gui.request import Failed
from napari_sa2va.gui.worker import start_work

WAIT_MS = 120_000


class Listener:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def __call__(self, message: object) -> None:
        self.heard.append(message)


def three(request, cancel):
    yield from (request, 2, 3)


def failing(request, cancel):
    yield request
    raise ValueError("it broke")


def test_whoever_listened_is_let_go_of_although_napari_keeps_the_worker(
    make_napari_viewer_proxy, qtbot
) -> None:
    make_napari_viewer_proxy()  # its window lists the workers that there were
    for source in (three, failing):
        listener = Listener()
        gone = weakref.ref(listener)
        start_work(1, listener, source)
        qtbot.waitUntil(lambda heard=listener.heard: len(heard) >= 2, timeout=WAIT_MS)
        del listener

        def collected(gone=gone) -> bool:
            gc.collect()
            return gone() is None

        qtbot.waitUntil(collected, timeout=WAIT_MS)


def test_messages_come_in_order_and_an_error_is_the_last(make_napari_viewer_proxy, qtbot) -> None:
    make_napari_viewer_proxy()
    good, bad = Listener(), Listener()
    start_work(1, good, three)
    start_work(1, bad, failing)
    qtbot.waitUntil(lambda: len(good.heard) == 3 and len(bad.heard) == 2, timeout=WAIT_MS)
    assert good.heard == [1, 2, 3]
    assert bad.heard[0] == 1
    assert isinstance(bad.heard[1], Failed)
    assert "it broke" in bad.heard[1].message


def test_the_window_lives_between_messages_that_wait_together(
    make_napari_viewer_proxy, qtbot
) -> None:
    make_napari_viewer_proxy()
    heard: list[object] = []
    last_sent = threading.Event()

    def four(request, cancel):
        yield request
        yield from (2, 3)  # of a known kind: nobody waits for their being taken
        last_sent.set()
        yield 4

    def listen(message: object) -> None:
        heard.append(message)
        if message == 1:
            return
        if message == 2:
            assert last_sent.wait(WAIT_MS / 1000)
        begin = time.perf_counter()
        while time.perf_counter() - begin < 0.02:  # it takes the GUI a while
            pass

    timer = QTimer()
    timer.setInterval(0)
    timer.timeout.connect(lambda: heard.append("window"))
    start_work(1, listen, four)
    timer.start()
    try:
        qtbot.waitUntil(lambda: 4 in heard, timeout=WAIT_MS)
    finally:
        timer.stop()
    said = [m for m in heard if m != "window"]
    assert said == [1, 2, 3, 4]
    for message in (2, 3):
        after = heard[heard.index(message) + 1]
        assert after == "window", f"{message} was followed by {after} at once"


def test_the_worker_waits_until_the_first_message_of_a_kind_has_been_taken(
    make_napari_viewer_proxy, qtbot
) -> None:
    make_napari_viewer_proxy()
    taken: list[object] = []
    seen: list[tuple[object, bool]] = []

    def source(request, cancel):
        for message in (1, "layer", 2):
            yield message
            seen.append((message, message in taken))

    def listen(message: object) -> None:
        begin = time.perf_counter()
        while time.perf_counter() - begin < 0.05:
            pass
        taken.append(message)

    start_work(1, listen, source)
    qtbot.waitUntil(lambda: len(seen) == 3 and len(taken) == 3, timeout=WAIT_MS)
    assert seen[:2] == [(1, True), ("layer", True)]
    assert taken == [1, "layer", 2]
